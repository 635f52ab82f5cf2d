"""Use case of similar videos: those that show the same pictures, re-encoded, resized or cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Integer, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import BadInputError
from cuepoint.features.projects import access
from cuepoint.features.videos.models import Storyboard, Video
from cuepoint.features.videos.service import get_video
from cuepoint.features.videos.similarity import bands_of, hashes_of, likeness, probes_of
from cuepoint.viewer import Viewer

MAX_CANDIDATES = 20


@dataclass(frozen=True)
class Similar:
    """A video, and how much of its pictures it shares with the one asked about."""

    video: Video
    likeness: float


async def similar_videos(session: AsyncSession, viewer: Viewer, video_id: UUID, *, threshold: float) -> list[Similar]:
    """Videos that the viewer may see, most alike first, at most 20; none where there is no storyboard yet.

    Raises BadInputError for a threshold outside 0 to 1.
    """
    if not 0 < threshold <= 1:
        raise BadInputError("The threshold must lie above 0 and at most at 1.", field=("threshold",))
    await get_video(session, viewer, video_id)
    stored = await session.scalar(select(Storyboard.hashes).where(Storyboard.video_id == video_id))
    own = hashes_of(stored or b"")
    if not own:
        return []
    rows = await _candidates(session, viewer, video_id, bands_of(probes_of(own)))
    return await asyncio.to_thread(_ranked, own, rows, threshold)


async def _candidates(
    session: AsyncSession, viewer: Viewer, video_id: UUID, bands: Sequence[int]
) -> list[tuple[Video, bytes]]:
    wanted = literal(list(bands), ARRAY(Integer))
    each = func.unnest(Storyboard.bands).table_valued("band").render_derived()
    shared = select(func.count()).select_from(each).where(each.c.band == func.any(wanted)).scalar_subquery()
    statement = (
        select(Video, Storyboard.hashes)
        .join(Storyboard, Storyboard.video_id == Video.id)
        .where(
            Storyboard.bands.overlap(wanted),
            Video.id != video_id,
            Video.deleted_at.is_(None),
            access.sees_video(viewer, Video.project_id, Video.id),
        )
        .order_by(shared.desc(), Video.id)
        .limit(MAX_CANDIDATES)
    )
    return [(row[0], row[1]) for row in await session.execute(statement)]


def _ranked(own: Sequence[int], rows: Sequence[tuple[Video, bytes]], threshold: float) -> list[Similar]:
    found = [Similar(video, round(likeness(own, hashes_of(stored)), 3)) for video, stored in rows]
    return sorted((one for one in found if one.likeness >= threshold), key=lambda one: -one.likeness)
