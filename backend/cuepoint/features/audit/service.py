"""Write to the audit log. Who may read it is decided by the feature `administration`, after the gate is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.features.audit.models import AuditAction, AuditEvent
from cuepoint.logs import request_id
from cuepoint.viewer import Viewer

__all__ = ["INSTANCE", "AuditAction", "SecretInAuditError", "named", "record"]

# A field whose name holds one of these is never logged; whoever passes one has made a mistake.
SECRET_NAMES = ("secret", "password", "token", "hash", "credential")
PLAIN_NAMES = frozenset({"tokensPerMonth"})  # a number of tokens of a model
INSTANCE = UUID(int=0)  # what an event names where something concerns the instance as such


class SecretInAuditError(Exception):
    """A caller wanted to log a field that may hold a secret."""


async def record(
    session: AsyncSession,
    viewer: Viewer | None,
    action: AuditAction,
    node_type: str,
    node_id: UUID,
    *,
    project_id: UUID | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """The change is in the log, if and only if the transaction of `session` commits.

    `node_type` is the GraphQL type that clients know, `before` and `after` hold the fields concerned by their GraphQL
    names. Where both are given, fields that are equal are left out, and a change of nothing is not logged at all.
    Without a viewer the command line did it, or somebody who is not signed in. Raises SecretInAuditError.
    """
    old, new = _difference(_plain(before), _plain(after))
    if before is not None and after is not None and old == new:
        return
    await session.execute(
        insert(AuditEvent).values(
            id=uuid7(),
            actor_id=viewer and viewer.user_id,
            api_key_id=viewer and viewer.api_key_id,
            action=action.value,
            node_type=node_type,
            node_id=node_id,
            project_id=project_id,
            before=old,
            after=new,
            request_id=request_id.get(),
        )
    )


def named(kind: str, name: str) -> UUID:
    """The key under which the log knows something that has a name and no key, such as a queue."""
    return uuid5(NAMESPACE_URL, f"{kind}:{name}")


def _difference(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    if before is None or after is None:
        return before, after
    same = {name for name, value in before.items() if name in after and after[name] == value}
    return (
        {name: value for name, value in before.items() if name not in same},
        {name: value for name, value in after.items() if name not in same},
    )


def _plain(fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if fields is None:
        return None
    for name in fields:
        if name not in PLAIN_NAMES and any(secret in name.lower() for secret in SECRET_NAMES):
            raise SecretInAuditError(f"{name} may hold a secret and is not logged")
    return {name: _json(value) for name, value in fields.items()}


def _json(value: Any) -> Any:
    """What JSON can hold: enums by value, times and keys as text."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(inner) for inner in value]
    return value
