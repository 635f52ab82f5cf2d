"""GraphQL types of accounts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from cuepoint.features.users import models
from cuepoint.features.users.loaders import OwnApiKeyById, UserById
from cuepoint.features.users.service import may_see_user
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Scope

describe_enum(
    Scope,
    {
        Scope.READ: "May look, search, watch and download; changes nothing.",
        Scope.WRITE: "And may add, process and delete media, as an EDITOR may.",
        Scope.MANAGE: "And may do all that its user may: members, keys, the account; for administrators the instance.",
    },
    name="ApiKeyScope",
    description="What an API key may be used for; each scope includes the ones before it. It never exceeds its user.",
)


@strawberry.type(description="A person or a service account.")
class User(Node):
    """A user as clients see it."""

    id: strawberry.ID = strawberry.field(description="Global id.")
    email: str = strawberry.field(description="E-mail address, unique whatever its case.")
    name: str = strawberry.field(description="Shown name.")
    is_admin: bool = strawberry.field(description="Whether this is an instance administrator, who sees everything.")
    is_active: bool = strawberry.field(description="Whether credentials of this user are accepted.")
    has_password: bool = strawberry.field(description="Whether this user can sign in with a password.")
    created_at: datetime = strawberry.field(description="When the account was made.")

    @classmethod
    async def find(cls, info: Info, key: UUID) -> User | None:
        """By its key, as far as the viewer may see it."""
        is_theirs = may_see_user(info.context.require_viewer(), key)
        row = await info.context.loader(UserById).load(key) if is_theirs else None
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.User) -> User:
        """Copy the columns."""
        return cls(
            id=encode_id("User", row.id),
            email=row.email,
            name=row.name,
            is_admin=row.is_admin,
            is_active=row.is_active,
            has_password=row.password_hash is not None,
            created_at=row.created_at,
        )


@strawberry.type(description="A named credential of the API. Its secret is shown once, when it is made.")
class ApiKey(Node):
    """An API key without its secret."""

    id: strawberry.ID = strawberry.field(description="Global id.")
    name: str = strawberry.field(description="What it is for.")
    prefix: str = strawberry.field(description="First characters of the secret, to tell keys apart.")
    created_at: datetime = strawberry.field(description="When it was made.")
    scopes: list[Scope] = strawberry.field(description="What it may be used for.")
    project_ids: list[strawberry.ID] | None = strawberry.field(
        description="The only projects it reaches; null = all that its user may see."
    )
    expires_at: datetime | None = strawberry.field(description="Refused from then on; null = never.")
    rotated_at: datetime | None = strawberry.field(description="When a new key took its place; null = never.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked; null = valid.")
    last_used_at: datetime | None = strawberry.field(description="Last use, to the minute; null = never used.")
    last_used_ip: str | None = strawberry.field(
        description="Address that this use came from, as the server saw it; null = never used, or not known."
    )

    @classmethod
    async def find(cls, info: Info, key: UUID) -> ApiKey | None:
        """By its key, as far as the viewer may see it."""
        if info.context.require_viewer().is_restricted:
            return None
        row = await info.context.loader(OwnApiKeyById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.ApiKey) -> ApiKey:
        """Copy the columns, but not the hash."""
        return cls(
            id=encode_id("ApiKey", row.id),
            name=row.name,
            prefix=row.prefix,
            created_at=row.created_at,
            scopes=[scope for scope in Scope if row.scope.includes(scope)],
            project_ids=None if row.project_ids is None else [encode_id("Project", key) for key in row.project_ids],
            expires_at=row.expires_at,
            rotated_at=row.rotated_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
            last_used_ip=row.last_used_ip,
        )


@strawberry.type(description="One sign-in of yours that is in force.")
class Session:
    """A session without its tokens."""

    id: strawberry.ID = strawberry.field(description="Global id.")
    is_current: bool = strawberry.field(description="Whether this request came with it.")
    created_at: datetime = strawberry.field(description="When it began.")
    refreshed_at: datetime | None = strawberry.field(description="Last refresh; null = none yet.")
    expires_at: datetime = strawberry.field(description="Without a refresh it is over then.")
    ip: str | None = strawberry.field(description="Address of the sign-in, as the server saw it; null = not known.")

    @classmethod
    def from_row(cls, row: models.Session, current: UUID | None = None) -> Session:
        """Copy the columns, but not the hash."""
        return cls(
            id=encode_id("Session", row.id),
            is_current=row.id == current,
            created_at=row.created_at,
            refreshed_at=row.refreshed_at,
            expires_at=row.expires_at,
            ip=row.ip,
        )
