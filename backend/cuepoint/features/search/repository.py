"""Statements of search: spaces, texts and vectors in, nearest neighbours out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import ARRAY, Integer, Select, SmallInteger, String, Uuid, cast, delete, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.embedding.base import DIMENSIONS
from cuepoint.db.base import HalfVector as HalfVectorType
from cuepoint.features.search.hits import Hit
from cuepoint.features.search.models import (
    EmbeddingSpace,
    RetrievableText,
    RetrievableTextEmbedding,
    RetrievableTextKind,
)
from cuepoint.features.videos.models import Video

# Key of the advisory lock under which spaces are made ("spac" in ASCII); any number will do, as long as it stays.
SPACES_LOCK = 0x73706163

_UPSERT_TEXTS = text(
    """
    insert into retrievable_texts (id, project_id, video_id, kind, source_id, start_ms, end_ms, language, text)
    select id, :project_id, :video_id, :kind, id, start_ms, end_ms, cast(:language as varchar), body
    from unnest(cast(:ids as uuid[]), cast(:starts as int[]), cast(:ends as int[]), cast(:bodies as text[]))
      as incoming (id, start_ms, end_ms, body)
    order by id
    on conflict (id) do update
      set start_ms = excluded.start_ms, end_ms = excluded.end_ms, language = excluded.language, text = excluded.text
      where (retrievable_texts.start_ms, retrievable_texts.end_ms, retrievable_texts.language, retrievable_texts.text)
        is distinct from (excluded.start_ms, excluded.end_ms, excluded.language, excluded.text)
    """
)
# Dropped at the end of the transaction; emptied in case one transaction stores twice.
_INCOMING = "incoming_embeddings"
_MAKE_INCOMING = text(
    f"create temporary table if not exists {_INCOMING} (text_id uuid, embedding halfvec({DIMENSIONS})) on commit drop"
)
_EMPTY_INCOMING = text(f"truncate {_INCOMING}")
# The scope columns come from the text itself, so that they cannot differ; a text that is gone takes its vector along.
_STORE_INCOMING = text(
    f"""
    insert into retrievable_text_embeddings (space_id, text_id, project_id, video_id, kind, embedding)
    select cast(:space_id as smallint), t.id, t.project_id, t.video_id, t.kind, i.embedding
    from {_INCOMING} i join retrievable_texts t on t.id = i.text_id
    order by t.id
    on conflict (space_id, text_id) do update set embedding = excluded.embedding
    """  # noqa: S608  # the table's name is a constant of this module
)


@dataclass(frozen=True)
class Passage:
    """A text on its way into the index; `text_id` follows from its content."""

    text_id: UUID
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True)
class Scope:
    """Where to look: statements of the ids of the projects that the caller may see, already narrowed, and of the only
    videos in them where not all are meant."""

    projects: Select[UUID]
    videos: Select[UUID] | None = None


async def find_space(session: AsyncSession, provider: str, model: str) -> EmbeddingSpace | None:
    """The space of that model, if anything was ever embedded with it."""
    statement = select(EmbeddingSpace).where(EmbeddingSpace.provider == provider, EmbeddingSpace.model == model)
    return await session.scalar(statement)


async def lock_spaces(session: AsyncSession) -> None:
    """Wait for whoever makes a space at the moment, and keep others waiting until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(SPACES_LOCK)))


async def create_partition(session: AsyncSession, space_id: int) -> None:
    """The partition of a space with its IVFFLAT index exists."""
    await session.execute(select(func.create_embedding_partition(cast(space_id, SmallInteger))))


async def lock_video(session: AsyncSession, video_id: UUID) -> bool:
    """Whether the video is there, undeleted; whoever else stores its texts waits until the transaction ends."""
    statement = select(Video.id).where(Video.id == video_id, Video.deleted_at.is_(None))
    return (await session.scalar(statement.with_for_update(key_share=True))) is not None


async def upsert_texts(session: AsyncSession, video: Video, passages: Sequence[Passage], language: str | None) -> None:
    """The passages are texts of the video; rows that are right already are not written again."""
    parameters = {
        "project_id": video.project_id,
        "video_id": video.id,
        "kind": RetrievableTextKind.TRANSCRIPT.value,
        "language": language,
        "ids": [passage.text_id for passage in passages],
        "starts": [passage.start_ms for passage in passages],
        "ends": [passage.end_ms for passage in passages],
        "bodies": [passage.text for passage in passages],
    }
    await session.execute(_UPSERT_TEXTS, parameters)


