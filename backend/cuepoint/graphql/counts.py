"""How long the lists of objects are: told along with the page that the objects stand on, or by a statement for many."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import InstrumentedAttribute

from cuepoint.db.keyset import Along, table_of
from cuepoint.graphql.context import Context
from cuepoint.graphql.loaders import Loader, LoaderKey

Key: TypeAlias = ColumnElement[UUID] | InstrumentedAttribute[UUID]


class CountLoader(Loader[UUID, int]):
    """The length of one list of each of many objects."""

    @abstractmethod
    def counted(self, owner: Key) -> Select[int]:
        """`select count(*)` of the list of the object whose key stands in that column of the statement around it."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, int]:
        """One statement for all keys."""
        owners = table_of(keys)
        statement = select(owners.c.id, self.counted(owners.c.id).scalar_subquery())
        async with self.context.db.read() as session:
            return {row[0]: row[1] for row in await session.execute(statement)}


@dataclass(frozen=True)
class Counts:
    """The lists of one type whose lengths come along with pages of its objects: how each is counted, by its name."""

    key: InstrumentedAttribute[UUID]
    loaders: Mapping[str, LoaderKey[UUID, int] | type[CountLoader]]

    def along(self, context: Context, names: frozenset[str]) -> list[Along]:
        """What to read along with a page of which these lists are counted."""
        return [self._one(context, found) for name, found in self.loaders.items() if name in names]

    def _one(self, context: Context, found: LoaderKey[UUID, int] | type[CountLoader]) -> Along:
        loader: Any = context.back_edge(found) if isinstance(found, LoaderKey) else context.loader(found)
        return Along(loader.counted(self.key).scalar_subquery(), loader.tell)
