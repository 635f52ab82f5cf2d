"""Deleting a project: hidden at once, jobs stopped first, nothing left, whatever happens in between."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.deletions import service
from cuepoint.features.deletions.tasks import delete_project
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.claims import Fence, Outcome, end_attempt
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.statements import InSession
from cuepoint.features.projects import access
from cuepoint.features.projects import service as projects
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.viewer import Viewer
from tests.features.deletions.conftest import Full, rows_of, run_dying, total_rows
from tests.support.builders.attempts import begin_attempt, job_row, make_job
from tests.support.builders.projects import make_member
from tests.support.builders.users import make_viewer
from tests.support.jobs import until


async def request(
    db: Database, full: Full, viewer: Viewer | None = None, *, name: str = "Match days", dry_run: bool = False
) -> service.Requested:
    async with db.write() as session:
        return await service.delete_project(
            session, viewer or full.viewer, full.project.id, confirm_name=name, dry_run=dry_run
        )


async def attempt(db: Database, settings: Settings, full: Full, **values: Any) -> Any:
    args = {"project_id": str(full.project.id)}
    return (await begin_attempt(db, settings, JobKind.PROJECT_DELETION, args=args, **values))[0]


class TestRequest:
    async def test_hides_it_from_everybody_at_once(self, db: Database, full: Full) -> None:
        admin = await make_viewer(db, is_admin=True)

        asked = await request(db, full)

        async with db.read() as session:
            for viewer in (full.viewer, admin):
                with pytest.raises(NotFoundError):
                    await access.require(session, viewer, full.project.id, ProjectRole.VIEWER)
                assert list(await session.scalars(access.visible_projects(viewer))) == []
            assert asked.job is not None
            mine = await jobs.get_job(session, full.viewer, asked.job.id)
            with pytest.raises(NotFoundError):
                await jobs.get_job(session, await make_viewer(db), asked.job.id)
        assert (mine.kind, mine.status, mine.project_id) == (JobKind.PROJECT_DELETION, JobStatus.QUEUED, None)

    async def test_says_what_goes(self, db: Database, full: Full) -> None:
        counts = (await request(db, full, dry_run=True)).counts

        assert counts == service.Counts(
            videos=23,
            uploads=1,
            clips=1,
            moments=1,
            vectors=1,
            jobs=3,
            unfinished_jobs=1,
            files=25,
            size_bytes=23_110,
            members=1,
        )

    async def test_a_dry_run_needs_no_name_and_changes_nothing(self, db: Database, full: Full) -> None:
        before = await rows_of(db, full.project)

        asked = await request(db, full, name="", dry_run=True)

        assert asked.job is None
        assert await rows_of(db, full.project) == before
        async with db.read() as session:
            await access.require(session, full.viewer, full.project.id, ProjectRole.OWNER)

    @pytest.mark.parametrize("name", ["", "match days", "Match days 2"])
    async def test_another_name_deletes_nothing(self, db: Database, full: Full, name: str) -> None:
        with pytest.raises(BadInputError, match="confirmName"):
            await request(db, full, name=name)

        async with db.read() as session:
            assert (await session.get_one(Project, full.project.id)).deleted_at is None

    async def test_only_owners_may_and_an_archived_one_goes_too(self, db: Database, full: Full) -> None:
        editor, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, full.project, editor.user_id, ProjectRole.EDITOR)
        for viewer, error in ((editor, ForbiddenError), (stranger, NotFoundError)):
            with pytest.raises(error):
                await request(db, full, viewer)
        async with db.write() as session:
            await projects.archive_project(session, full.viewer, full.project.id)

        assert (await request(db, full)).job is not None

    async def test_of_two_at_once_one_deletes(self, db: Database, full: Full) -> None:
        both = await asyncio.gather(request(db, full), request(db, full), return_exceptions=True)

        assert sorted(type(one).__name__ for one in both) == ["NotFoundError", "Requested"]

    async def test_it_cannot_be_cancelled(self, db: Database, full: Full) -> None:
        admin = await make_viewer(db, is_admin=True)
        asked = await request(db, full)
        assert asked.job is not None

        async with db.write() as session:
            with pytest.raises(CuepointError) as refused:
                await jobs.cancel_job(session, admin, asked.job.id)

        assert refused.value.code is ErrorCode.ALREADY_FINAL


class TestTask:
    async def test_leaves_nothing_and_nothing_of_others_goes(
        self, db: Database, settings: Settings, full: Full, untouched: Full
    ) -> None:
        others = await rows_of(db, untouched.project)
        other_files = [key for key in full.files() if untouched.project.id.hex in key]
        await request(db, full)
        context = await attempt(db, settings, full)

        await delete_project(context)

        job = await job_row(db, context)
        assert await rows_of(db, full.project) == {}
        assert full.files() == other_files
        assert await rows_of(db, untouched.project) == others
        assert await total_rows(db, "file_removals", "retrievable_text_embeddings") == {
            "file_removals": 0,
            "retrievable_text_embeddings": 1,
        }
        assert (job.status, job.result and job.result["videos"]) == (JobStatus.SUCCEEDED, 23)

    async def test_killed_again_and_again_it_goes_on(self, db: Database, settings: Settings, full: Full) -> None:
        await request(db, full)

        deaths = await run_dying(db, settings, partial(attempt, db, settings, full), delete_project)

        assert deaths > 4
        assert await rows_of(db, full.project) == {}
        assert full.files() == []

    async def test_a_file_that_resists_is_tried_again(self, db: Database, settings: Settings, full: Full) -> None:
        await request(db, full)
        locked = full.root / "projects" / full.project.id.hex
        calls = 0

        class Broken(LocalStorage):
            async def delete_prefix(self, prefix: str) -> int:
                nonlocal calls
                calls += 1
                raise AdapterError(ErrorCode.STORAGE_UNAVAILABLE, "The disk is away.", retryable=True)

        context = await attempt(db, settings, full)
        context.adapters.storage = Broken(settings.storage_directory(), min_free_bytes=0)
        with pytest.raises(AdapterError) as refused:
            await delete_project(context)
        is_left = await rows_of(db, full.project)

        await delete_project(await attempt(db, settings, full))

        assert (refused.value.retryable, calls) == (True, 1)
        assert "projects" in is_left  # the row goes last, so that the next attempt knows what to do
        assert (await rows_of(db, full.project), list(locked.rglob("*.mp4"))) == ({}, [])

    async def test_repeating_it_afterwards_is_harmless(self, db: Database, settings: Settings, full: Full) -> None:
        await request(db, full)
        await delete_project(await attempt(db, settings, full))

        again = await attempt(db, settings, full)
        await delete_project(again)

        assert (await job_row(db, again)).status is JobStatus.SUCCEEDED

    async def test_a_project_that_is_not_marked_is_left_alone(
        self, db: Database, settings: Settings, full: Full
    ) -> None:
        before = await rows_of(db, full.project)

        await delete_project(await attempt(db, settings, full))

        assert await rows_of(db, full.project) == before

    async def test_waits_until_running_jobs_have_stopped(self, db: Database, settings: Settings, full: Full) -> None:
        running = await make_job(db, JobKind.TRANSCRIPTION, full.video, status=JobStatus.RUNNING)
        await request(db, full)
        deleting = asyncio.create_task(delete_project(await attempt(db, settings, full)))

        async def asked_to_stop() -> bool:
            async with db.read() as session:
                return await session.scalar(select(Job.cancel_requested_at).where(Job.id == running.id)) is not None

        await until(asked_to_stop)
        while_it_runs = await rows_of(db, full.project)
        async with db.write() as session:
            assert running.worker_id is not None
            await end_attempt(InSession(session), Fence(running.id, 1, running.worker_id), Outcome.STOPPED)
        await deleting

        assert while_it_runs["videos"] == 23
        assert await rows_of(db, full.project) == {}
