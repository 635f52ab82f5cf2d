"""Batch look-ups of presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from cuepoint.features.presets import service
from cuepoint.features.presets.models import Preset
from cuepoint.graphql.loaders import Binding, Loader


class PresetById(Loader[UUID, Preset | None]):
    """Presets by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Preset | None]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            return {**await service.presets_by_id(session, self.context.require_viewer(), keys)}


BINDINGS: tuple[Binding, ...] = ()
