from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from cuepoint.adapters.fetch.choose import build_fetcher
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.imports import sources
from cuepoint.features.imports.models import ImportSource, ImportSourceFile, SourceFileStatus, SourceKind
from cuepoint.features.jobs.models import Job, JobKind, JobStatus, Schedule
from cuepoint.features.projects.models import ProjectMember
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.videos.models import Video
from tests.features.imports.conftest import World, working
from tests.support.builders.users import make_viewer
from tests.support.jobs import connect, ended, until


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    """A folder that may be imported from; the instance knows it."""
    root = tmp_path / "inbox"
    root.mkdir()
    world.settings = world.settings.model_copy(update={"import_roots": (root,)})
    return root


async def make_source(world: World, path: str, **values: Any) -> ImportSource:
    given = {
        "project_id": world.project.id,
        "kind": SourceKind.FOLDER,
        "path": path,
        "pattern": "**.mp4",
        "schedule": "* * * * *",
        "is_enabled": True,
        "on_duplicate": OnDuplicate.LINK,
    } | values
    async with world.db.write() as session:
        return await sources.create_source(
            session, world.viewer, build_fetcher(world.settings), sources.NewSource(**given)
        )


async def run_pass(world: World, database_url: str, source: ImportSource) -> Job:
    """A pass and all that it started, to the end."""
    async with world.db.write() as session:
        job = await sources.run_source(session, world.viewer, source.id)
    async with working(world.settings), connect(database_url) as sql:
        await ended(sql, job.id)
        await until(lambda: _is_quiet(world))
    return await world.job(job.id)


async def _is_quiet(world: World) -> bool:
    return all(job.status.is_final for job in await world.all(Job))


async def statuses(world: World) -> dict[str, str]:
    return {row.name: row.status.value for row in await world.all(ImportSourceFile, ImportSourceFile.name)}


class TestFolder:
    async def test_a_file_is_taken_when_two_passes_find_it_unchanged(
        self, world: World, folder: Path, database_url: str
    ) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "one.mp4").write_bytes(b"one" * 1000)
        (folder / "two.mp4").write_bytes(b"two")
        (folder / "notes.txt").write_bytes(b"not wanted")
        (folder / ".hidden.mp4").write_bytes(b"hidden")
        (folder / "link.mp4").symlink_to("/etc/passwd")
        os.mkfifo(folder / "pipe.mp4")
        source = await make_source(world, str(folder))

        first = await run_pass(world, database_url, source)
        (folder / "two.mp4").write_bytes(b"two, still being written")
        second = await run_pass(world, database_url, source)
        third = await run_pass(world, database_url, source)
        fourth = await run_pass(world, database_url, source)

        videos: list[Video] = await world.all(Video, Video.created_at)
        assert first.result == {"listed": 2, "taken": 0, "waiting": 2, "refused": 0}
        assert second.result == {"listed": 2, "taken": 1, "waiting": 1, "refused": 0}
        assert third.result == {"listed": 2, "taken": 1, "waiting": 0, "refused": 0}
        assert fourth.result == {"listed": 2, "taken": 0, "waiting": 0, "refused": 0}
        assert [(video.filename, video.size_bytes) for video in videos] == [("one.mp4", 3000), ("two.mp4", 24)]
        assert await statuses(world) == {"deep/one.mp4": "TAKEN", "two.mp4": "TAKEN"}
        assert (await world.one(ImportSource, source.id)).passed_at is not None

    async def test_a_file_that_is_too_large_is_refused_with_its_reason(
        self, world: World, folder: Path, database_url: str
    ) -> None:
        (folder / "big.mp4").write_bytes(b"12345")
        world.settings = world.settings.model_copy(update={"upload_max_bytes": 4})
        source = await make_source(world, str(folder))

        await run_pass(world, database_url, source)
        done = await run_pass(world, database_url, source)

        [row] = await world.all(ImportSourceFile)
        assert done.result == {"listed": 1, "taken": 0, "waiting": 0, "refused": 1}
        assert (row.status, row.error_code) == (SourceFileStatus.REFUSED, "SOURCE_TOO_LARGE")
        assert await world.all(Video) == []

    async def test_two_passes_at_once_take_it_once(self, world: World, folder: Path, database_url: str) -> None:
        (folder / "one.mp4").write_bytes(b"one")
        source = await make_source(world, str(folder))
        await run_pass(world, database_url, source)
        async with world.db.write() as session:
            given = {"kind": JobKind.IMPORT_PASS, "project_id": world.project.id, "args": {"source_id": str(source.id)}}
            made = [await sources.jobs.enqueue(session, **given) for _ in range(3)]

        async with working(world.settings), connect(database_url) as sql:
            states = await ended(sql, *[job.id for job in made])

        assert states == ["SUCCEEDED"] * 3
        assert len(await world.all(Video)) == 1

    async def test_whoever_may_not_add_to_the_project_any_more_adds_nothing(
        self, world: World, folder: Path, database_url: str
    ) -> None:
        (folder / "one.mp4").write_bytes(b"one")
        source = await make_source(world, str(folder))
        await run_pass(world, database_url, source)
        async with world.db.write() as session:
            await session.execute(update(ProjectMember).values(role="VIEWER"))
        world.viewer = await make_viewer(world.db, is_admin=True)

        done = await run_pass(world, database_url, source)

        assert (done.status, done.error_code) == (JobStatus.FAILED, "FORBIDDEN")
        assert await world.all(Video) == []

    @pytest.mark.parametrize("path", ["/etc", "relative", "/", "", "{folder}/../..", "{folder}-other"])
    async def test_folders_outside_the_roots_are_refused(self, world: World, folder: Path, path: str) -> None:
        with pytest.raises(CuepointError) as refused:
            await make_source(world, path.format(folder=folder))

        assert refused.value.code in (ErrorCode.URL_FORBIDDEN, ErrorCode.BAD_USER_INPUT)
        assert refused.value.field == ("path",)
        assert await world.all(ImportSource) == []
        assert [row.name for row in await world.all(Schedule) if row.project_id] == []

    async def test_a_folder_swapped_for_a_link_leads_nowhere(
        self, world: World, folder: Path, tmp_path: Path, database_url: str
    ) -> None:
        secret = tmp_path / "secret"
        secret.mkdir()
        (secret / "one.mp4").write_bytes(b"secret")
        (folder / "sub").mkdir()
        source = await make_source(world, str(folder / "sub"))
        (folder / "sub").rmdir()
        (folder / "sub").symlink_to(secret)

        done = await run_pass(world, database_url, source)

        assert (done.status, done.error_code) == (JobStatus.FAILED, "SOURCE_GONE")
        assert await world.all(ImportSourceFile) == []


