"""Use cases of search: keep the index of a video in step with its transcript, and find passages by meaning."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.embedding.base import DIMENSIONS, Embedder, SpaceInfo
from cuepoint.db.base import is_storable
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.projects import access
from cuepoint.features.quotas import service as quotas
from cuepoint.features.search import repository
from cuepoint.features.search.hits import Hit, VideoHits, group_by_video
from cuepoint.features.search.models import EmbeddingSpace
from cuepoint.features.search.repository import Passage, Scope
from cuepoint.features.videos.lists import holds_metadata
from cuepoint.features.videos.models import Video
from cuepoint.processes.metering import Meter, metering
from cuepoint.viewer import Viewer

MAX_QUERY = 500
MAX_FIRST = 100
MAX_SCOPE_IDS = 100
# Passages that are read before they are grouped by video; as cheap to find as ten (docs/decisions/0004).
GROUPING_DEPTH = 200
# Half precision keeps 11 bits: a unit vector stays within 0.0005 of 1; more than this was no unit vector before.
NORM_TOLERANCE = 0.01


@dataclass(frozen=True)
class SearchRequest:
    """What to look for and where. `None` means: no restriction, or the default of the space for `min_score`."""

    query: str
    project_ids: Sequence[UUID] | None = None
    video_ids: Sequence[UUID] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    first: int = 10
    min_score: float | None = None
    by_video: bool = False


@dataclass(frozen=True)
class SearchOutcome:
    """At most `first` hits, and with `by_video` at most `first` groups; `notice` says why there are none.

    Both lists are whole answers without cursors, in a total order (score, then id).
    """

    hits: Sequence[Hit]
    groups: Sequence[VideoHits]
    space: SpaceInfo
    min_score: float
    notice: str | None


async def ensure_space(session: AsyncSession, info: SpaceInfo) -> EmbeddingSpace:
    """The space has its row, its partition and its index; whoever asks at the same time gets the same one."""
    space = await repository.find_space(session, info.provider, info.model)
    if space is None:
        await repository.lock_spaces(session)
        space = await repository.find_space(session, info.provider, info.model)
    if space is None:
        space = EmbeddingSpace(
            provider=info.provider,
            model=info.model,
            native_dimensions=info.native_dimensions,
            min_score=info.min_score,
        )
        session.add(space)
        await session.flush()
        await repository.create_partition(session, space.id)
    if space.native_dimensions != info.native_dimensions:
        raise CuepointError(
            ErrorCode.MISCONFIGURED,
            f"The model {info.model} of {info.provider} now answers with {info.native_dimensions} dimensions; the "
            f"vectors stored under that name have {space.native_dimensions}.",
            hint="Set CUEPOINT_EMBEDDING_MODEL to another name of the model, so that it gets a space of its own.",
        )
    if space.min_score != info.min_score:
        space.min_score = info.min_score
        await session.flush()
    return space


async def passages_without_vector(session: AsyncSession, space_id: int, passages: Sequence[Passage]) -> list[Passage]:
    """Those of the passages that have no vector in that space yet: a passage keeps its id as long as its text."""
    known = await repository.ids_with_vector(session, space_id, [passage.text_id for passage in passages])
    return [passage for passage in passages if passage.text_id not in known]


async def vectors_of(
    session: AsyncSession, info: SpaceInfo, text_ids: Sequence[UUID]
) -> dict[UUID, NDArray[np.float32]]:
    """The stored vectors of these texts in the space of that model; empty when it was never used."""
    space = await repository.find_space(session, info.provider, info.model)
    return {} if space is None else await repository.vectors_of(session, space.id, text_ids)


async def add_passages(session: AsyncSession, video: Video, passages: Sequence[Passage], language: str | None) -> None:
    """The passages are among the texts of the video that search finds. NotFoundError if it was deleted meanwhile."""
    if not await repository.lock_video(session, video.id):
        raise NotFoundError("video")
    await repository.upsert_texts(session, video, passages, language)


async def sync_texts(session: AsyncSession, video: Video, passages: Sequence[Passage], language: str | None) -> None:
    """The passages are all the transcript texts of the video that search finds; others are gone with their vectors."""
    await add_passages(session, video, passages, language)
    await repository.delete_texts_except(session, video.id, [passage.text_id for passage in passages])


async def store_embeddings(session: AsyncSession, space_id: int, rows: Mapping[UUID, NDArray[np.float32]]) -> None:
    """Each of these texts has this vector in that space; a text that is gone is skipped.

    Raises AdapterError PROVIDER_BAD_RESPONSE if a vector is not a unit vector of 1536 finite numbers.
    """
    for vector in rows.values():
        length = float(np.linalg.norm(vector.astype(np.float64))) if vector.shape == (DIMENSIONS,) else 0.0
        if not abs(length - 1) <= NORM_TOLERANCE:  # so written, NaN fails too
            raise AdapterError(
                ErrorCode.PROVIDER_BAD_RESPONSE,
                f"The embedding model returned something other than unit vectors of {DIMENSIONS} numbers.",
                retryable=False,
                detail=f"shape {vector.shape}, length {length:.4f}",
            )
    if rows:
        await repository.copy_embeddings(session, space_id, list(rows.items()))


async def search(db: Database, viewer: Viewer, embedder: Embedder, request: SearchRequest) -> SearchOutcome:
    """The passages nearest in meaning to the query, among those that the viewer may see; changes nothing.

    The order is total (score, then id). Raises BadInputError, NotFoundError for a project or video outside the
    viewer's sight, QuotaExceededError where a paid model would embed the query, and AdapterError PROVIDER_* when it
    could not be embedded; no session is open meanwhile.
    """
    query = _checked_query(request)
    projects = _projects(viewer, request)
    scope = Scope(projects, _videos(projects, request))
    async with db.read() as session:
        project_id, user_id = _payers(viewer, await _check_scope(session, viewer, request))
        await quotas.check_call(session, "EMBEDDING", project_id=project_id, user_id=user_id)
    info = embedder.space()
    min_score = info.min_score if request.min_score is None else request.min_score
    meter = Meter()
    try:
        with metering(meter):
            (vector,) = await embedder.embed([query])
    finally:  # a vector that cannot be used, or that nobody waits for any more, was paid for as well
        if meter.is_running:
            await asyncio.shield(_record(db, meter, project_id, user_id))
    space = (info.provider, info.model)
    async with db.read() as session:
        k = GROUPING_DEPTH if request.by_video else request.first
        hits = await repository.nearest(session, space, vector, scope, k=k, min_score=min_score)
        contents = (True, True) if hits else await repository.scope_contents(session, space, scope)
    notice = None if hits else _notice(info, min_score, request, *contents)
    groups = group_by_video(hits)[: request.first] if request.by_video else []
    return SearchOutcome(hits[: request.first], groups, info, min_score, notice)


async def _record(db: Database, meter: Meter, project_id: UUID | None, user_id: UUID | None) -> None:
    async with db.write() as session:
        await quotas.record_uses(session, meter.take(), job_id=None, project_id=project_id, user_id=user_id)


def _payers(viewer: Viewer, searched: set[UUID]) -> tuple[UUID | None, UUID | None]:
    """The project and the user whose quotas a search takes from: the only project that is searched, or that was shared
    with a visitor, who has no quota of their own."""
    if viewer.share is not None:
        return viewer.share.project_id, None
    return (next(iter(searched)) if len(searched) == 1 else None), viewer.user_id


def _checked_query(request: SearchRequest) -> str:
    query = request.query.strip()
    if not 1 <= len(query) <= MAX_QUERY:
        raise BadInputError(
            f"The query must have 1 to {MAX_QUERY} characters besides space around it; this one has {len(query)}.",
            field=("query",),
        )
    if not is_storable(query):
        raise BadInputError(
            "The query holds a null character or half of a surrogate pair, which is no text.", field=("query",)
        )
    if not 1 <= request.first <= MAX_FIRST:
        raise BadInputError(f"`first` must be between 1 and {MAX_FIRST}, not {request.first}.", field=("first",))
    if request.min_score is not None and not -1 <= request.min_score <= 1:
        raise BadInputError("minScore is a cosine and must lie between -1 and 1.", field=("minScore",))
    for name, ids in (("projectIds", request.project_ids), ("videoIds", request.video_ids)):
        if ids is not None and not 1 <= len(ids) <= MAX_SCOPE_IDS:
            raise BadInputError(
                f"{name} must hold 1 to {MAX_SCOPE_IDS} ids; leave it out to search everything.", field=(name,)
            )
    return query


async def _check_scope(session: AsyncSession, viewer: Viewer, request: SearchRequest) -> set[UUID]:
    """The projects that the request names, itself or by videos; none: it names nothing.

    A project or video that the viewer may not see is an error, not an empty answer that looks like one.
    """
    visible = access.shown_projects(viewer)
    named = set(request.project_ids or ())
    if request.project_ids is not None:
        wanted = set(request.project_ids)
        found = select(func.count()).select_from(_narrowed(visible, sorted(wanted)).subquery())
        if await session.scalar(found) != len(wanted):
            raise NotFoundError("project", field=("projectIds",))
    if request.video_ids is not None:
        wanted = set(request.video_ids)
        conditions = (Video.id.in_(wanted), Video.deleted_at.is_(None), Video.project_id.in_(visible))
        owners = (await session.scalars(select(Video.project_id).where(*conditions))).all()
        if len(owners) != len(wanted):
            raise NotFoundError("video", field=("videoIds",))
        named = named & set(owners) or set(owners)
    return named


def _projects(viewer: Viewer, request: SearchRequest) -> Select[UUID]:
    visible = access.shown_projects(viewer)
    return visible if request.project_ids is None else _narrowed(visible, request.project_ids)


def _videos(projects: Select[UUID], request: SearchRequest) -> Select[UUID] | None:
    """The videos that the request narrows the search to; None: it does not."""
    found = select(Video.id).where(Video.deleted_at.is_(None), Video.project_id.in_(projects))
    if request.metadata:
        found = found.where(holds_metadata(request.metadata, field=("metadata",)))
    if request.video_ids is not None:
        found = found.where(Video.id.in_(request.video_ids))
    return found if request.metadata or request.video_ids is not None else None


def _narrowed(visible: Select[UUID], project_ids: Sequence[UUID]) -> Select[UUID]:
    (column,) = visible.selected_columns
    return visible.where(column.in_(project_ids))


def _notice(info: SpaceInfo, min_score: float, request: SearchRequest, has_texts: bool, has_vectors: bool) -> str:
    if has_vectors:
        return f"No passage is as near as minScore ({min_score:g}). Say it in other words, or lower minScore."
    if has_texts:
        return (
            f"The passages here were embedded with another model than {info.provider}/{info.model}, which is set now; "
            "vectors of two models are never compared. Start the EMBEDDING step of these videos again."
        )
    of = " of a video with these metadata" if request.metadata else ""
    return f"There is no transcribed passage{of} here yet. Wait for the EMBEDDING job of a video, then search again."
