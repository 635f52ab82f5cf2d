"""Giving up a project's files: everything else stays, and nothing can be made of its videos any more."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError
from cuepoint.features.clips.models import Clip
from cuepoint.features.deletions import service
from cuepoint.features.deletions.tasks import wipe_storage
from cuepoint.features.files.models import StoredFile
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.uploads.models import Upload
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import RenditionKind, Video
from tests.features.deletions.conftest import Full, rows_of, run_dying
from tests.support.builders.attempts import begin_attempt, make_job
from tests.support.builders.projects import make_member
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_rendition, make_upload, make_video
from tests.support.storage import stream
from tests.support.uploads import BLAKE3, DATA

GONE = {"stored_files", "uploads"}


async def request(db: Database, full: Full, name: str = "Match days") -> service.Requested:
    async with db.write() as session:
        return await service.wipe_storage(session, full.viewer, full.project.id, confirm_name=name, dry_run=False)


async def running_job(db: Database, full: Full) -> Job:
    return await make_job(db, JobKind.STORAGE_WIPE, status=JobStatus.RUNNING, project_id=full.project.id)


class TestWipeStorage:
    async def test_every_file_goes_and_all_else_stays(
        self, db: Database, settings: Settings, full: Full, untouched: Full
    ) -> None:
        job = await running_job(db, full)
        before = await rows_of(db, full.project)
        others = await rows_of(db, untouched.project)
        stray = f"projects/{full.project.id.hex}/exports/stray.mp4"

        asked = await request(db, full)
        context, _ = await begin_attempt(db, settings, JobKind.STORAGE_WIPE, job=job)
        await wipe_storage(context)

        after = await rows_of(db, full.project)
        assert asked.counts.files == 25
        assert {name: count for name, count in before.items() if name not in GONE} == {
            **after,
            "jobs": after["jobs"] - 1,  # the one that was asked for
        }
        assert GONE & set(after) == set()
        [left] = [key for key in full.files() if full.project.id.hex in key]
        assert left.endswith(stray)  # no row ever named it
        assert await rows_of(db, untouched.project) == others
        async with db.read() as session:
            video = await session.get_one(Video, full.video.id)
        assert (video.files_removed_at is not None, video.title) == (True, "Four short stories")

    async def test_killed_again_and_again_it_goes_on(self, db: Database, settings: Settings, full: Full) -> None:
        await request(db, full)

        async def begin() -> TaskContext:
            return (await begin_attempt(db, settings, JobKind.STORAGE_WIPE, job=await running_job(db, full)))[0]

        deaths = await run_dying(db, settings, begin, wipe_storage)

        assert deaths > 3
        assert GONE & set(await rows_of(db, full.project)) == set()
        assert [key for key in full.files() if not key.endswith("stray.mp4")] == []

    async def test_what_came_after_it_was_asked_for_stays(self, db: Database, settings: Settings, full: Full) -> None:
        job = await running_job(db, full)
        await request(db, full)
        video = await make_video(db, full.project)
        poster = await make_rendition(db, video, RenditionKind.POSTER)
        upload = await make_upload(db, full.project)
        probe = await make_job(db, JobKind.PROBE, video)
        context, _ = await begin_attempt(db, settings, JobKind.STORAGE_WIPE, job=job)

        await wipe_storage(context)

        async with db.read() as session:
            kept = set(await session.scalars(select(StoredFile.key)))
            uploads_left = list(await session.scalars(select(Upload.id)))
            state = await session.get_one(Job, probe.id)
        assert kept == {video.storage_key, poster.storage_key}
        assert (uploads_left, state.status) == ([upload.id], JobStatus.QUEUED)

    async def test_a_file_that_comes_again_is_a_new_video(self, db: Database, full: Full) -> None:
        await request(db, full)
        upload = await make_upload(db, full.project)
        whole = await uploads.receive(db, full.storage, full.viewer, upload.id, 0, stream(DATA))
        async with db.write() as session:  # the same bytes as those that were given up
            await session.execute(update(Video).where(Video.id == full.video.id).values(content_hash=BLAKE3))

        made = await videos.register_video(
            db,
            full.storage,
            full.viewer,
            upload_id=upload.id,
            title=None,
            auto_start=False,
            on_duplicate=OnDuplicate.LINK,
        )

        assert whole.content_hash == BLAKE3
        assert (made.duplicate_of, made.video is not None) == (None, True)

    async def test_nothing_can_be_started_any_more(self, db: Database, full: Full) -> None:
        await request(db, full)

        async with db.write() as session:
            with pytest.raises(CuepointError) as refused:
                await videos.start_pipeline(session, full.viewer, full.video.id, None)

        assert refused.value.code is ErrorCode.FILES_REMOVED

    async def test_clips_stay_as_rows_without_a_file(self, db: Database, settings: Settings, full: Full) -> None:
        job = await running_job(db, full)
        await request(db, full)
        context, _ = await begin_attempt(db, settings, JobKind.STORAGE_WIPE, job=job)

        await wipe_storage(context)

        async with db.read() as session:
            clips = (await session.scalars(Clip.__table__.select().with_only_columns(Clip.storage_key))).all()
        assert clips == [None]

    async def test_needs_the_name_and_an_owner(self, db: Database, full: Full) -> None:
        editor = await make_viewer(db)
        await make_member(db, full.project, editor.user_id, ProjectRole.EDITOR)

        with pytest.raises(BadInputError):
            await request(db, full, "x")
        async with db.write() as session:
            with pytest.raises(ForbiddenError):
                await service.wipe_storage(session, editor, full.project.id, confirm_name="Match days", dry_run=False)

        async with db.read() as session:
            assert (await session.get_one(Video, full.video.id)).files_removed_at is None
