"""The data directory: what cannot be written is told, what lies elsewhere is not blamed on it, media are private."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from cuepoint.embedded.errors import EmbeddedError
from cuepoint.embedded.lock import is_locked
from cuepoint.embedded.stack import Stack, prepare_home


class TestUnwritableHome:
    async def test_a_directory_in_it_that_cannot_be_made_is_told_in_the_same_way(self, tmp_path: Path) -> None:
        (tmp_path / "logs").touch()

        with pytest.raises(EmbeddedError, match=r"cannot be written \(File exists\).*or free some disk"):
            async with Stack(tmp_path):
                pass

        assert not is_locked(tmp_path)

    async def test_says_which_setting_to_change(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(EmbeddedError, match="Choose another with CUEPOINT_HOME"):
            async with Stack(tmp_path / "file" / "home"):
                pass

    async def test_is_not_blamed_for_what_lies_elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere")

        with pytest.raises(EmbeddedError, match=r"^The servers could not be started: .*No such file.*/nowhere/"):
            async with Stack(tmp_path, postgres=False):
                pass

        assert not is_locked(tmp_path)


class TestPrepareHome:
    def test_media_of_an_earlier_version_become_private(self, tmp_path: Path) -> None:
        (tmp_path / "storage").mkdir(mode=0o755)

        prepare_home(tmp_path)

        assert (tmp_path / "storage").stat().st_mode & 0o777 == 0o700
