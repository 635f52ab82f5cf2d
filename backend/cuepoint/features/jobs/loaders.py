"""Batch look-ups of jobs, their events and what they wait for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import PageRequest, fetch_pages
from cuepoint.features.jobs.attempts import ENDINGS, Attempt, attempts_of
from cuepoint.features.jobs.models import Job, JobDependency, JobEvent, JobEventType, Lane, Worker, WorkerState
from cuepoint.features.jobs.waiting import LaneHealth
from cuepoint.features.projects import access
from cuepoint.graphql.loaders import Binding, Loader
from cuepoint.graphql.page_loaders import PageLoader, PagesById

MAX_ATTEMPTS = 100  # shown of one job: snoozes and manual retries are not bounded by maxAttempts


class JobById(Loader[UUID, Job | None]):
    """Jobs by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Job | None]:
        """One statement for all keys."""
        viewer = self.context.require_viewer()
        statement = select(Job).where(Job.id.in_(keys))
        if not viewer.is_admin:
            statement = statement.where(Job.project_id.in_(access.visible_projects(viewer)))
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


class HealthOfLane(Loader[str, LaneHealth]):
    """Whether each lane is paused, and who serves it: why queued jobs wait."""

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, LaneHealth]:
        """One statement for all keys."""
        serves = Lane.name == Worker.lanes.any_()
        is_live = and_(Worker.state == WorkerState.LIVE, Worker.lease_until > func.job_now())
        workers = select(func.count()).select_from(Worker).where(serves, is_live).correlate(Lane).scalar_subquery()
        statement = select(Lane.name, Lane.is_paused, workers).where(Lane.name.in_(keys))
        async with self.context.db.read() as session:
            rows = (await session.execute(statement)).all()
        return {name: LaneHealth(is_paused, count) for name, is_paused, count in rows}


class EventsOfJob(PageLoader[JobEvent]):
    """A page of the log of each job."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[JobEvent]:
        """One statement, whatever the number of jobs."""
        return await fetch_pages(session, JobEvent, JobEvent.job_id, ids, [(JobEvent.seq, int)], page)


BINDINGS: tuple[Binding, ...] = ()
