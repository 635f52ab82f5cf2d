"""A project with something in every table and in storage, and a look at what is left of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import func, select, text, update

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.base import Base
from cuepoint.db.session import Database
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.presets.models import Preset
from cuepoint.features.projects.models import Project, ShareLink
from cuepoint.features.quotas.models import Quota
from cuepoint.features.videos.models import RenditionKind, Video
from cuepoint.tables import metadata
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.clips import make_clip, make_moment
from tests.support.builders.projects import make_project
from tests.support.builders.search import SPACE, axis, index, make_space
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_rendition, make_upload, make_video
from tests.support.faults import FragileDatabase, FragileStorage, Fuse, Killed

# Kept on purpose: what was done and used, the sums of storage, and the list that files are removed by.
KEPT = {"audit_events", "media_usage", "storage_tallies", "file_removals"}


@dataclass
class Full:
    """A project that holds 23 videos, the first of them with files and all that is made of one."""

    project: Project
    viewer: Viewer
    video: Video
    storage: LocalStorage
    root: Path

    def files(self) -> list[str]:
        """What lies in storage, as keys."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


async def fill(db: Database, settings: Settings, name: str = "Match days") -> Full:
    """A project with something everywhere."""
    storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
    viewer = await make_viewer(db)
    project = await make_project(db, owner_id=viewer.user_id, name=name)
    video = await make_video(db, project)
    rendition = await make_rendition(db, video, RenditionKind.POSTER)
    clip = await make_clip(db, video, is_rendered=True)
    await make_moment(db, video)
    await make_transcript(db, video, "A sentence.", with_chunks=True)
    async with db.write() as session:  # the transcription is over
        over = {"status": JobStatus.SUCCEEDED, "worker_id": None, "finished_at": func.now()}
        await session.execute(update(Job).where(Job.status == JobStatus.RUNNING).values(over))
    await index(db, await make_space(db, SPACE), video, {"animals": axis(1)})
    await make_upload(db, project)
    await make_job(db, JobKind.PROBE, video, status=JobStatus.SUCCEEDED)
    await make_job(db, JobKind.EMBEDDING, video)
    async with db.write() as session:
        session.add(Preset(project_id=project.id, name="short"))
        session.add(ShareLink(project_id=project.id, token_hash=project.id.hex, prefix="cps_"))
        session.add(Quota(project_id=project.id, concurrent_jobs=100))
    for _ in range(22):
        await make_video(db, project, info=None)
    path = settings.home / "bytes"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"0123456789")
    stray = f"projects/{project.id.hex}/exports/stray.mp4"
    for key in (video.storage_key, rendition.storage_key, str(clip.storage_key), stray):
        await storage.put_file(key, path)
    return Full(project, viewer, video, storage, settings.storage_directory())


@pytest.fixture
async def full(db: Database, settings: Settings) -> Full:
    return await fill(db, settings)


@pytest.fixture
async def untouched(db: Database, settings: Settings) -> Full:
    """Another project, of which nothing may go."""
    return await fill(db, settings, "Other")


async def rows_of(db: Database, project: Project) -> dict[str, int]:
    """How many rows each table has that belong to the project, where it has any."""
    found: dict[str, int] = {}
    async with db.read() as session:
        for table in metadata.sorted_tables:
            if "project_id" in table.c and table.name not in KEPT:
                wanted = select(func.count()).select_from(table).where(table.c.project_id == project.id)
                found[table.name] = await session.scalar(wanted) or 0
        found["projects"] = len((await session.scalars(select(Project.id).where(Project.id == project.id))).all())
    return {name: count for name, count in found.items() if count}


async def total_rows(db: Database, *names: str) -> dict[str, int]:
    """How many rows these tables have, whomever they belong to."""
    assert set(names) <= set(Base.metadata.tables)
    async with db.read() as session:
        return {name: await session.scalar(text(f"select count(*) from {name}")) or 0 for name in names}


async def run_dying(
    db: Database, settings: Settings, begin: Callable[[], Awaitable[TaskContext]], body: Callable[[Any], Awaitable[Any]]
) -> int:
    """Attempt after attempt, each of which gets three steps further than the one before and dies there, be it before a
    commit or after it; how often they died."""
    for deaths in range(100):
        fuse, before = Fuse(3 * deaths + 1), asyncio.all_tasks()
        context = await begin()
        cast(Any, context.adapters).storage = FragileStorage(settings.storage_directory(), fuse)
        try:
            await body(replace(context, db=FragileDatabase(db, fuse)))
        except Killed:
            if left := asyncio.all_tasks() - before:
                await asyncio.wait(left)
            async with db.write() as session:  # leases and claims run out
                await session.execute(
                    update(Job)
                    .where(Job.id == context.job_id)
                    .values(status=JobStatus.FAILED, worker_id=None, finished_at=func.now())
                )
                await session.execute(text("update file_removals set claimed_until = null"))
        else:
            return deaths
    raise AssertionError("it never came to its end")
