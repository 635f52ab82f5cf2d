"""Use cases of moments: ask for them, store what a finder chose, read and list them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.effective import LONGEST_MOMENT_MS as LONGEST_MS
from cuepoint.features.jobs.effective import MAX_MOMENTS as MAX_COUNT
from cuepoint.features.jobs.effective import SHORTEST_MOMENT_MS as SHORTEST_MS
from cuepoint.features.jobs.effective import SOURCES, JobOptions
from cuepoint.features.jobs.kinds import PIPELINE, dedupe_key
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.moments import repository
from cuepoint.features.moments.finder import MomentCandidate, Sentence
from cuepoint.features.moments.models import Moment
from cuepoint.features.presets.service import effective_options
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer

BEFORE_MOMENTS = PIPELINE[: PIPELINE.index(JobKind.MOMENT_GENERATION)]


async def request_moments(
    session: AsyncSession,
    viewer: Viewer,
    video_id: UUID,
    *,
    count: int | None = None,
    min_ms: int | None = None,
    max_ms: int | None = None,
    preset_id: UUID | None = None,
) -> Job:
    """A job that will replace the video's moments; it waits for the steps before it that are under way.

    What is None is said by the preset, else by the project's settings, else it follows from the length of the video.
    Raises BadInputError for limits that cannot be met, NOT_READY without a transcript or a job that makes one,
    DUPLICATE_JOB while moments are generated with other limits.
    """
    _check(count, min_ms, max_ms)
    video = await videos.get_video(session, viewer, video_id, ProjectRole.EDITOR)
    waits_for = await repository.unfinished_jobs(session, video_id, BEFORE_MOMENTS)
    if not waits_for and await transcripts.active_transcript(session, viewer, video_id) is None:
        raise CuepointError(
            ErrorCode.NOT_READY,
            "The video has no transcript and no job that makes one; call startPipeline first.",
            field=("videoId",),
        )
    call = JobOptions(moment_count=count, moment_min_ms=min_ms, moment_max_ms=max_ms)
    said = await effective_options(session, video.project_id, call, preset_id)
    args = said.arguments(JobKind.MOMENT_GENERATION)
    job = await jobs.enqueue(
        session,
        JobKind.MOMENT_GENERATION,
        project_id=video.project_id,
        video_id=video.id,
        created_by_id=viewer.user_id,
        args=args,
        depends_on=[(job_id, True) for job_id in waits_for],
        dedupe_key=dedupe_key(video.id, JobKind.MOMENT_GENERATION),
        media_ms=video.duration_ms,
    )
    if _limits(job.args) != _limits(args):
        raise CuepointError(
            ErrorCode.DUPLICATE_JOB,
            "Moments of this video are being generated with other limits. Wait for that job, or cancel it, then ask "
            "again.",
        )
    return job


def _limits(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without who said them."""
    return {name: value for name, value in args.items() if name != SOURCES}


def _check(count: int | None, min_ms: int | None, max_ms: int | None) -> None:
    if count is not None and not 1 <= count <= MAX_COUNT:
        raise BadInputError(f"count must lie between 1 and {MAX_COUNT}, not {count}.", field=("count",))
    for name, value in (("minDuration", min_ms), ("maxDuration", max_ms)):
        if value is not None and not SHORTEST_MS <= value <= LONGEST_MS:
            raise BadInputError(
                f"{name} must lie between {SHORTEST_MS // 1000} and {LONGEST_MS // 1000} seconds.", field=(name,)
            )
    if min_ms is not None and max_ms is not None and min_ms > max_ms:
        raise BadInputError("minDuration must not exceed maxDuration.", field=("minDuration",))


async def replace_moments(
    session: AsyncSession,
    video: Video,
    job_id: UUID,
    sentences: Sequence[Sentence],
    candidates: Sequence[MomentCandidate],
    *,
    method: str,
) -> int:
    """The video's moments are the candidates, in their order of priority; returns how many.

    The id of a moment follows from its span: a second run leaves the same rows, and a clip of a span that was found
    again still belongs to its moment. Raises NotFoundError if the video was deleted meanwhile.
    """
    if not await repository.lock_video(session, video.id):
        raise NotFoundError("video")
    rows: list[dict[str, Any]] = []
    for priority, candidate in enumerate(candidates, start=1):
        start_ms, end_ms = sentences[candidate.first].start_ms, sentences[candidate.last].end_ms
        rows.append(
            {
                "id": uuid5(video.id, f"moment:{start_ms}:{end_ms}"),
                "project_id": video.project_id,
                "video_id": video.id,
                "job_id": job_id,
                "start_ms": start_ms,
                "end_ms": end_ms,
                "title": candidate.title,
                "reason": candidate.reason,
                "score": min(1.0, max(0.0, candidate.score)),
                "signals": dict(candidate.signals),
                "priority": priority,
                "method": method,
            }
        )
    await repository.replace_moments(session, video.id, rows)
    return len(rows)


async def get_moment(session: AsyncSession, viewer: Viewer, moment_id: UUID) -> Moment:
    """The moment, if the viewer may see its video."""
    moment = await session.scalar(repository.visible_moments(viewer).where(Moment.id == moment_id))
    if moment is None:
        raise NotFoundError("moment")
    return moment


async def visible_moments_by_id(
    session: AsyncSession, viewer: Viewer, moment_ids: Sequence[UUID]
) -> dict[UUID, Moment]:
    """Those of these moments that the viewer may see."""
    statement = repository.visible_moments(viewer).where(Moment.id.in_(moment_ids))
    return {moment.id: moment for moment in await session.scalars(statement)}


async def list_moments(session: AsyncSession, viewer: Viewer, video_id: UUID, page: PageRequest) -> Page[Moment]:
    """The video's moments, best first. Raises NotFoundError for a video that the viewer may not see."""
    await videos.get_video(session, viewer, video_id)
    statement = repository.visible_moments(viewer).where(Moment.video_id == video_id)
    return await fetch_page(session, statement, [(Moment.priority, int), (Moment.id, UUID)], page)