class TestSchedule:
    async def test_a_slot_makes_one_pass_whatever_the_number_of_workers(
        self, world: World, folder: Path, database_url: str
    ) -> None:
        source = await make_source(world, str(folder))
        await _make_due(world, source.id)

        async with working(world.settings), working(world.settings), connect(database_url) as sql:
            await until(lambda: _has_passes(world, 1))
            [job] = await world.all(Job)
            states = await ended(sql, job.id)

        assert (states, job.kind, job.project_id) == (["SUCCEEDED"], JobKind.IMPORT_PASS, world.project.id)
        assert len(await world.all(Job)) == 1

    async def test_a_source_that_is_switched_off_or_deleted_makes_none(self, world: World, folder: Path) -> None:
        source = await make_source(world, str(folder))
        async with world.db.write() as session:
            await sources.update_source(
                session, world.viewer, source.id, pattern=None, schedule="0 4 * * *", is_enabled=False
            )
        async with world.db.read() as session:
            row = await session.get_one(Schedule, sources.schedule_name(source.id))
        async with world.db.write() as session:
            await sources.delete_source(session, world.viewer, source.id)

        assert (row.cron, row.is_enabled) == ("0 4 * * *", False)
        async with world.db.read() as session:
            assert await session.scalar(select(Schedule).where(Schedule.project_id.is_not(None))) is None

    @pytest.mark.parametrize(
        "schedule", ["", "* * * *", "61 * * * *", "@hourly", "* * * * * *", "0 0 31 4 *", "R * * * *"]
    )
    async def test_a_schedule_that_is_none_is_refused(self, world: World, folder: Path, schedule: str) -> None:
        with pytest.raises(CuepointError) as refused:
            await make_source(world, str(folder), schedule=schedule)

        assert refused.value.field == ("schedule",)


async def _make_due(world: World, source_id: UUID) -> None:
    async with world.db.write() as session:
        row = await session.get_one(Schedule, sources.schedule_name(source_id))
        row.next_at = row.next_at.replace(year=2020)
    await asyncio.sleep(0)


async def _has_passes(world: World, count: int) -> bool:
    return len(await world.all(Job)) >= count
