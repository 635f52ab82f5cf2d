"""Who asks: the identity and the rights of the credential, which every service call receives."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from uuid import UUID


class Scope(Enum):
    """What a credential may be used for; each scope includes the ones before it."""

    READ = "READ"
    WRITE = "WRITE"
    MANAGE = "MANAGE"

    def includes(self, other: Scope) -> bool:
        """Whether this one is at least the other."""
        return _RANK[self] >= _RANK[other]

    @staticmethod
    def widest(scopes: Collection[Scope]) -> Scope:
        """The one that includes all the others."""
        return max(scopes, key=_RANK.__getitem__)


_RANK = {Scope.READ: 1, Scope.WRITE: 2, Scope.MANAGE: 3}


@dataclass(frozen=True)
class Share:
    """What a share link opens, to be looked at and no more: one video, or a whole project where that is None."""

    link_id: UUID
    project_id: UUID
    video_id: UUID | None
    may_download: bool


NOBODY = UUID(int=0)  # no user is made so: who comes by a share link is no member of anything


@dataclass(frozen=True)
class Viewer:
    """An authenticated caller. What it may see of a project is decided by `features.projects.access` alone.

    `is_admin` is true only for an administrator's credential without any restriction: whoever asks for it need not
    think of scopes. To look at all projects, an administrator's narrower credential is enough: `sees_all`.
    """

    user_id: UUID
    is_admin: bool
    api_key_id: UUID | None = None
    session_id: UUID | None = None
    scope: Scope = Scope.MANAGE
    project_ids: frozenset[UUID] | None = None  # None: every project of the user
    is_of_admin: bool = False  # the user is an administrator, whatever the credential may do
    share: Share | None = None  # came by a share link, without an account
    expires_at: datetime | None = field(default=None, compare=False)  # of an API key; None: never

    @property
    def sees_all(self) -> bool:
        """Whether it may look at every project, and at what belongs to none."""
        return self.is_admin or (self.is_of_admin and self.project_ids is None)

    @property
    def is_restricted(self) -> bool:
        """Whether the credential may do less than its user."""
        return self.scope is not Scope.MANAGE or self.project_ids is not None
