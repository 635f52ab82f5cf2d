"""Errors on the GraphQL floor: typed errors of a payload, and the one place where refusals become them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

import strawberry
from strawberry.utils.str_converters import to_camel_case

from cuepoint.errors import (
    AdapterError,
    CuepointError,
    ErrorCode,
    ForbiddenError,
    NotFoundError,
    QuotaExceededError,
    QuotaExcess,
    QuotaLimit,
    QuotaScope,
    RetryLaterError,
)
from cuepoint.graphql.codes import CODE_DESCRIPTIONS
from cuepoint.graphql.context import Context
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.idempotency import IdempotentInput, once
from cuepoint.viewer import Scope

__all__ = ["TOP_LEVEL", "ErrorCode", "Payload", "UserError", "found_or_none", "reports_errors"]

describe_enum(
    ErrorCode,
    CODE_DESCRIPTIONS,
    description="Why something was refused or failed. The list only grows; treat a code you do not know as INTERNAL.",
)

describe_enum(
    QuotaScope,
    {
        QuotaScope.INSTANCE: "Everything on this instance.",
        QuotaScope.PROJECT: "One project.",
        QuotaScope.USER: "What one user starts and uploads, in whatever project.",
    },
    description="For whom a quota holds.",
)
describe_enum(
    QuotaLimit,
    {
        QuotaLimit.STORAGE_BYTES: "Bytes in storage.",
        QuotaLimit.MEDIA_MINUTES_PER_MONTH: "Minutes of media transcribed in a month.",
        QuotaLimit.CONCURRENT_JOBS: "Jobs that wait or run.",
        QuotaLimit.TOKENS_PER_MONTH: "Tokens that paid models take in a month.",
        QuotaLimit.COST_PER_MONTH: "What these tokens cost.",
    },
    description="What a quota limits.",
)

# These concern the request, not the input: they are top-level errors even in a mutation.
TOP_LEVEL = frozenset(
    {ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN, ErrorCode.RATE_LIMITED, ErrorCode.DATABASE_UNAVAILABLE}
)

P = ParamSpec("P")
T = TypeVar("T")
PayloadT = TypeVar("PayloadT", bound="Payload")


@strawberry.type(description="The quota that a request would pass, and how much of it is taken.")
class QuotaExceeded:
    """Figures of QUOTA_EXCEEDED."""

    scope: QuotaScope = strawberry.field(description="For whom the quota holds.")
    what: QuotaLimit = strawberry.field(description="What it limits; the figures are in the unit of that.")
    limit: float = strawberry.field(description="How much is allowed.")
    used: float = strawberry.field(description="How much is used up.")
    reserved: float = strawberry.field(description="How much would be reserved with this request.")
    resets_at: datetime | None = strawberry.field(description="When `used` begins at 0 again; null = never by itself.")

    @classmethod
    def from_excess(cls, excess: QuotaExcess) -> QuotaExceeded:
        """Copy the figures."""
        return cls(
            scope=excess.scope,
            what=excess.what,
            limit=excess.limit,
            used=excess.used,
            reserved=excess.reserved,
            resets_at=excess.resets_at,
        )


@strawberry.type(description="Why a mutation was refused. A refused mutation changes nothing.")
class UserError:
    """One refusal."""

    code: ErrorCode = strawberry.field(description="Machine-readable reason.")
    field: list[str] = strawberry.field(description="Path into `input` of the value to blame; empty if none is.")
    message: str = strawberry.field(description="What happened and what to do, in English.")
    retryable: bool = strawberry.field(description="Whether the same request can succeed later, unchanged.")
    retry_after_seconds: float | None = strawberry.field(
        default=None, description="When to send the same request again; null where nothing says so."
    )
    quota: QuotaExceeded | None = strawberry.field(default=None, description="Beside QUOTA_EXCEEDED; null otherwise.")

    @classmethod
    def from_error(cls, error: CuepointError | AdapterError) -> UserError:
        """What a client may know of a refusal or of a third party's failure."""
        if isinstance(error, AdapterError):
            return cls(
                code=error.code,
                field=[],
                message=error.message,
                retryable=error.retryable,
                retry_after_seconds=error.retry_after_seconds,
            )
        return cls(
            code=error.code,
            field=list(error.field),
            message=message_of(error),
            retryable=error.retryable,
            retry_after_seconds=error.retry_after_seconds if isinstance(error, RetryLaterError) else None,
            quota=QuotaExceeded.from_excess(error.excess) if isinstance(error, QuotaExceededError) else None,
        )


