"""Background work of moments: let the finder choose, store what it chose."""

from __future__ import annotations

import asyncio

from cuepoint.errors import NotFoundError
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.moments import service
from cuepoint.features.moments.finder import MomentFinder
from cuepoint.features.moments.material import default_limits, material_of
from cuepoint.features.moments.scoring import TranscriptScorer
from cuepoint.features.search.service import vectors_of
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.videos import service as videos

FINDER: MomentFinder = TranscriptScorer()


@task(JobKind.MOMENT_GENERATION)
async def generate_moments(ctx: TaskContext) -> None:
    """The video's moments are what the finder chose from its active transcript; without speech there are none."""
    async with ctx.db.read() as session:
        video = await videos.video_row(session, ctx.video_id)
        if video is None:
            raise NotFoundError("video")
        transcript, chunks = await transcripts.active_chunks(session, video.id)
        segments = await transcripts.segments_of(session, transcript.id)
        vectors = await vectors_of(session, ctx.adapters.embedder.space(), [chunk.id for chunk in chunks])
    total_ms = video.duration_ms or max((segment.end_ms for segment in segments), default=0)
    ctx.report(0.1, "Weighing the transcript", processed_ms=0, total_ms=total_ms)
    material = await asyncio.to_thread(material_of, segments, chunks, vectors)
    limits = default_limits(
        total_ms, count=ctx.args.get("count"), min_ms=ctx.args.get("min_ms"), max_ms=ctx.args.get("max_ms")
    )
    candidates = await FINDER.find(material, limits)
    ctx.report(0.9, "Storing moments", processed_ms=total_ms, total_ms=total_ms)
    result: dict[str, object] = {"moments": len(candidates), "method": FINDER.method}
    if not material.sentences:
        result["reason"] = transcript.empty_reason.value if transcript.empty_reason else "NO_SPEECH"
    async with ctx.finish(result=result) as session:
        await service.replace_moments(session, video, ctx.job_id, material.sentences, candidates, method=FINDER.method)