async def delete_texts_except(session: AsyncSession, video_id: UUID, keep: Sequence[UUID]) -> None:
    """Transcript texts of the video other than these are gone, and by cascade their vectors."""
    statement = delete(RetrievableText).where(
        RetrievableText.video_id == video_id,
        RetrievableText.kind == RetrievableTextKind.TRANSCRIPT,
        RetrievableText.id != func.all(cast(list(keep), ARRAY(Uuid))),
    )
    await session.execute(statement)


async def vectors_of(session: AsyncSession, space_id: int, text_ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
    """The stored vectors of these texts in that space."""
    statement = select(RetrievableTextEmbedding.text_id, RetrievableTextEmbedding.embedding).where(
        RetrievableTextEmbedding.space_id == space_id,
        RetrievableTextEmbedding.text_id == func.any(cast(list(text_ids), ARRAY(Uuid))),
    )
    rows = (await session.execute(statement)).all()
    return {UUID(str(text_id)): np.asarray(vector.to_numpy(), dtype=np.float32) for text_id, vector in rows}


async def ids_with_vector(session: AsyncSession, space_id: int, text_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these texts have a vector in that space."""
    statement = select(RetrievableTextEmbedding.text_id).where(
        RetrievableTextEmbedding.space_id == space_id,
        RetrievableTextEmbedding.text_id == func.any(cast(list(text_ids), ARRAY(Uuid))),
    )
    return set((await session.scalars(statement)).all())


async def copy_embeddings(
    session: AsyncSession, space_id: int, rows: Sequence[tuple[UUID, NDArray[np.float32]]]
) -> None:
    """The vectors of these texts in that space are these; by COPY: 16 µs a row, where the ORM's insert takes 950."""
    await session.execute(_MAKE_INCOMING)  # also begins the transaction that COPY then runs in
    await session.execute(_EMPTY_INCOMING)
    connection = await (await session.connection()).get_raw_connection()
    driver: Any = connection.driver_connection
    records = [(text_id, HalfVector(vector)) for text_id, vector in rows]
    await driver.copy_records_to_table(_INCOMING, records=records, columns=["text_id", "embedding"])
    await session.execute(_STORE_INCOMING, {"space_id": space_id})


async def nearest(
    session: AsyncSession, space: tuple[str, str], query: NDArray[np.float32], scope: Scope, *, k: int, min_score: float
) -> list[Hit]:
    """The `k` nearest texts in scope, best first, with what is shown of them: one statement, one round trip.

    `space` is (provider, model); if nothing was embedded with it there are no hits. Scope and visibility are decided
    inside the statement, so that no row outside them is ever ranked.
    """
    found = func.nearest(
        cast(literal(HalfVector(query), HalfVectorType(DIMENSIONS)), HalfVectorType(DIMENSIONS)),
        select(EmbeddingSpace.id)
        .where(EmbeddingSpace.provider == space[0], EmbeddingSpace.model == space[1])
        .scalar_subquery(),
        _array(scope.projects),
        cast(k, Integer),
        cast(None, ARRAY(String)),
        cast(None, ARRAY(Uuid)) if scope.videos is None else _array(scope.videos),
        _array(select(Video.id).where(Video.deleted_at.is_not(None))),
    ).table_valued("text_id", "distance", name="found")
    statement = (
        select(
            RetrievableText.id,
            RetrievableText.video_id,
            RetrievableText.start_ms,
            RetrievableText.end_ms,
            RetrievableText.text,
            -found.c.distance,
        )
        .join_from(found, RetrievableText, RetrievableText.id == found.c.text_id)
        .where(-found.c.distance >= min_score)
        .order_by(found.c.distance, RetrievableText.id)
    )
    return [Hit(*row) for row in (await session.execute(statement)).all()]


async def scope_contents(session: AsyncSession, space: tuple[str, str], scope: Scope) -> tuple[bool, bool]:
    """Whether the scope holds any text at all, and any with a vector in that space."""
    visible = RetrievableText.project_id.in_(scope.projects)
    living = select(Video.id).where(Video.id == RetrievableText.video_id, Video.deleted_at.is_(None)).exists()
    texts = select(RetrievableText.id).where(visible, living)
    if scope.videos is not None:
        texts = texts.where(RetrievableText.video_id.in_(scope.videos))
    embedded = (
        texts.join(RetrievableTextEmbedding, RetrievableTextEmbedding.text_id == RetrievableText.id)
        .join(EmbeddingSpace, EmbeddingSpace.id == RetrievableTextEmbedding.space_id)
        .where(EmbeddingSpace.provider == space[0], EmbeddingSpace.model == space[1])
    )
    row = (await session.execute(select(texts.exists(), embedded.exists()))).one()
    return bool(row[0]), bool(row[1])


def _array(ids: Select[UUID]) -> Any:
    return func.array(ids.scalar_subquery())