@strawberry.type(description="The result of a mutation: its objects, or the errors for which it was refused.")
class Payload:
    """Base of every payload. Fields of a subclass are nullable and default to None."""

    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why the mutation was refused; empty when it was carried out."
    )
    replayed: bool = strawberry.field(
        default=False,
        description="True: the idempotency key came before, nothing was done now. The objects are the same, as they "
        "are now; secrets are not repeated.",
    )


def message_of(error: CuepointError) -> str:
    """The message of a refusal, with its hint if there is one."""
    return f"{error.message} {error.hint}" if error.hint else error.message


def reports_errors(
    payload: type[PayloadT],
) -> Callable[[Callable[P, Awaitable[PayloadT]]], Callable[P, Coroutine[Any, Any, PayloadT]]]:
    """Decorate a mutation's resolver: a refusal becomes `payload(errors=[...])`, everything else None.

    Those in TOP_LEVEL stay top-level errors. Goes below `@strawberry.mutation`.
    """

    def decorate(resolver: Callable[P, Awaitable[PayloadT]]) -> Callable[P, Coroutine[Any, Any, PayloadT]]:
        @functools.wraps(resolver)
        async def reporting(*args: P.args, **kwargs: P.kwargs) -> PayloadT:
            info = kwargs.get("info")
            if isinstance(info, strawberry.Info) and isinstance(info.context, Context):
                info.context.forget_loaded()
                _require_write(info.context)
            try:
                if isinstance(info, strawberry.Info) and isinstance(kwargs.get("input"), IdempotentInput):
                    call = functools.partial(resolver, *args, **kwargs)
                    return await once(info, resolver.__name__, kwargs["input"], payload, call)
                return await resolver(*args, **kwargs)
            except CuepointError as error:
                if error.code in TOP_LEVEL:
                    raise
                if isinstance(error, NotFoundError) and not error.field:
                    error.field = _place_of(error.noun, kwargs.get("input"))
                return payload(errors=[UserError.from_error(error)])
            except AdapterError as error:
                return payload(errors=[UserError.from_error(error)])

        return reporting

    return decorate


def _place_of(noun: str, given: Any) -> tuple[str, ...]:
    """Where the input names such a thing: the services look for keys, and do not know which argument brought them.
    Empty if it names none, or several."""
    kind = noun.removeprefix("deleted ").replace(" ", "").lower()
    places = set(_places(f"{kind}_", given))
    return places.pop() if len(places) == 1 else ()


def _places(beginning: str, given: Any) -> Iterator[tuple[str, ...]]:
    """Paths to the texts that begin so; those of a list of texts are in one place."""
    if isinstance(given, str) and given.startswith(beginning):
        yield ()
    elif isinstance(given, list):
        for number, one in enumerate(given):
            yield from (((str(number), *path) if path else ()) for path in _places(beginning, one))
    elif dataclasses.is_dataclass(given):
        for field in dataclasses.fields(given):
            for path in _places(beginning, getattr(given, field.name)):
                yield (to_camel_case(field.name), *path)


def _require_write(context: Context) -> None:
    """A credential that may only look changes nothing, whatever the mutation is about, and whether that exists."""
    viewer = context.viewer
    if viewer is not None and not viewer.scope.includes(Scope.WRITE):
        raise ForbiddenError("This credential has the scope READ, and this changes something.")


async def found_or_none(awaitable: Awaitable[T]) -> T | None:
    """The result of a look-up, or None where it raises NOT_FOUND: absent and invisible answer alike."""
    try:
        return await awaitable
    except NotFoundError:
        return None
