"""Batch look-ups of clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import PageRequest, fetch_pages
from cuepoint.features.clips import reels, service
from cuepoint.features.clips.models import Clip, ClipFile, Reel, ReelItem
from cuepoint.features.videos.edges import CLIP_COUNT_OF_VIDEO, CLIPS_OF_VIDEO
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


class ClipCountOfVideo(Loader[UUID, int]):
    """How many clips each video has."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, int]:
        """One statement for all keys."""
        there = (Clip.video_id.in_(keys), Clip.deleted_at.is_(None))
        statement = select(Clip.video_id, func.count()).where(*there).group_by(Clip.video_id)
        async with self.context.db.read() as session:
            return dict.fromkeys(keys, 0) | {row[0]: row[1] for row in await session.execute(statement)}


BINDINGS: tuple[Binding, ...] = ((CLIPS_OF_VIDEO, ClipsOfVideo), (CLIP_COUNT_OF_VIDEO, ClipCountOfVideo))
