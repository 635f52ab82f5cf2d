"""Videos whose bytes come later."""

from __future__ import annotations

from sqlalchemy import select

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.uploads import fetching
from cuepoint.features.uploads.models import Upload
from cuepoint.features.videos.deletion import delete_video
from cuepoint.features.videos.intake import Expected, expect_video
from cuepoint.features.videos.service import remove_row
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer


async def expect(db: Database, settings: Settings) -> tuple[Expected, object]:
    viewer = await make_viewer(db)
    project = await make_project(db, owner_id=viewer.user_id)
    async with db.write() as session:
        upload = await fetching.open_upload(
            session, settings, project_id=project.id, created_by_id=viewer.user_id, filename="film.mp4"
        )
        return await expect_video(session, upload, title="A film", args={}, auto_start=True), viewer


class TestExpectVideo:
    async def test_the_pipeline_requires_the_bytes(self, db: Database, settings: Settings) -> None:
        made, _ = await expect(db, settings)

        first, *others = made.jobs
        assert (first.kind, first.status, first.video_id) == (JobKind.INGEST, JobStatus.QUEUED, made.video.id)
        assert {job.status for job in others} == {JobStatus.BLOCKED}
        assert (made.video.content_hash, made.video.size_bytes, made.video.title) == (None, None, "A film")

    async def test_it_can_be_deleted_before_they_came(self, db: Database, settings: Settings) -> None:
        made, viewer = await expect(db, settings)

        async with db.write() as session:
            await delete_video(session, viewer, made.video.id)  # type: ignore[arg-type]
        async with db.write() as session:
            gone = await remove_row(session, made.video.id)

        async with db.read() as session:
            statuses = set(await session.scalars(select(Job.status).where(Job.kind != JobKind.VIDEO_DELETION)))
            uploads = (await session.scalars(select(Upload))).all()
        assert (gone, statuses, uploads) == (True, {JobStatus.CANCELLED}, [])
