"""`cuepoint schema`: what is generated from the code is checked in, and a difference is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cuepoint.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]


class TestSchema:
    def test_the_checked_in_files_are_current(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(ROOT)

        result = CliRunner().invoke(cli, ["schema", "--check"])

        assert result.exit_code == 0, result.output

    def test_a_difference_is_shown_and_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        CliRunner().invoke(cli, ["schema", "--write"])
        file = tmp_path / "frontend-schema/schema.graphql"
        file.write_text(file.read_text().replace("semanticSearch", "search"))

        result = CliRunner().invoke(cli, ["schema", "--check"])

        assert result.exit_code == 1
        assert "+  semanticSearch" in result.output
        assert "make schema" in result.output
