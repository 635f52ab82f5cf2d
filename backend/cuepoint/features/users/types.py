"""GraphQL types of accounts."""

from __future__ import annotations

from datetime import datetime

import strawberry

from cuepoint.features.users import models
from cuepoint.graphql.scalars import encode_id


@strawberry.type(description="A person or a service account.")
class User:
    """A user as clients see it."""

    id: strawberry.ID = strawberry.field(description="Global id.")
    email: str = strawberry.field(description="E-mail address, unique whatever its case.")
    name: str = strawberry.field(description="Shown name.")
    is_admin: bool = strawberry.field(description="Whether this is an instance administrator, who sees everything.")
    is_active: bool = strawberry.field(description="Whether credentials of this user are accepted.")
    created_at: datetime = strawberry.field(description="When the account was made.")

    @classmethod
    def from_row(cls, row: models.User) -> User:
        """Copy the columns."""
        return cls(
            id=encode_id("User", row.id),
            email=row.email,
            name=row.name,
            is_admin=row.is_admin,
            is_active=row.is_active,
            created_at=row.created_at,
        )


@strawberry.type(description="A named credential of the API. Its secret is shown once, when it is made.")
class ApiKey:
    """An API key without its secret."""

    id: strawberry.ID = strawberry.field(description="Global id.")
    name: str = strawberry.field(description="What it is for.")
    prefix: str = strawberry.field(description="First characters of the secret, to tell keys apart.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="Refused from then on; null = never.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked; null = valid.")
    last_used_at: datetime | None = strawberry.field(description="Last use, to the minute; null = never used.")

    @classmethod
    def from_row(cls, row: models.ApiKey) -> ApiKey:
        """Copy the columns, but not the hash."""
        return cls(
            id=encode_id("ApiKey", row.id),
            name=row.name,
            prefix=row.prefix,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )
