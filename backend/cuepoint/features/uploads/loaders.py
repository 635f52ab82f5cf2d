"""Batch look-ups of uploads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from cuepoint.features.projects import access
from cuepoint.features.uploads.models import Upload
from cuepoint.graphql.loaders import Binding, Loader


class UploadById(Loader[UUID, Upload | None]):
    """Uploads by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Upload | None]:
        """One statement for all keys."""
        visible = access.visible_projects(self.context.require_viewer())
        statement = select(Upload).where(Upload.id.in_(keys), Upload.project_id.in_(visible))
        async with self.context.db.read() as session:
            return {row.id: row for row in await session.scalars(statement)}


BINDINGS: tuple[Binding, ...] = ()
