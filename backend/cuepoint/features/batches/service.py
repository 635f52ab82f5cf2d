"""Use cases of batches: start the pipeline of many videos, and look at what came of it.

A batch is the mark that its jobs bear; there is no second record of it. Each video is started in a transaction of its
own: one that is refused does not hold up the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, NotFoundError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.creation import check_priority
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.videos import service as videos
from cuepoint.viewer import Viewer

MAX_ITEMS = 100


@dataclass(frozen=True)
class Plan:
    """What shall run for each video of a batch; None as kinds is the whole pipeline."""

    batch_id: UUID
    kinds: Sequence[JobKind] | None
    priority: int


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
    check_priority(plan.priority)
    return [await _start(db, viewer, plan, video_id) for video_id in video_ids]


async def _start(db: Database, viewer: Viewer, plan: Plan, video_id: UUID | None) -> Item:
    async def start(session: AsyncSession) -> list[Job]:
        if video_id is None:
            raise NotFoundError("video")
        video = await videos.get_video(session, viewer, video_id, ProjectRole.EDITOR)
        return await jobs.start_pipeline(
            session,
            project_id=video.project_id,
            video_id=video.id,
            created_by_id=viewer.user_id,
            kinds=plan.kinds,
            priority=plan.priority,
            media_ms=video.duration_ms,
            batch_id=plan.batch_id,
        )

    try:
        return Item(await jobs.in_transaction(db, start))
    except CuepointError as error:
        return Item(error=error)


async def batch_state(session: AsyncSession, viewer: Viewer, batch_id: UUID) -> BatchState:
    """How far a batch is. Raises NotFoundError where the viewer sees none of its jobs."""
    visible = jobs.visible_jobs(viewer, JobFilter(batch_id=batch_id))
    columns = visible.with_only_columns(Job.status, func.count(), func.sum(Job.progress)).group_by(Job.status)
    rows = (await session.execute(columns)).all()
    if not rows:
        raise NotFoundError("batch", field=("batchId",))
    total = sum(count for _, count, _ in rows)
    return BatchState(batch_id, {status: count for status, count, _ in rows}, sum(done for *_, done in rows) / total)
