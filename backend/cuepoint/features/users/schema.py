"""GraphQL roots of accounts: me, users, API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from cuepoint.errors import NotFoundError
from cuepoint.features.users import service
from cuepoint.features.users.loaders import UserById
from cuepoint.features.users.types import ApiKey, User
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.scalars import decode_id


@strawberry.input(description="A new user.")
class CreateUserInput:
    """Input of createUser."""

    email: str = strawberry.field(description="E-mail address, unique whatever its case.")
    name: str = strawberry.field(description="Shown name, 1 to 200 characters.")
    is_admin: bool = strawberry.field(default=False, description="Whether to make an instance administrator.")


@strawberry.type(description="Result of createUser.")
class CreateUserPayload(Payload):
    """Payload of createUser."""

    user: User | None = strawberry.field(default=None, description="The new user.")


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    """Input of createApiKey."""

    name: str = strawberry.field(description="What the key is for, 1 to 200 characters.")
    expires_at: datetime | None = strawberry.field(default=None, description="When it ends; null = never.")
    user_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose key it is; null = yours. Another user's needs an administrator."
    )


@strawberry.type(description="Result of createApiKey.")
class CreateApiKeyPayload(Payload):
    """Payload of createApiKey."""

    api_key: ApiKey | None = strawberry.field(default=None, description="The new key.")
    secret: str | None = strawberry.field(
        default=None, description="The token to send as `Authorization: Bearer <secret>`. It is never shown again."
    )


@strawberry.input(description="Which API key to revoke.")
class RevokeApiKeyInput:
    """Input of revokeApiKey."""

    id: strawberry.ID = strawberry.field(description="The key.")


@strawberry.type(description="Result of revokeApiKey.")
class RevokeApiKeyPayload(Payload):
    """Payload of revokeApiKey."""

    api_key: ApiKey | None = strawberry.field(default=None, description="The key, refused from now on.")


@strawberry.type
class UserQuery:
    """Queries of accounts."""

    @strawberry.field(description="Whose credential this is.")
    async def me(self, info: Info) -> User:
        """The caller."""
        row = await info.context.loader(UserById).load(info.context.require_viewer().user_id)
        if row is None:
            raise NotFoundError("user")
        return User.from_row(row)

    @strawberry.field(description="A user: yourself, or anyone for administrators.")
    async def user(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The user.")]
    ) -> User | None:
        """One user."""

        async def find() -> User:
            viewer = info.context.require_viewer()
            async with info.context.db.read() as session:
                return User.from_row(await service.get_user(session, viewer, decode_id("User", id)))

        return await found_or_none(find())

    @strawberry.field(description="All users, oldest first. Administrators only.")
    async def users(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[User]:
        """A page of users."""
        viewer = info.context.require_viewer()
        page = page_request(first, after)
        async with info.context.db.read() as session:
            found = await service.list_users(session, viewer, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_users(session, viewer)

        return Connection.from_page(found, User.from_row, count)

    @strawberry.field(description="Your own API keys, oldest first, revoked ones too.")
    async def api_keys(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[ApiKey]:
        """A page of keys."""
        viewer = info.context.require_viewer()
        page = page_request(first, after)
        async with info.context.db.read() as session:
            found = await service.list_api_keys(session, viewer, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_api_keys(session, viewer)

        return Connection.from_page(found, ApiKey.from_row, count)


@strawberry.type
class UserMutation:
    """Mutations of accounts."""

    @strawberry.mutation(description="Make a user. Administrators only.")
    @reports_errors(CreateUserPayload)
    async def create_user(
        self, info: Info, input: Annotated[CreateUserInput, strawberry.argument(description="The user.")]
    ) -> CreateUserPayload:
        """Create a user."""
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            user = await service.create_user(
                session, viewer, email=input.email, name=input.name, is_admin=input.is_admin
            )
            return CreateUserPayload(user=User.from_row(user))

    @strawberry.mutation(description="Make an API key. The secret is in the answer, this once.")
    @reports_errors(CreateApiKeyPayload)
    async def create_api_key(
        self, info: Info, input: Annotated[CreateApiKeyInput, strawberry.argument(description="The key.")]
    ) -> CreateApiKeyPayload:
        """Create a key."""
        viewer = info.context.require_viewer()
        user_id = None if input.user_id is None else decode_id("User", input.user_id, field=("userId",))
        async with info.context.db.write() as session:
            key, secret = await service.create_api_key(
                session, viewer, name=input.name, expires_at=input.expires_at, user_id=user_id
            )
            return CreateApiKeyPayload(api_key=ApiKey.from_row(key), secret=secret)

    @strawberry.mutation(description="Refuse an API key from now on. Revoking it twice changes nothing.")
    @reports_errors(RevokeApiKeyPayload)
    async def revoke_api_key(
        self, info: Info, input: Annotated[RevokeApiKeyInput, strawberry.argument(description="Which key.")]
    ) -> RevokeApiKeyPayload:
        """Revoke a key."""
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            key = await service.revoke_api_key(session, viewer, decode_id("ApiKey", input.id, field=("id",)))
            return RevokeApiKeyPayload(api_key=ApiKey.from_row(key))
