"""GraphQL roots of API keys: make, list, rotate and revoke."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from cuepoint.errors import NotFoundError
from cuepoint.features.users import service
from cuepoint.features.users.edges import PROJECT_BY_ID
from cuepoint.features.users.keys import MAX_PROJECTS, OVERLAP_SECONDS
from cuepoint.features.users.types import ApiKey
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import SECRET, IdempotentInput
from cuepoint.graphql.scalars import decode_id
from cuepoint.viewer import Scope


@strawberry.input(description="A new API key.")
class CreateApiKeyInput(IdempotentInput):
    """Input of createApiKey."""

    name: str = strawberry.field(description="What the key is for, 1 to 200 characters.")
    scopes: list[Scope] = strawberry.field(
        default_factory=lambda: [Scope.MANAGE],
        description="What it may be used for; the widest counts. Give no more than it needs.",
    )
    project_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="The only projects it reaches, 1 to 100 of yours; null = all that its user may see, new ones too.",
    )
    expires_at: datetime | None = strawberry.field(default=None, description="When it ends; null = never.")
    user_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose key it is; null = yours. Another user's needs an administrator."
    )


@strawberry.type(description="Result of createApiKey.")
class CreateApiKeyPayload(Payload):
    """Payload of createApiKey."""

    api_key: ApiKey | None = strawberry.field(default=None, description="The new key.")
    secret: str | None = strawberry.field(
        default=None,
        metadata=SECRET,
        description="The token to send as `Authorization: Bearer <secret>`. It is never shown again.",
    )


@strawberry.input(description="Which API key to revoke.")
class RevokeApiKeyInput:
    """Input of revokeApiKey."""

    id: strawberry.ID = strawberry.field(description="The key.")


@strawberry.type(description="Result of revokeApiKey.")
class RevokeApiKeyPayload(Payload):
    """Payload of revokeApiKey."""

    api_key: ApiKey | None = strawberry.field(default=None, description="The key, refused from now on.")


@strawberry.input(description="Which API key to replace.")
class RotateApiKeyInput(IdempotentInput):
    """Input of rotateApiKey."""

    id: strawberry.ID = strawberry.field(description="The key.")
    overlap_seconds: float = strawberry.field(
        default=OVERLAP_SECONDS,
        description="How long the old key is accepted beside the new one, 0 to 604800 seconds; it never lives longer "
        "than it would have.",
    )


@strawberry.type(description="Result of rotateApiKey.")
class RotateApiKeyPayload(Payload):
    """Payload of rotateApiKey."""

    api_key: ApiKey | None = strawberry.field(
        default=None, description="The new key: same name, scopes, projects and end."
    )
    old_api_key: ApiKey | None = strawberry.field(default=None, description="The old key, with its new end.")
    secret: str | None = strawberry.field(
        default=None, metadata=SECRET, description="The new key's token. It is never shown again."
    )


@strawberry.type
class ApiKeyQuery:
    """Queries of API keys."""

    @strawberry.field(description="Your own API keys, oldest first, revoked ones too. Needs the scope MANAGE.")
    async def api_keys(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[ApiKey]:
        """A page of keys."""
        viewer = info.context.require_viewer()
        page = page_request(first, after, info)
        async with info.context.db.read() as session:
            found = await service.list_api_keys(session, viewer, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_api_keys(session, viewer)

        return Connection.from_page(found, ApiKey.from_row, count)


@strawberry.type
class ApiKeyMutation:
    @strawberry.mutation(description="Make an API key. The secret is in the answer, this once. Needs the scope MANAGE.")
    @reports_errors(CreateApiKeyPayload)
    async def create_api_key(
        self, info: Info, input: Annotated[CreateApiKeyInput, strawberry.argument(description="The key.")]
    ) -> CreateApiKeyPayload:
        viewer = info.context.require_viewer()
        user_id = None if input.user_id is None else decode_id("User", input.user_id, field=("userId",))
        project_ids: list[UUID] | None = None
        if input.project_ids is not None:
            project_ids = [decode_id("Project", one, field=("projectIds",)) for one in input.project_ids]
            service.require_manage(viewer)
            # Of more than it may have the service complains.
            seen = await info.context.back_edge(PROJECT_BY_ID).load_many(project_ids[:MAX_PROJECTS])
            if None in seen:
                raise NotFoundError("project", field=("projectIds",))
        async with info.context.db.write() as session:
            key, secret = await service.create_api_key(
                session,
                viewer,
                name=input.name,
                expires_at=input.expires_at,
                user_id=user_id,
                scopes=input.scopes,
                project_ids=project_ids,
            )
            return CreateApiKeyPayload(api_key=ApiKey.from_row(key), secret=secret)

    @strawberry.mutation(
        description="Refuse an API key from now on; what it watches ends within five seconds. "
        "Revoking it twice changes nothing."
    )
    @reports_errors(RevokeApiKeyPayload)
    async def revoke_api_key(
        self, info: Info, input: Annotated[RevokeApiKeyInput, strawberry.argument(description="Which key.")]
    ) -> RevokeApiKeyPayload:
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            key = await service.revoke_api_key(session, viewer, decode_id("ApiKey", input.id, field=("id",)))
            return RevokeApiKeyPayload(api_key=ApiKey.from_row(key))

    @strawberry.mutation(
        description="Replace an API key by a new one of the same rights; the old one is accepted for a day more, so "
        "that its holder can change over."
    )
    @reports_errors(RotateApiKeyPayload)
    async def rotate_api_key(
        self, info: Info, input: Annotated[RotateApiKeyInput, strawberry.argument(description="Which key.")]
    ) -> RotateApiKeyPayload:
        viewer = info.context.require_viewer()
        key_id = decode_id("ApiKey", input.id, field=("id",))
        async with info.context.db.write() as session:
            old, new, secret = await service.rotate_api_key(
                session, viewer, key_id, overlap_seconds=input.overlap_seconds
            )
            return RotateApiKeyPayload(api_key=ApiKey.from_row(new), old_api_key=ApiKey.from_row(old), secret=secret)
