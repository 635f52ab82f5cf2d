"""Batch look-ups of accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from cuepoint.features.users.models import User
from cuepoint.graphql.loaders import Binding, Loader


class UserById(Loader[UUID, User | None]):
    """Users by key, for whoever may already see what names them (a member list, a job's creator)."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, User | None]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            rows = await session.scalars(select(User).where(User.id.in_(keys)))
            return {row.id: row for row in rows}


BINDINGS: tuple[Binding, ...] = ()
