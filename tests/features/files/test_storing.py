"""Files that jobs store: named by their bytes, and announced before they lie anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.files.models import FileArea, FileRemoval
from cuepoint.features.files.storing import store_file
from cuepoint.features.jobs.models import JobKind
from tests.support.builders.attempts import begin_attempt
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_video
from tests.support.stack import ROOT
from tests.support.storage import content

BLAKE3_OF_DATA = "28a249c2e4d3"


class TestStoreFile:
    @pytest.mark.parametrize(("suffix", "ending"), [(None, ".mp4"), ("", ""), (".m4a", ".m4a")])
    async def test_names_the_file_by_its_bytes_and_announces_it(
        self, db: Database, settings: Settings, tmp_path: Path, suffix: str | None, ending: str
    ) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        context, _ = await begin_attempt(db, settings, JobKind.CLIP_EXTRACTION, video)
        path = tmp_path / "clip.mp4"
        path.write_bytes(b"data")

        stored = await store_file(
            context,
            FileArea.EXPORTS,
            project_id=project.id,
            owner_id=video.id,
            name="../My Clip!.x",
            path=path,
            suffix=suffix,
        )

        assert stored.key == f"projects/{project.id.hex}/exports/{video.id.hex}/my-clip-{BLAKE3_OF_DATA}{ending}"
        assert stored.size_bytes == 4
        storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        assert await content(storage, stored.key) == b"data"
        async with db.read() as session:
            [announced] = await session.scalars(select(FileRemoval))
        assert (announced.key, announced.job_id, announced.attempt) == (stored.key, context.job_id, context.attempt)


def test_no_feature_stores_a_file_in_another_way() -> None:
    features = ROOT / "backend/cuepoint/features"
    callers = [path for path in features.rglob("*.py") if ".put_file(" in path.read_text()]

    assert [str(path.relative_to(features)) for path in callers] == ["files/storing.py"]
