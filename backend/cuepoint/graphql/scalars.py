"""Scalars and ids: sizes beyond 32 bits, media times as clients write them, and opaque global ids."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NewType
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry.schema.types.base_scalars import DateTimeDefinition
from strawberry.types.scalar import ScalarDefinition

from cuepoint.errors import NotFoundError

BigInt = NewType("BigInt", int)
MediaTime = NewType("MediaTime", int)
if TYPE_CHECKING:
    URL = str  # what the code makes of addresses are texts already, and wrapping each of them would cost something
else:
    URL = NewType("URL", str)

# JSON numbers are exact up to here in JavaScript (IEEE 754 double).
MAX_SAFE_INTEGER = 2**53 - 1
# Media times are 32-bit columns of milliseconds: 24.8 days.
MAX_MEDIA_MS = 2**31 - 1

_TIMECODE = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)(?:[.,](\d{1,3}))?", re.ASCII)
_parse_iso: Any = DateTimeDefinition.parse_value
_ID = re.compile(r"([a-z]+)_([0-9a-f]{32})", re.ASCII)


def _parse_big_int(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_SAFE_INTEGER:
        raise GraphQLError("BigInt must be a whole number of at most 2^53 - 1.")
    return value


def _parse_url(value: Any) -> str:
    """Any text: whoever fetches it has the rules, and says which it breaks by a typed error, beside the input."""
    if not isinstance(value, str):
        raise GraphQLError("A URL is a text such as https://example.org/a.mp4.")
    return value


def parse_media_time(value: Any) -> int:
    """Milliseconds of a media time: seconds as a number, or a timecode HH:MM:SS.mmm. Raises GraphQLError."""
    if isinstance(value, str):
        match = _TIMECODE.fullmatch(value.strip())
        if match is None:
            raise GraphQLError("A media time is seconds as a number, or a timecode such as 00:01:23.450.")
        hours, minutes, seconds_part, fraction = match.groups()
        whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds_part)
        milliseconds = whole * 1000 + int((fraction or "").ljust(3, "0"))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value) or value < 0:
            raise GraphQLError("A media time must be 0 or more seconds.")
        milliseconds = round(value * 1000)
    else:
        raise GraphQLError("A media time is seconds as a number, or a timecode such as 00:01:23.450.")
    if milliseconds > MAX_MEDIA_MS:
        raise GraphQLError("A media time must be below 24.8 days.")
    return milliseconds


def _parse_date_time(value: Any) -> datetime:
    """The time in UTC. One without an offset is refused: whoever sends it means some clock, and nothing says which."""
    try:
        at: datetime = _parse_iso(value)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (GraphQLError, OverflowError):  # the last: its zone, or 24:00, takes it out of the years
        raise GraphQLError("A DateTime is a text such as 2026-05-01T12:00:00Z, of the years 1 to 9999.") from None
    raise GraphQLError("A DateTime needs its offset from UTC, as in 2026-05-01T12:00:00Z or 2026-05-01T14:00:00+02:00.")


SCALARS: dict[object, ScalarDefinition] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number beyond 32 bits, such as a size in bytes; a JSON number of at most 2^53 - 1.",
        serialize=_parse_big_int,
        parse_value=_parse_big_int,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A point in time as ISO 8601 with its offset, such as `2026-05-01T12:00:00Z`; answers are in UTC.",
        serialize=datetime.isoformat,
        parse_value=_parse_date_time,
    ),
    MediaTime: strawberry.scalar(
        name="MediaTime",
        description=(
            "A time inside media on input: seconds as a number (83.45) or a timecode HH:MM:SS.mmm (00:01:23.450), "
            "to the millisecond; 0 or more."
        ),
        serialize=lambda value: seconds(int(value)),
        parse_value=parse_media_time,
    ),
    URL: strawberry.scalar(
        name="URL",
        description=(
            "An absolute URL: those in answers can be opened as they are. Of inputs any text is taken; a mutation that "
            "does not fetch it says in `errors` why, by URL_FORBIDDEN."
        ),
        specified_by_url="https://url.spec.whatwg.org/",
        serialize=str,
        parse_value=_parse_url,
    ),
}


def seconds(milliseconds: int) -> float:
    """A media time in seconds with 3 decimals."""
    return round(milliseconds / 1000, 3)


def seconds_or_none(milliseconds: int | None) -> float | None:
    """Like `seconds`; None stays None."""
    return None if milliseconds is None else seconds(milliseconds)


def encode_id(type_name: str, value: UUID) -> strawberry.ID:
    """The global id of an object, `video_0199…`: opaque to clients, legible in logs."""
    return strawberry.ID(f"{type_name.lower()}_{value.hex}")


def decode_id(type_name: str, id: str, *, field: tuple[str, ...] = ()) -> UUID:
    """The key within a global id. Raises NotFoundError for one that is malformed or belongs to another type."""
    match = _ID.fullmatch(id)
    if match is None or match[1] != type_name.lower():
        raise NotFoundError(type_name.lower(), field=field)
    return UUID(match[2])
