"""As whom the servers run: the caller, unless that is root."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
from pathlib import Path

import pytest

from cuepoint.embedded.errors import EmbeddedError
from cuepoint.embedded.identity import ACCOUNTS, Identity, choose_identity

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
CAT = Path("/bin/cat")


async def output_of(identity: Identity, *argv: str) -> str:
    """What a child prints that runs as `identity`."""
    process = await identity.start(argv, death_signal=signal.SIGKILL, output=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return said.decode()


class TestChooseIdentity:
    def test_an_ordinary_user_stays_who_they_are(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)

        assert choose_identity(tmp_path, []) == Identity(12345, os.getegid(), changes=False, overrides=False)

    @needs_root
    def test_root_becomes_an_account_without_rights(self) -> None:
        identity = choose_identity(Path("/tmp/cuepoint-absent"), [CAT])

        assert identity.uid in {pwd.getpwnam(name).pw_uid for name in ACCOUNTS}
        assert identity.changes
        assert not identity.overrides

    @needs_root
    def test_data_keep_their_owner(self, tmp_path: Path) -> None:
        os.chown(tmp_path, 4321, 4322)

        identity = choose_identity(tmp_path, [])

        assert (identity.uid, identity.gid) == (4321, 4322)

    @needs_root
    def test_a_closed_directory_above_needs_the_capability(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)

        assert choose_identity(tmp_path / "data", []).overrides


@needs_root
class TestStart:
    async def test_no_capability_is_left_without_need(self) -> None:
        status = await output_of(Identity(65534, 65534, changes=True, overrides=False), str(CAT), "/proc/self/status")

        lines = dict(line.split(":\t", 1) for line in status.splitlines())
        assert lines["Uid"].split() == ["65534"] * 4
        assert lines["CapEff"].strip("0") == ""
        assert lines["CapPrm"].strip("0") == ""

    @pytest.fixture
    def closed(self, tmp_path: Path) -> Path:
        tmp_path.chmod(0o700)
        (tmp_path / "file").write_text("within")
        return tmp_path / "file"

    async def test_exactly_one_is_left_to_get_through_a_closed_directory(self, closed: Path) -> None:
        identity = Identity(65534, 65534, changes=True, overrides=True)

        status = await output_of(identity, str(CAT), "/proc/self/status")

        lines = dict(line.split(":\t", 1) for line in status.splitlines())
        assert int(lines["CapEff"], 16) == 1 << 1
        assert await output_of(identity, str(CAT), str(closed)) == "within"


@needs_root
class TestRefusal:
    async def test_a_root_that_may_not_change_its_user_is_told_what_to_do(self) -> None:
        impossible = Identity(2**40, 2**40, changes=True, overrides=False)

        with pytest.raises(EmbeddedError, match="Run Cuepoint as an ordinary user"):
            await output_of(impossible, str(CAT), "/dev/null")
