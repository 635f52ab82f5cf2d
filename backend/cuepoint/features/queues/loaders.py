"""Batch look-ups of queues: what each worker runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from cuepoint.features.jobs.models import Job, JobStatus
from cuepoint.features.queues import service
from cuepoint.features.queues.repository import WorkerRow
from cuepoint.graphql.loaders import Binding, Loader


class JobsOfWorker(Loader[UUID, list[Job]]):
    """What each worker runs now; as many as it has slots. Only administrators come as far as a worker."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, list[Job]]:
        """One statement for all workers."""
        found: dict[UUID, list[Job]] = defaultdict(list)
        running = select(Job).where(Job.worker_id.in_(keys), Job.status == JobStatus.RUNNING)
        async with self.context.db.read() as session:
            for row in await session.scalars(running.order_by(Job.started_at, Job.id)):
                if row.worker_id is not None:
                    found[row.worker_id].append(row)
        return {key: found[key] for key in keys}


class WorkerById(Loader[UUID, WorkerRow | None]):
    """Workers by key, for administrators; nobody else sees one."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, WorkerRow | None]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            return {**await service.workers_by_id(session, self.context.require_viewer(), keys)}


BINDINGS: tuple[Binding, ...] = ()
