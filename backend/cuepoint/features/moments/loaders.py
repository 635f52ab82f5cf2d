"""Batch look-ups of moments, and what videos show of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import PageRequest, fetch_pages
from cuepoint.features.moments.models import Moment
from cuepoint.features.moments.service import visible_moments_by_id
from cuepoint.features.videos.edges import MOMENT_COUNT_OF_VIDEO, MOMENTS_OF_VIDEO
from cuepoint.graphql.counts import CountLoader, Key
from cuepoint.graphql.loaders import Binding, Loader
from cuepoint.graphql.page_loaders import PageLoader, PagesById


class MomentById(Loader[UUID, Moment | None]):
    """Moments by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Moment | None]:
        """One statement for all keys."""
        viewer = self.context.require_viewer()
        async with self.context.db.read() as session:
            return await visible_moments_by_id(session, viewer, keys)


class MomentsOfVideo(PageLoader[Moment]):
    """A page of moments of each video, best first."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[Moment]:
        """One statement, whatever the number of videos."""
        keys = [(Moment.priority, int), (Moment.id, UUID)]
        return await fetch_pages(session, Moment, Moment.video_id, ids, keys, page)


class MomentCountOfVideo(CountLoader):
    """How many moments each video has."""

    def counted(self, owner: Key) -> Select[int]:
        """All of them."""
        return select(func.count()).select_from(Moment).where(Moment.video_id == owner)


BINDINGS: tuple[Binding, ...] = (
    (MOMENTS_OF_VIDEO, MomentsOfVideo),
    (MOMENT_COUNT_OF_VIDEO, MomentCountOfVideo),
)
