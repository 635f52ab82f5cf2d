"""GraphQL types of presets."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from cuepoint.features.jobs.option_types import JobOptions
from cuepoint.features.presets import models
from cuepoint.features.presets.loaders import PresetById
from cuepoint.features.projects.types import Project, load_project
from cuepoint.graphql.context import Info
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import encode_id


@strawberry.type(description="Options of jobs under a name; a call that names it need not repeat them.")
class Preset(Node):
    """A preset as clients see it."""

    project_key: strawberry.Private[UUID | None]
    id: strawberry.ID = strawberry.field(description="Global id.")
    name: str = strawberry.field(description="Unique in its project, or among those of the instance.")
    options: JobOptions = strawberry.field(description="What it says.")
    version: int = strawberry.field(description="Grows with each change; updatePreset names the one you saw.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @strawberry.field(description="The project it belongs to; null = the instance, for use in every project.")
    async def project(self, info: Info) -> Project | None:
        return None if self.project_key is None else await load_project(info, self.project_key)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Preset | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(PresetById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.Preset) -> Preset:
        """Copy the columns."""
        return cls(
            project_key=row.project_id,
            id=encode_id("Preset", row.id),
            name=row.name,
            options=JobOptions.from_row(row.options),
            version=row.version,
            created_at=row.created_at,
        )
