"""Statistics from counters: by kind and month, largest, what comes back; folded, and put right after drift."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.files.models import FileArea, FileRemoval, StorageTally, StoredFile
from cuepoint.features.files.service import enqueue_removal
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project
from cuepoint.features.storage.models import FindingKind, StorageFinding
from cuepoint.features.storage.statistics import (
    Drift,
    Portion,
    Reclaimable,
    fold_tallies,
    largest_projects,
    reclaimable_of,
    recount,
    totals_of,
)
from cuepoint.features.storage.tasks import recount_storage
from cuepoint.features.uploads.models import UploadStatus
from cuepoint.features.videos.models import RenditionKind
from tests.support.builders.attempts import begin_attempt, job_row
from tests.support.builders.clips import make_clip
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_rendition, make_upload, make_video

OCTOBER = datetime(2020, 10, 31, 23, 59, tzinfo=UTC)  # no month in which this is run


@pytest.fixture
async def project(db: Database) -> Project:
    return await make_project(db)


async def tallies(db: Database) -> int:
    async with db.read() as session:
        return (await session.execute(select(func.count()).select_from(StorageTally))).scalar_one()


class TestTotals:
    async def test_are_told_by_kind_and_month(self, db: Database, project: Project) -> None:
        other = await make_project(db)
        video = await make_video(db, project)
        await make_clip(db, video, is_rendered=True, created_at=OCTOBER)
        await make_clip(db, video, is_rendered=True, created_at=OCTOBER)
        await make_video(db, other)

        async with db.read() as session:
            found = await totals_of(session, [project.id])
            everything = (await totals_of(session, None))[None]

        totals = found[project.id]
        month = date(video.created_at.year, video.created_at.month, 1)
        assert totals.by_area == {FileArea.UPLOADS: Portion(1, 1000), FileArea.EXPORTS: Portion(2, 200)}
        assert totals.by_month == {month: Portion(1, 1000), date(2020, 10, 1): Portion(2, 200)}
        assert totals.total == Portion(3, 1200)
        assert everything.total == Portion(4, 2200)

    async def test_leave_out_what_is_zero(self, db: Database, project: Project) -> None:
        video = await make_video(db, project)
        async with db.write() as session:
            await session.execute(text("delete from videos"))

        async with db.read() as session:
            totals = (await totals_of(session, [project.id]))[project.id]

        assert (totals.by_area, totals.by_month, video.size_bytes) == ({}, {}, 1000)

    async def test_name_the_largest_projects(self, db: Database, project: Project) -> None:
        other = await make_project(db)
        await make_video(db, other)
        await make_clip(db, await make_video(db, project), is_rendered=True)

        async with db.read() as session:
            found = await largest_projects(session, 5)

        assert found == [(project.id, Portion(2, 1100)), (other.id, Portion(1, 1000))]


class TestReclaimable:
    async def test_counts_trash_removals_and_open_uploads(self, db: Database, project: Project) -> None:
        trashed = await make_video(db, project)
        await make_rendition(db, trashed, RenditionKind.POSTER)
        gone = await make_video(db, project)
        await make_upload(db, project, status=UploadStatus.RECEIVING, size_bytes=50, offset_bytes=30)
        await make_upload(db, project, status=UploadStatus.COMPLETE, size_bytes=7)
        async with db.write() as session:
            await session.execute(text("update videos set deleted_at = now() where id = :id"), {"id": trashed.id})
            await session.execute(text("delete from videos where id = :id"), {"id": gone.id})
            await enqueue_removal(session, ["a/b"])

        async with db.read() as session:
            mine = await reclaimable_of(session, [project.id])
            everything = await reclaimable_of(session, None)

        assert mine == {project.id: Reclaimable(trash_bytes=1010, removal_bytes=1000, upload_bytes=37)}
        assert everything == {None: mine[project.id]}


class TestFold:
    async def test_keeps_every_sum(self, db: Database, project: Project) -> None:
        video = await make_video(db, project)
        for _ in range(20):
            await make_clip(db, video, is_rendered=True)
        async with db.read() as session:
            before = await totals_of(session, [project.id])

        async with db.write() as session:
            await fold_tallies(session)

        async with db.read() as session:
            assert await totals_of(session, [project.id]) == before
        assert await tallies(db) == 2  # the video's alone, and one of all clips

    async def test_of_two_at_once_and_a_writer_loses_nothing(self, db: Database, project: Project) -> None:
        video = await make_video(db, project)
        for _ in range(10):
            await make_clip(db, video, is_rendered=True)

        async def fold() -> None:
            async with db.write() as session:
                await fold_tallies(session, most=1)

        await asyncio.gather(fold(), make_clip(db, video, is_rendered=True), fold(), fold())

        async with db.read() as session:
            assert (await totals_of(session, [project.id]))[project.id].total == Portion(12, 2100)

    async def test_drops_counters_of_nothing(self, db: Database, project: Project) -> None:
        await make_video(db, project)
        async with db.write() as session:
            await session.execute(text("delete from videos"))

        async with db.write() as session:
            await fold_tallies(session, most=2)

        assert await tallies(db) == 0


class TestRecount:
    async def test_finds_no_drift_where_there_is_none(self, db: Database, project: Project) -> None:
        await make_clip(db, await make_video(db, project), is_rendered=True)

        async with db.write() as session:
            assert await recount(session) == []

    async def test_corrects_a_counter_that_was_changed(self, db: Database, project: Project) -> None:
        video = await make_video(db, project)
        async with db.write() as session:
            await session.execute(text("update storage_tallies set bytes = 5, files = 3"))

        async with db.write() as session:
            drifts = await recount(session)

        month = date(video.created_at.year, video.created_at.month, 1)
        assert drifts == [Drift(project.id, FileArea.UPLOADS, month, -2, 995)]
        async with db.read() as session:
            assert (await totals_of(session, [project.id]))[project.id].total == Portion(1, 1000)

    async def test_learns_what_no_trigger_saw(self, own_database_url: str) -> None:
        from cuepoint.db.session import create_engine  # noqa: PLC0415  # as only this test makes one

        db = Database(create_engine(own_database_url, pool_size=2))
        project = await make_project(db)
        kept = await make_video(db, project)
        gone = await make_video(db, project)
        async with db.write() as session:
            await session.execute(text("alter table videos disable trigger user"))
        late = await make_video(db, project)
        async with db.write() as session:
            await session.execute(text("update videos set size_bytes = 7 where id = :id"), {"id": kept.id})
            await session.execute(text("delete from videos where id = :id"), {"id": gone.id})
            await session.execute(text("alter table videos enable trigger user"))

        async with db.write() as session:
            drifts = await recount(session)

        async with db.read() as session:
            files = {row.owner_id: row.size_bytes for row in await session.scalars(select(StoredFile))}
            removals = list(await session.scalars(select(FileRemoval.key)))
            total = (await totals_of(session, [project.id]))[project.id].total
        await db.close()
        assert files == {kept.id: 7, late.id: 1000}
        assert removals == [gone.storage_key]
        assert total == Portion(2, 1007)
        assert [(drift.files, drift.size_bytes) for drift in drifts] == [(0, -993)]

    async def test_does_not_count_what_others_write_meanwhile(self, db: Database, project: Project) -> None:
        video = await make_video(db, project)

        async with db.write() as session:
            await session.execute(select(func.now()))
            await make_clip(db, video, is_rendered=True)
            drifts = await recount(session)

        assert drifts == []

    async def test_as_a_job_records_what_it_changed(self, db: Database, settings: Settings, project: Project) -> None:
        await make_video(db, project)
        async with db.write() as session:
            await session.execute(text("update storage_tallies set bytes = 5"))
        context, _ = await begin_attempt(db, settings, JobKind.STORAGE_RECOUNT)

        await recount_storage(context)

        async with db.read() as session:
            [finding] = await session.scalars(select(StorageFinding))
        assert (finding.kind, finding.size_bytes, finding.is_repaired) == (FindingKind.COUNTER_DRIFT, 995, True)
        assert finding.detail.endswith("had to be changed by +0 files and +995 bytes.")
        assert (await job_row(db, context)).result == {"corrected": 1, "bytes": 995}
        assert datetime.now(UTC) - finding.created_at < timedelta(minutes=1)
