"""Batch look-ups of batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from cuepoint.features.batches import service
from cuepoint.features.batches.service import BatchState
from cuepoint.graphql.loaders import Binding, Loader


class BatchById(Loader[UUID, BatchState | None]):
    """How far batches are, as far as the viewer sees jobs of theirs."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, BatchState | None]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            return {**await service.batch_states(session, self.context.require_viewer(), keys)}


BINDINGS: tuple[Binding, ...] = ()
