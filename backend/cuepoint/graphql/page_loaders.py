"""Batch loaders of lists: one page of each of many parents' lists in one statement."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import Page, PageRequest
from cuepoint.graphql.loaders import Loader

R = TypeVar("R")
PagesById: TypeAlias = Mapping[UUID, Page[R]]


class PageLoader(Loader[tuple[UUID, PageRequest], Page[R]]):
    """Keys are (parent id, page request); parents that ask for the same page are answered by one statement."""

    @abstractmethod
    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[R]:
        """That page of each parent's list, for instance by `db.keyset.fetch_pages`."""

    async def fetch(self, keys: Sequence[tuple[UUID, PageRequest]]) -> Mapping[tuple[UUID, PageRequest], Page[R]]:
        """One statement for each distinct page request."""
        grouped: dict[PageRequest, list[UUID]] = defaultdict(list)
        for parent_id, page in keys:
            grouped[page].append(parent_id)
        found: dict[tuple[UUID, PageRequest], Page[R]] = {}
        async with self.context.db.read() as session:
            for page, ids in grouped.items():
                pages = await self.pages(session, ids, page)
                found |= {(parent_id, page): pages[parent_id] for parent_id in ids}
        return found
