"""Attempts of media jobs as a worker gives them to a task, with the ports that the task needs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import select

from cuepoint.adapters.bundle import Adapters
from cuepoint.adapters.media.base import MediaTools
from cuepoint.adapters.media.fake import FakeMediaTools
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.kinds import SPECS
from cuepoint.features.jobs.models import Job, JobKind, JobStatus, Worker, WorkerState
from cuepoint.features.videos.models import Video
from tests.support.builders.transcripts import RecordedControl


async def make_job(
    db: Database, kind: JobKind, video: Video | None = None, *, status: JobStatus = JobStatus.QUEUED, **values: object
) -> Job:
    """A job in that state, without its events; RUNNING ones have a worker."""
    now = datetime.now(UTC)
    worker_id = uuid7() if status is JobStatus.RUNNING else None
    facts: dict[str, object] = {
        "due": now if status is JobStatus.QUEUED else None,
        "finished_at": now if status.is_final else None,
        "attempt": 1 if status is JobStatus.RUNNING else 0,
        "dependencies_left": 1 if status is JobStatus.BLOCKED else 0,
        "project_id": None if video is None else video.project_id,
        "video_id": None if video is None else video.id,
    }
    job = Job(
        id=uuid7(),
        kind=kind,
        lane=SPECS[kind].lane,
        status=status,
        timeout_seconds=600,
        worker_id=worker_id,
        **{**facts, **values},
    )
    async with db.write() as session:
        if worker_id is not None:
            lease = now + timedelta(minutes=1)
            session.add(Worker(id=worker_id, lanes=[job.lane], state=WorkerState.LIVE, lease_until=lease))
        session.add(job)
        await session.flush()
        await session.refresh(job)
    return job


async def begin_attempt(
    db: Database,
    settings: Settings,
    kind: JobKind,
    video: Video | None = None,
    *,
    args: Mapping[str, Any] | None = None,
    media: MediaTools | None = None,
    cancel_at: int | None = None,
    job: Job | None = None,
) -> tuple[TaskContext, RecordedControl]:
    """A running attempt of a new job, or of `job`; it may be asked to stop at a report. Media tools are fake ones
    unless given."""
    if job is None:
        job = await make_job(db, kind, video, status=JobStatus.RUNNING)
    assert job.worker_id is not None
    temp = settings.home / "temp" / job.id.hex
    temp.mkdir(parents=True, exist_ok=True)
    control = RecordedControl(temp, cancel_at)
    storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
    ports = SimpleNamespace(storage=storage, media=media or FakeMediaTools())
    context = TaskContext(
        job_id=job.id,
        attempt=job.attempt,
        worker_id=job.worker_id,
        kind=kind,
        project_id=job.project_id,
        video_id=job.video_id,
        args=dict(args or {}),
        adapters=cast(Adapters, ports),
        db=db,
        settings=settings,
        control=control,
    )
    return context, control


async def job_row(db: Database, context: TaskContext) -> Job:
    """The attempt's job as it is now."""
    async with db.read() as session:
        return (await session.scalars(select(Job).where(Job.id == context.job_id))).one()
