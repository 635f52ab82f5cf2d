"""Batch look-ups of what was made to look at videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import PageRequest, fetch_pages
from cuepoint.features.videos.audio_files import visible
from cuepoint.features.videos.looks import POSTER_SIDES
from cuepoint.features.videos.models import AudioFile, Rendition, RenditionKind, SoundMap, Storyboard
from cuepoint.graphql.counts import CountLoader, Key
from cuepoint.graphql.loaders import Loader
from cuepoint.graphql.page_loaders import PageLoader, PagesById


class PostersOfVideo(Loader[UUID, list[Rendition]]):
    """The poster of each video in all its sizes, smallest first."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, list[Rendition]]:
        """One statement for all keys."""
        kinds = list(POSTER_SIDES)
        statement = select(Rendition).where(Rendition.video_id.in_(keys), Rendition.kind.in_(kinds))
        found: dict[UUID, list[Rendition]] = {key: [] for key in keys}
        async with self.context.db.read() as session:
            for row in await session.scalars(statement.order_by(Rendition.width)):
                found[row.video_id].append(row)
        return found


class RenditionsOfVideo(Loader[UUID, list[Rendition]]):
    """Every rendition of each video, in the order of their kinds."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, list[Rendition]]:
        """One statement for all keys."""
        statement = select(Rendition).where(Rendition.video_id.in_(keys))
        found: dict[UUID, list[Rendition]] = {key: [] for key in keys}
        async with self.context.db.read() as session:
            for row in await session.scalars(statement):
                found[row.video_id].append(row)
        order = list(RenditionKind)
        return {key: sorted(rows, key=lambda row: order.index(row.kind)) for key, rows in found.items()}


class ProxyOfVideo(Loader[UUID, Rendition | None]):
    """The proxy of each video."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Rendition | None]:
        """One statement for all keys."""
        statement = select(Rendition).where(Rendition.video_id.in_(keys), Rendition.kind == RenditionKind.PROXY)
        async with self.context.db.read() as session:
            return {row.video_id: row for row in await session.scalars(statement)}


class StoryboardOfVideo(Loader[UUID, Storyboard | None]):
    """The storyboard of each video; its file may have been given up."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Storyboard | None]:
        """One statement for all keys."""
        statement = select(Storyboard).where(Storyboard.video_id.in_(keys))
        async with self.context.db.read() as session:
            return {row.video_id: row for row in await session.scalars(statement)}


class SoundMapOfVideo(Loader[UUID, tuple[SoundMap, Rendition | None] | None]):
    """What is known of the sound of each video, and the waveform's file, which may have been given up."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, tuple[SoundMap, Rendition | None] | None]:
        """One statement for all keys."""
        statement = select(SoundMap, Rendition).outerjoin(Rendition, Rendition.id == SoundMap.rendition_id)
        async with self.context.db.read() as session:
            rows = (await session.execute(statement.where(SoundMap.video_id.in_(keys)))).all()
        return {row[0].video_id: (row[0], row[1]) for row in rows}


class AudioFileById(Loader[UUID, AudioFile | None]):
    """Audio files by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, AudioFile | None]:
        """One statement for all keys."""
        statement = select(AudioFile).where(AudioFile.id.in_(keys), *visible(self.context.require_viewer()))
        async with self.context.db.read() as session:
            return {row.id: row for row in await session.scalars(statement)}


class AudioFilesOfVideo(PageLoader[AudioFile]):
    """A page of audio files of each video, oldest first."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[AudioFile]:
        """One statement, whatever the number of videos."""
        keys = [(AudioFile.created_at, datetime), (AudioFile.id, UUID)]
        return await fetch_pages(session, AudioFile, AudioFile.video_id, ids, keys, page)


class AudioFileCountOfVideo(CountLoader):
    """How many audio files each video has."""

    def counted(self, owner: Key) -> Select[int]:
        """All of them."""
        return select(func.count()).select_from(AudioFile).where(AudioFile.video_id == owner)
