"""Batch look-ups of clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import PageRequest, fetch_pages
from cuepoint.features.clips import reels, service
from cuepoint.features.clips.models import Clip, ClipFile, Reel, ReelItem
from cuepoint.features.videos.edges import CLIP_COUNT_OF_VIDEO, CLIPS_OF_VIDEO
from cuepoint.graphql.counts import CountLoader, Key
from cuepoint.graphql.loaders import Binding, Loader
from cuepoint.graphql.page_loaders import PageLoader, PagesById


class ClipById(Loader[UUID, Clip | None]):
    """Clips by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Clip | None]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            return {**await service.clips_by_id(session, self.context.require_viewer(), keys)}


class CaptionFilesOfClip(Loader[UUID, list[ClipFile]]):
    """The caption files of clips that the viewer sees."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, list[ClipFile]]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            return {key: [] for key in keys} | await service.caption_files(session, keys)


class ReelById(Loader[UUID, Reel | None]):
    """Reels by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Reel | None]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            return {**await reels.reels_by_id(session, self.context.require_viewer(), keys)}


class ItemsOfReel(Loader[UUID, list[ReelItem]]):
    """The pieces of reels that the viewer sees."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, list[ReelItem]]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            return {key: [] for key in keys} | await reels.items_of(session, keys)


class ClipsOfVideo(PageLoader[Clip]):
    """A page of clips of each video, oldest first."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[Clip]:
        """One statement, whatever the number of videos."""
        keys = [(Clip.created_at, datetime), (Clip.id, UUID)]
        return await fetch_pages(session, Clip, Clip.video_id, ids, keys, page, where=[Clip.deleted_at.is_(None)])


class ClipCountOfVideo(CountLoader):
    """How many clips each video has."""

    def counted(self, owner: Key) -> Select[int]:
        """Those that are not deleted."""
        return select(func.count()).select_from(Clip).where(Clip.video_id == owner, Clip.deleted_at.is_(None))


BINDINGS: tuple[Binding, ...] = ((CLIPS_OF_VIDEO, ClipsOfVideo), (CLIP_COUNT_OF_VIDEO, ClipCountOfVideo))
