"""Batch look-ups of imports, of captions that came with them, and of import sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from cuepoint.db.keyset import PageRequest, fetch_pages
from cuepoint.features.imports.models import Import, ImportCaption, ImportSource, ImportSourceFile
from cuepoint.features.projects import access
from cuepoint.features.videos.edges import IMPORT_OF_VIDEO
from cuepoint.graphql.counts import CountLoader, Counts, Key
from cuepoint.graphql.loaders import Binding, Loader
from cuepoint.graphql.page_loaders import PageLoader, PagesById


class ImportById(Loader[UUID, Import | None]):
    """Imports by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Import | None]:
        """One statement for all keys."""
        visible = access.visible_projects(self.context.require_viewer())
        statement = select(Import).where(Import.id.in_(keys), Import.project_id.in_(visible))
        async with self.context.db.read() as session:
            return {row.id: row for row in await session.scalars(statement)}


class ImportOfVideo(Loader[UUID, Import | None]):
    """The import that each video came by."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Import | None]:
        """One statement for all keys."""
        visible = Import.project_id.in_(access.visible_projects(self.context.require_viewer()))
        async with self.context.db.read() as session:
            rows = await session.scalars(select(Import).where(Import.video_id.in_(keys), visible))
            return {row.video_id: row for row in rows if row.video_id is not None}


class CaptionsOfImport(Loader[UUID, list[ImportCaption]]):
    """Captions of each import in their order, without their texts."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, list[ImportCaption]]:
        """One statement for all keys."""
        statement = (
            select(ImportCaption)
            .where(ImportCaption.import_id.in_(keys))
            .order_by(ImportCaption.import_id, ImportCaption.position)
            .options(defer(ImportCaption.text))
        )
        found: dict[UUID, list[ImportCaption]] = defaultdict(list, {key: [] for key in keys})
        async with self.context.db.read() as session:
            for row in await session.scalars(statement):
                found[row.import_id].append(row)
        return found


class CaptionText(Loader[tuple[UUID, int], str]):
    """The text of captions, by import and position."""

    async def fetch(self, keys: Sequence[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], str]:
        """One statement for all keys."""
        statement = select(ImportCaption).where(tuple_(ImportCaption.import_id, ImportCaption.position).in_(keys))
        async with self.context.db.read() as session:
            return {(row.import_id, row.position): row.text for row in await session.scalars(statement)}


class ImportSourceById(Loader[UUID, ImportSource | None]):
    """Import sources by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, ImportSource | None]:
        """One statement for all keys."""
        visible = access.visible_projects(self.context.require_viewer())
        statement = select(ImportSource).where(ImportSource.id.in_(keys), ImportSource.project_id.in_(visible))
        async with self.context.db.read() as session:
            return {row.id: row for row in await session.scalars(statement)}


class FilesOfSource(PageLoader[ImportSourceFile]):
    """A page of files of each import source, by name."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[ImportSourceFile]:
        """One statement, whatever the number of sources."""
        keys = [(ImportSourceFile.name, str)]
        return await fetch_pages(session, ImportSourceFile, ImportSourceFile.source_id, ids, keys, page)


class FileCountOfSource(CountLoader):
    """How many files each import source has."""

    def counted(self, owner: Key) -> Select[int]:
        """All of them."""
        return select(func.count()).select_from(ImportSourceFile).where(ImportSourceFile.source_id == owner)


COUNTS_OF_SOURCE = Counts(ImportSource.id, {"files": FileCountOfSource})
BINDINGS: tuple[Binding, ...] = ((IMPORT_OF_VIDEO, ImportOfVideo),)
