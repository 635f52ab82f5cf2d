"""`cuepoint doctor`: every part is looked at, and what is wrong comes with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from cuepoint.cli.doctor import State, examine
from cuepoint.config import Settings, load_settings

PARTS = [
    *("Python", "Packages", "ffmpeg", "Box", "Captions"),
    *("Postgres", "Redis", "Storage", "Speech model", "Embeddings", "API"),
]


class TestExamine:
    async def test_all_is_well_on_a_migrated_database(self, settings: Settings) -> None:
        findings = await examine(settings)

        assert [finding.part for finding in findings] == PARTS
        assert [finding for finding in findings if finding.state is State.FAULT] == []
        found = {finding.part: finding.found for finding in findings}
        assert found["Postgres"].startswith("18.4 (configured), pgvector 0.8.5, migration ")
        assert found["Redis"] == "6.2.14 (configured)"
        assert found["Captions"] == "libass, 5 fonts"

    async def test_before_the_first_start_the_bundled_servers_are_looked_at(self, tmp_path: Path) -> None:
        findings = await examine(load_settings({"CUEPOINT_HOME": str(tmp_path)}))

        found = {finding.part: (finding.state, finding.found.split(" (")[0]) for finding in findings}
        assert found["Postgres"] == (State.FINE, "embedded, not running")
        assert found["Redis"] == (State.FINE, "embedded, not running")
        assert found["API"][0] is State.NOTE

    @pytest.mark.parametrize(
        ("part", "change", "advice"),
        [
            ("Postgres", {"database_url": SecretStr("postgresql://a@127.0.0.1:1/b")}, "CUEPOINT_DATABASE_URL"),
            ("Redis", {"redis_url": SecretStr("redis://127.0.0.1:1/0")}, "CUEPOINT_REDIS_URL"),
            ("Speech model", {"whisper_model": "/no/such/model"}, "CUEPOINT_WHISPER_MODEL"),
            ("Storage", {"min_free_bytes": 2**60}, "CUEPOINT_MIN_FREE_BYTES"),
            ("Storage", {"storage_url": "s3://bucket"}, "CUEPOINT_S3_ACCESS_KEY_ID"),
            ("Captions", {"caption_fonts": Path("/no/such/fonts")}, "CUEPOINT_CAPTION_FONTS"),
        ],
    )
    async def test_a_fault_names_the_setting_to_change(
        self, settings: Settings, part: str, change: dict[str, object], advice: str
    ) -> None:
        findings = await examine(settings.model_copy(update=change))

        faults = [finding for finding in findings if finding.state is State.FAULT]
        assert [fault.part for fault in faults] == [part]
        assert advice in faults[0].advice + faults[0].found
