"""Batch look-ups of what projects have in storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import PageRequest, fetch_pages
from cuepoint.features.files.models import StoredFile
from cuepoint.features.projects.edges import STORAGE_OF_PROJECT
from cuepoint.features.storage.statistics import Reclaimable, StorageTotals, reclaimable_of, totals_of
from cuepoint.graphql.loaders import Binding, Loader
from cuepoint.graphql.page_loaders import PageLoader, PagesById


class StorageOfProject(Loader[UUID, StorageTotals]):
    """The totals of each project."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, StorageTotals]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            found = await totals_of(session, keys)
        return {key: found[key] for key in keys}


class ReclaimableOfProject(Loader[UUID, Reclaimable]):
    """What each project gets back by itself."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Reclaimable]:
        """Three statements for all keys."""
        async with self.context.db.read() as session:
            found = await reclaimable_of(session, keys)
        return {key: found[key] for key in keys}


class LargestFilesOfProject(PageLoader[StoredFile]):
    """The largest files of each project."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[StoredFile]:
        """One statement, whatever the number of projects."""
        keys = [(StoredFile.size_bytes, int), (StoredFile.key, str)]
        return await fetch_pages(session, StoredFile, StoredFile.project_id, ids, keys, page, descending=True)


BINDINGS: tuple[Binding, ...] = ((STORAGE_OF_PROJECT, StorageOfProject),)
