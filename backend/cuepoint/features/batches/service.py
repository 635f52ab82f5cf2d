"""Use cases of batches: start the pipeline of many videos, and look at what came of it.

A batch is the mark that its jobs bear; there is no second record of it. Each video is started in a transaction of its
own: one that is refused does not hold up the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, NotFoundError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.creation import check_priority
from cuepoint.features.jobs.effective import JobOptions
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.videos import service as videos
from cuepoint.viewer import Viewer

MAX_ITEMS = 100


@dataclass(frozen=True)
class Plan:
    """What shall run for each video of a batch; None as kinds leaves them to preset and settings."""

    batch_id: UUID
    kinds: Sequence[JobKind] | None
    priority: int | None
    force: bool = False
    preset_id: UUID | None = None


@dataclass(frozen=True)
class Item:
    """What became of one video of a batch: its jobs, or the refusal."""

    jobs: Sequence[Job] = ()
    error: CuepointError | None = None


@dataclass(frozen=True)
class BatchState:
    """The jobs of a batch that the viewer may see, by status, and the mean of their progress."""

    id: UUID
    counts: Mapping[JobStatus, int]
    progress: float


async def start_pipelines(db: Database, viewer: Viewer, plan: Plan, video_ids: Sequence[UUID | None]) -> Sequence[Item]:
    """What became of each video, in their order; None stands for an id that is none.

    Raises BadInputError for a batch of nothing or of too much, and for a priority outside 0 to 10.
    """
    if not 1 <= len(video_ids) <= MAX_ITEMS:
        raise BadInputError(f"A batch has 1 to {MAX_ITEMS} videos, not {len(video_ids)}.", field=("videoIds",))
    if plan.priority is not None:
        check_priority(plan.priority)
    return [await _start(db, viewer, plan, video_id) for video_id in video_ids]


async def _start(db: Database, viewer: Viewer, plan: Plan, video_id: UUID | None) -> Item:
    async def start(session: AsyncSession) -> list[Job]:
        if video_id is None:
            raise NotFoundError("video")
        how = videos.StartOptions(
            options=JobOptions(priority=plan.priority),
            preset_id=plan.preset_id,
            batch_id=plan.batch_id,
            force=plan.force,
        )
        return (await videos.start_pipeline(session, viewer, video_id, plan.kinds, how))[1]

    try:
        return Item(await jobs.in_transaction(db, start))
    except CuepointError as error:
        return Item(error=error)


async def batch_state(session: AsyncSession, viewer: Viewer, batch_id: UUID) -> BatchState:
    """How far a batch is. Raises NotFoundError where the viewer sees none of its jobs."""
    found = await batch_states(session, viewer, [batch_id])
    if batch_id not in found:
        raise NotFoundError("batch", field=("id",))
    return found[batch_id]


async def batch_states(session: AsyncSession, viewer: Viewer, batch_ids: Sequence[UUID]) -> dict[UUID, BatchState]:
    """How far those of the batches are of which the viewer sees a job."""
    visible = jobs.visible_jobs(viewer, JobFilter()).where(Job.batch_id.in_(batch_ids))
    columns = visible.with_only_columns(Job.batch_id, Job.status, func.count(), func.sum(Job.progress))
    counts: dict[UUID, dict[JobStatus, int]] = defaultdict(dict)
    done: dict[UUID, float] = defaultdict(float)
    for batch_id, status, count, progress in await session.execute(columns.group_by(Job.batch_id, Job.status)):
        assert batch_id is not None  # one of those that were asked for
        if batch_id is not None:
            counts[batch_id][status] = count
            done[batch_id] += progress
    return {key: BatchState(key, found, done[key] / sum(found.values())) for key, found in counts.items()}
