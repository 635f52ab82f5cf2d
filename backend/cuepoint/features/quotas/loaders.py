"""Batch look-ups of how much of their limits projects have taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from cuepoint.features.projects.edges import USAGE_OF_PROJECT
from cuepoint.features.quotas import service
from cuepoint.graphql.loaders import Binding, Loader


class UsageOfProject(Loader[UUID, service.State | None]):
    """The state of each project's quota; None for whoever is no member of it."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, service.State | None]:
        """As many statements for all keys as for one."""
        async with self.context.db.read() as session:
            return await service.states_of_projects(session, self.context.require_viewer(), keys)


BINDINGS: tuple[Binding, ...] = ((USAGE_OF_PROJECT, UsageOfProject),)
