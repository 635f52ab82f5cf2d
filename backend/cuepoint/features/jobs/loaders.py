"""Batch look-ups of jobs, their events and what they wait for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import PageRequest, fetch_pages
from cuepoint.features.jobs.attempts import ENDINGS, Attempt, attempts_of
from cuepoint.features.jobs.models import (
    Job,
    JobDependency,
    JobEvent,
    JobEventType,
    JobLog,
    JobStatus,
    Lane,
    Worker,
    WorkerState,
)
from cuepoint.features.jobs.speeds import PipelineState, pipeline_state, read_speeds, seconds_left_of
from cuepoint.features.jobs.waiting import LaneHealth
from cuepoint.features.projects import access
from cuepoint.features.projects.edges import JOB_COUNT_OF_PROJECT, JOBS_OF_PROJECT
from cuepoint.graphql.counts import CountLoader, Key
from cuepoint.graphql.loaders import Binding, Loader
from cuepoint.graphql.page_loaders import PageLoader, PagesById

MAX_ATTEMPTS = 100  # shown of one job: snoozes and manual retries are not bounded by maxAttempts


class JobById(Loader[UUID, Job | None]):
    """Jobs by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Job | None]:
        """One statement for all keys."""
        viewer = self.context.require_viewer()
        statement = select(Job).where(Job.id.in_(keys))
        if not viewer.sees_all:
            visible = Job.project_id.in_(access.visible_projects(viewer))
            # The deletion of a project belongs to who asked for it.
            is_own = Job.project_id.is_(None) & (Job.created_by_id == viewer.user_id)
            statement = statement.where(visible if viewer.project_ids is not None else visible | is_own)
        async with self.context.db.read() as session:
            return {row.id: row for row in await session.scalars(statement)}


@dataclass(frozen=True)
class Edge:
    """Something a job waits for."""

    dependency_id: UUID
    is_required: bool


class DependenciesOfJob(Loader[UUID, list[Edge]]):
    """What each job waits for, in order of creation."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, list[Edge]]:
        """One statement for all keys."""
        statement = select(JobDependency).where(JobDependency.job_id.in_(keys)).order_by(JobDependency.dependency_id)
        edges: dict[UUID, list[Edge]] = defaultdict(list)
        async with self.context.db.read() as session:
            for row in await session.scalars(statement):
                edges[row.job_id].append(Edge(row.dependency_id, row.is_required))
        return {key: edges[key] for key in keys}


class AttemptsOfJob(Loader[UUID, list[Attempt]]):
    """The newest attempts of each job, oldest first."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, list[Attempt]]:
        """One statement for all keys."""
        newest = select(JobEvent).join(Job, Job.id == JobEvent.job_id)
        statement = newest.where(
            JobEvent.job_id.in_(keys),
            JobEvent.attempt > Job.attempt - MAX_ATTEMPTS,
            JobEvent.type.in_([JobEventType.STARTED, *ENDINGS]),
        )
        events: dict[UUID, list[JobEvent]] = defaultdict(list)
        async with self.context.db.read() as session:
            for row in await session.scalars(statement.order_by(JobEvent.job_id, JobEvent.seq)):
                events[row.job_id].append(row)
        return {key: attempts_of(events[key]) for key in keys}


class LogsOfJob(Loader[UUID, list[JobLog]]):
    """What the attempts of each job said, oldest first."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, list[JobLog]]:
        """One statement for all keys; visitors with a link read no logs."""
        if self.context.require_viewer().share is not None:
            return {key: [] for key in keys}
        statement = select(JobLog).where(JobLog.job_id.in_(keys)).order_by(JobLog.job_id, JobLog.attempt)
        logs: dict[UUID, list[JobLog]] = defaultdict(list)
        async with self.context.db.read() as session:
            for row in await session.scalars(statement):
                logs[row.job_id].append(row)
        return {key: logs[key] for key in keys}


class SecondsLeftOfJob(Loader[Job, float | None]):
    """What is left of each running job, by its own evidence or by the measured speed of its kind."""

    async def fetch(self, keys: Sequence[Job]) -> Mapping[Job, float | None]:
        """Two statements for all keys that run, none for others."""
        running = [job for job in keys if job.status is JobStatus.RUNNING]
        if not running:
            return dict.fromkeys(keys)
        async with self.context.db.read() as session:
            return dict.fromkeys(keys) | await seconds_left_of(session, running)


class PipelineOfJobs(Loader[tuple[tuple[Job, ...], int | None], PipelineState | None]):
    """How far jobs are together, whose video plays so many milliseconds."""

    async def fetch(
        self, keys: Sequence[tuple[tuple[Job, ...], int | None]]
    ) -> Mapping[tuple[tuple[Job, ...], int | None], PipelineState | None]:
        """Three statements for all keys."""
        running = [job for jobs, _ in keys for job in jobs if job.status is JobStatus.RUNNING]
        async with self.context.db.read() as session:
            speeds = await read_speeds(session)
            left = await seconds_left_of(session, running)
        by_id = {job.id: seconds for job, seconds in left.items()}
        return {key: pipeline_state(key[0], speeds, key[1], by_id) for key in keys}


class HealthOfLane(Loader[str, LaneHealth]):
    """Whether each lane is paused, and who serves it: why queued jobs wait."""

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, LaneHealth]:
        """One statement for all keys."""
        serves = Lane.name == Worker.lanes.any_()
        is_live = and_(Worker.state == WorkerState.LIVE, Worker.lease_until > func.job_now())
        known = func.jsonb_agg(Worker.info["kinds"], type_=JSONB)
        kinds = select(known).where(serves, is_live).correlate(Lane).scalar_subquery()
        statement = select(Lane.name, Lane.is_paused, kinds).where(Lane.name.in_(keys))
        async with self.context.db.read() as session:
            rows = (await session.execute(statement)).all()
        return {name: LaneHealth(is_paused, known or ()) for name, is_paused, known in rows}


class EventsOfJob(PageLoader[JobEvent]):
    """A page of the log of each job."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[JobEvent]:
        """One statement, whatever the number of jobs."""
        return await fetch_pages(session, JobEvent, JobEvent.job_id, ids, [(JobEvent.seq, int)], page)


class JobsOfProject(PageLoader[Job]):
    """A page of jobs of each project, newest first; for members."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[Job]:
        """One statement, whatever the number of projects."""
        keys = [(Job.created_at, datetime), (Job.id, UUID)]
        visible = Job.project_id.in_(access.visible_projects(self.context.require_viewer()))
        return await fetch_pages(session, Job, Job.project_id, ids, keys, page, where=[visible], descending=True)


class JobCountOfProject(CountLoader):
    """How many jobs each project has."""

    def counted(self, owner: Key) -> Select[int]:
        """All of them, for members."""
        visible = Job.project_id.in_(access.visible_projects(self.context.require_viewer()))
        return select(func.count()).select_from(Job).where(Job.project_id == owner, visible)


BINDINGS: tuple[Binding, ...] = (
    (JOBS_OF_PROJECT, JobsOfProject),
    (JOB_COUNT_OF_PROJECT, JobCountOfProject),
)
