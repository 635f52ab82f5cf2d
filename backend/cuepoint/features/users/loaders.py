"""Batch look-ups of accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from cuepoint.features.users.models import ApiKey, User
from cuepoint.features.users.rights import may_manage
from cuepoint.graphql.loaders import Binding, Loader


class UserById(Loader[UUID, User | None]):
    """Users by key, for whoever may already see what names them (a member list, a job's creator)."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, User | None]:
        """One statement for all keys; visitors with a link learn of no account."""
        if self.context.require_viewer().share is not None:
            return {}
        async with self.context.db.read() as session:
            rows = await session.scalars(select(User).where(User.id.in_(keys)))
            return {row.id: row for row in rows}


class OwnApiKeyById(Loader[UUID, ApiKey | None]):
    """API keys by key, of the viewer's own alone."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, ApiKey | None]:
        """One statement for all keys."""
        viewer = self.context.require_viewer()
        if not may_manage(viewer):
            return {}
        mine = ApiKey.user_id == viewer.user_id
        async with self.context.db.read() as session:
            return {row.id: row for row in await session.scalars(select(ApiKey).where(ApiKey.id.in_(keys), mine))}


BINDINGS: tuple[Binding, ...] = ()
