"""Background work of search: vectors for the passages of a video."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import NotFoundError
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.quotas import service as quotas
from cuepoint.features.search import service
from cuepoint.features.search.repository import Passage
from cuepoint.features.transcripts.models import Transcript
from cuepoint.features.transcripts.service import active_chunks
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video

# Saved one by one, so that a provider that breaks off late in ten hours of speech is not paid twice for the rest.
BATCH = 256

Vectors = dict[UUID, NDArray[np.float32]]


@task(JobKind.EMBEDDING)
async def embed(ctx: TaskContext) -> None:
    """Search finds exactly the passages of the active transcript; only passages without a vector are embedded."""
    async with ctx.save() as session:
        space = await service.ensure_space(session, ctx.adapters.embedder.space())
    async with ctx.db.read() as session:
        video = await videos.video_row(session, ctx.video_id)
        if video is None:
            raise NotFoundError("video")
        transcript, passages = await _active_passages(session, video.id)
        missing = await service.passages_without_vector(session, space.id, passages)
    if missing:
        async with ctx.db.write() as session:
            await quotas.check_usage(session, ctx.job_id)
    vectors = await _embed_all(ctx, video, transcript.language, space.id, missing)
    result = {"texts": len(passages), "embedded": len(missing), "provider": space.provider, "model": space.model}
    if transcript.empty_reason is not None:
        result["reason"] = transcript.empty_reason.value
    async with ctx.finish(result=result) as session:
        # Read again: if another revision became active meanwhile, its own job brings the vectors that lack here.
        transcript, passages = await _active_passages(session, video.id)
        await service.sync_texts(session, video, passages, transcript.language)
        await service.store_embeddings(session, space.id, vectors)


async def _active_passages(session: AsyncSession, video_id: UUID) -> tuple[Transcript, list[Passage]]:
    transcript, chunks = await active_chunks(session, video_id)
    return transcript, [Passage(chunk.id, chunk.start_ms, chunk.end_ms, chunk.text) for chunk in chunks]


async def _embed_all(
    ctx: TaskContext, video: Video, language: str | None, space_id: int, missing: Sequence[Passage]
) -> Vectors:
    """Vectors of the last batch; those before it are stored already, with their texts."""
    vectors: Vectors = {}
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        texts = list(dict.fromkeys(passage.text for passage in batch))
        by_text = dict(zip(texts, await ctx.adapters.embedder.embed(texts), strict=True))
        vectors = {passage.text_id: by_text[passage.text] for passage in batch}
        total_ms, processed_ms = missing[-1].end_ms, batch[-1].end_ms
        ctx.report(0.99 * processed_ms / total_ms, "Embedding", processed_ms=processed_ms, total_ms=total_ms)
        if start + BATCH < len(missing):
            async with ctx.save() as session:
                await service.add_passages(session, video, batch, language)
                await service.store_embeddings(session, space_id, vectors)
    return vectors
