"""Batch look-ups of share links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from cuepoint.features.projects.models import ShareLink
from cuepoint.features.shares import service
from cuepoint.graphql.loaders import Binding, Loader


class ShareLinkById(Loader[UUID, ShareLink | None]):
    """Links by key, as far as the viewer owns their project."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, ShareLink | None]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            return {**await service.links_by_id(session, self.context.require_viewer(), keys)}


BINDINGS: tuple[Binding, ...] = ()
