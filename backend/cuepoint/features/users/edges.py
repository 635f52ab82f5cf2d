"""What accounts ask of later features."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from cuepoint.graphql.loaders import LoaderKey

if TYPE_CHECKING:
    from cuepoint.features.projects.models import Project

PROJECT_BY_ID: LoaderKey[UUID, Project | None] = LoaderKey("users.project")  # as far as the viewer may see it
