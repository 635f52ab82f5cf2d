"""Idempotency keys of mutations: carried out once, however often the same request arrives.

An input that derives from `IdempotentInput` is enough; `reports_errors` does the rest. The key, the effect and the
answer are one transaction (`db.joined`, `db.idempotency`), so that neither a crash nor a second caller at the same time
makes two of one. What is stored of an answer are the ids of its objects and its plain values; a repeated request gets
these objects as they are by then, as far as the caller may see them. A secret is not stored, and so not answered twice.
A refused mutation stores nothing: its key is free for the next try.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeVar
from uuid import UUID

import orjson
import strawberry

from cuepoint.db.idempotency import Answered, Claim, find_answer, store_answer, take_key
from cuepoint.db.joined import OneTransaction
from cuepoint.errors import BadInputError, CuepointError, ErrorCode
from cuepoint.graphql.context import Info
from cuepoint.graphql.nodes import Node, find_node
from cuepoint.graphql.public_names import type_of

MAX_KEY = 200
# Of a payload's field: its value is shown to the first caller alone.
SECRET = {"is_secret": True}

P = TypeVar("P", bound="Replayable")


class Replayable(Protocol):
    """A payload."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    errors: list[Any]
    replayed: bool


@strawberry.input(description="What may safely be sent again.")
class IdempotentInput:
    """Base of the inputs of mutations that create something or enqueue work."""

    idempotency_key: str | None = strawberry.field(
        default=None,
        description="Any text of 1 to 200 characters that is new for each request you mean, such as a UUID. Sent again "
        "within 24 hours with the same input it changes nothing and answers the same objects, with `replayed: true`; "
        "with another input it is refused with IDEMPOTENCY_CONFLICT. A refused request leaves its key unused.",
    )


class _AnsweredError(Exception):
    """The key was answered already; nothing that this request did may stay."""

    def __init__(self, found: Answered) -> None:
        super().__init__()
        self.found = found


class _RefusedError(Exception):
    """The payload is a refusal; nothing that this request did may stay."""


async def once(info: Info, operation: str, given: Any, payload: type[P], resolve: Callable[[], Awaitable[P]]) -> P:
    """The payload of `resolve`, or what it was when this key came before.

    Raises CuepointError IDEMPOTENCY_CONFLICT for a key that was used for something else, BadInputError for one of a
    wrong length.
    """
    claim = _claim(info, operation, given)
    if claim is None:
        return await resolve()
    context = info.context
    async with context.db.read() as session:
        found = await find_answer(session, claim)
    if found is None:
        result: P | None = None
        try:
            async with OneTransaction(context.db, _taking(claim)) as transaction:
                with context.working_in(transaction):
                    result = await resolve()
                if result.errors:
                    raise _RefusedError
                await store_answer(await transaction.begin(), claim, _stored(result))
        except _RefusedError:
            pass
        except _AnsweredError as answered:
            found = answered.found
        if found is None:
            assert result is not None
            return result
    if not found.is_same:
        raise CuepointError(
            ErrorCode.IDEMPOTENCY_CONFLICT,
            "This idempotency key was used for another request in the last 24 hours. Use a new key for a new request.",
            field=("idempotencyKey",),
        )
    return await _restored(info, found.payload, payload)


def _taking(claim: Claim) -> Callable[[Any], Awaitable[None]]:
    async def take(session: Any) -> None:
        found = await take_key(session, claim)
        if found is not None:
            raise _AnsweredError(found)

    return take


def _claim(info: Info, operation: str, given: Any) -> Claim | None:
    key = given.idempotency_key if isinstance(given, IdempotentInput) else None
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY:
        raise BadInputError(f"An idempotency key has 1 to {MAX_KEY} characters.", field=("idempotencyKey",))
    request = orjson.dumps([operation, _canonical(given)], option=orjson.OPT_SORT_KEYS, default=str)
    digest = hmac.new(info.context.settings.signing_key(), request, hashlib.sha256).hexdigest()
    return Claim(info.context.require_viewer().user_id, key, operation, digest)


def _canonical(value: Any) -> Any:
    """The input without its key and without what is left at its default, which a later version may add."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = {field.name: (getattr(value, field.name), _default(field)) for field in dataclasses.fields(value)}
        given.pop("idempotency_key", None)
        return {name: _canonical(one) for name, (one, default) in given.items() if one != default}
    if isinstance(value, list | tuple):
        return [_canonical(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _canonical(one) for name, one in value.items()}
    return value.name if isinstance(value, Enum) else value


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _stored(result: Replayable) -> dict[str, Any]:
    secrets = {field.name for field in dataclasses.fields(result) if field.metadata.get("is_secret")}
    fields = {field.name for field in dataclasses.fields(result)} - {"errors", "replayed"} - secrets
    return {name: _packed(getattr(result, name)) for name in sorted(fields)}


def _packed(value: Any) -> Any:
    """As JSON: objects by their id, other types by name and fields, values that JSON lacks with their kind."""
    if isinstance(value, Node):
        return {"node": str(value.id)}
    if isinstance(value, list | tuple):
        return [_packed(one) for one in value]
    if isinstance(value, Enum):
        return {"enum": type(value).__name__, "name": value.name}
    if isinstance(value, UUID):
        return {"uuid": value.hex}
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, dict):
        return {"json": value}
    if dataclasses.is_dataclass(value):
        fields = {field.name: _packed(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, "fields": fields}
    return value


async def _restored(info: Info, stored: dict[str, Any], kind: type[P]) -> P:
    known = {field.name for field in dataclasses.fields(kind)}
    values = {name: await _unpacked(info, value) for name, value in stored.items() if name in known}
    payload = kind(**values)
    payload.replayed = True
    return payload


async def _unpacked(info: Info, value: Any) -> Any:
    match value:
        case {"node": str(id)}:
            return await find_node(info, id)
        case {"enum": str(name), "name": str(member)}:
            return type_of(info, name)[member]
        case {"uuid": str(text)}:
            return UUID(text)
        case {"time": str(text)}:
            return datetime.fromisoformat(text)
        case {"json": given}:
            return given
        case {"type": str(name), "fields": dict(fields)}:
            return type_of(info, name)(**{key: await _unpacked(info, one) for key, one in fields.items()})
        case [*members]:
            # What is gone, or not the caller's to see any more, is left out: lists hold no nulls.
            found = await asyncio.gather(*[_unpacked(info, one) for one in members])
            return [one for one, before in zip(found, members, strict=True) if one is not None or before is None]
        case _:
            return value
