"""GraphQL types of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from cuepoint.features.audit import models
from cuepoint.features.audit.models import AuditAction
from cuepoint.features.projects.types import Project, load_project
from cuepoint.features.users.loaders import UserById
from cuepoint.features.users.types import User
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import encode_id

describe_enum(
    AuditAction,
    {
        AuditAction.CREATED: "It was made.",
        AuditAction.UPDATED: "Fields of it were changed.",
        AuditAction.DELETED: "It was deleted.",
        AuditAction.ARCHIVED: "It was put away: it can be read only.",
        AuditAction.RESTORED: "It was brought back.",
        AuditAction.DEACTIVATED: "It was switched off.",
        AuditAction.REACTIVATED: "It was switched on again.",
        AuditAction.REVOKED: "It is refused from then on.",
        AuditAction.ROTATED: "A new one took its place.",
        AuditAction.MEMBER_ADDED: "Somebody became a member of it.",
        AuditAction.MEMBER_CHANGED: "A member of it got another role.",
        AuditAction.MEMBER_REMOVED: "Somebody is no member of it any more.",
        AuditAction.SIGNED_IN: "The user signed in.",
        AuditAction.SIGN_IN_LOCKED: "Too many sign-ins of the user failed, and the account was locked for a while.",
        AuditAction.SIGNED_OUT: "Sessions of the user were ended.",
        AuditAction.TOKEN_REUSED: "A refresh token was used twice, and its session ended: somebody may have stolen it.",
        AuditAction.PASSWORD_CHANGED: "The user's password was set.",
        AuditAction.SHARED: "A link was made that opens it without an account.",
        AuditAction.OPENED: "Such a link was used.",
        AuditAction.QUOTA_SET: "Limits of it were set.",
        AuditAction.WIPED: "Its files were given up.",
        AuditAction.CANCELLED: "Work in it was cancelled, several jobs at once.",
        AuditAction.PAUSED: "It takes no more work until it is resumed.",
        AuditAction.RESUMED: "It goes on.",
        AuditAction.DRAINED: "It was told to finish what it runs and to end.",
        AuditAction.STARTED: "It was made to run at once.",
        AuditAction.OTHER: "Something that this version does not know by name.",
    },
    description="What was done. The list only grows.",
)


# The fields that name other objects, and their types: the log has the keys alone.
_TYPES = {"userId": "User", "projectIds": "Project", "successorId": "ApiKey", "video": "Video"}


def _with_ids(fields: Mapping[str, Any] | None) -> JSON | None:
    """The fields with keys as global ids."""
    return None if fields is None else JSON({name: _with_id(name, value) for name, value in fields.items()})


def _with_id(name: str, value: Any) -> Any:
    if name not in _TYPES or value is None:
        return value
    return [_with_id(name, one) for one in value] if isinstance(value, list) else encode_id(_TYPES[name], UUID(value))


@strawberry.type(description="One change, and who made it. Events are never changed or deleted.")
class AuditEvent:
    """An entry of the log as clients see it."""

    actor_key: strawberry.Private[UUID | None]
    project_key: strawberry.Private[UUID | None]
    id: strawberry.ID = strawberry.field(description="Global id.")
    created_at: datetime = strawberry.field(description="When it was done.")
    action: AuditAction = strawberry.field(description="What was done.")
    node_type: str = strawberry.field(description="GraphQL type of what it was done to.")
    node_id: strawberry.ID = strawberry.field(description="Its global id; `node` finds it, if it still exists.")
    api_key_id: strawberry.ID | None = strawberry.field(
        description="With which API key; null = with a session, or without a credential."
    )
    before: JSON | None = strawberry.field(description="Fields that changed, as they were; secrets are never in it.")
    after: JSON | None = strawberry.field(description="The same fields as they were after it.")
    request_id: str | None = strawberry.field(description="The request, as its answer and the server's log name it.")

    @strawberry.field(description="Who did it; null = nobody signed in, the command line, or a user who is gone.")
    async def actor(self, info: Info) -> User | None:
        """The user."""
        row = None if self.actor_key is None else await info.context.loader(UserById).load(self.actor_key)
        return None if row is None else User.from_row(row)

    @strawberry.field(description="The project that it concerns; null = the instance, or a project that is gone.")
    async def project(self, info: Info) -> Project | None:
        return None if self.project_key is None else await load_project(info, self.project_key)

    @classmethod
    def from_row(cls, row: models.AuditEvent) -> AuditEvent:
        """Copy the columns."""
        is_known = row.action in AuditAction.__members__
        return cls(
            actor_key=row.actor_id,
            project_key=row.project_id,
            id=encode_id("AuditEvent", row.id),
            created_at=row.created_at,
            action=AuditAction[row.action] if is_known else AuditAction.OTHER,
            node_type=row.node_type,
            node_id=encode_id(row.node_type, row.node_id),
            api_key_id=None if row.api_key_id is None else encode_id("ApiKey", row.api_key_id),
            before=_with_ids(row.before),
            after=_with_ids(row.after),
            request_id=row.request_id,
        )
