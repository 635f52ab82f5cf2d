"""Who asks: the identity and the instance-wide rights that every service call receives."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Viewer:
    """An authenticated caller. What it may see of a project is decided by `features.projects.access` alone."""

    user_id: UUID
    is_admin: bool
    api_key_id: UUID | None = None
