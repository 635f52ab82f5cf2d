"""Which form a GraphQL response gets: `Accept` with its q values and parameters (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

GRAPHQL_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
HTML = "text/html"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"


class StreamKind(Enum):
    """How the results of a subscription follow each other over HTTP."""

    EVENTS = "EVENTS"  # server-sent events, the distinct-connections mode of graphql-sse
    MULTIPART = "MULTIPART"  # Apollo's multipart subscription protocol 1.0


class IncrementKind(Enum):
    """How the pieces of a response with `@defer` or `@stream` are written."""

    BY_ID = "BY_ID"  # incrementalSpec=v0.2: pending, incremental and completed, tied by ids
    BY_PATH = "BY_PATH"  # deferSpec=20220824: each piece with its path


@dataclass(frozen=True)
class Accepted:
    """What a caller takes. Without `json` every operation is answered as a stream."""

    json: str | None
    stream: StreamKind | None
    increments: IncrementKind | None


@dataclass(frozen=True)
class _Range:
    name: str
    quality: float
    parameters: dict[str, str]


@lru_cache(1_000)
def negotiate(accept: str | None) -> Accepted | None:
    """What `accept` allows; None if it takes nothing that is offered."""
    if accept is None or not accept.strip():
        return Accepted(PLAIN_JSON, None, None)
    ranges = _ranges(accept)
    json = _preferred(ranges, (PLAIN_JSON, GRAPHQL_JSON))
    named = [one for one in ranges if one.quality > 0]
    multipart = [one.parameters for one in named if one.name == MULTIPART]
    stream = next(filter(None, map(_stream_kind, named)), None)
    increments = None
    if any(one.get("incrementalspec") == "v0.2" for one in multipart):
        increments = IncrementKind.BY_ID
    elif any(one.get("deferspec") == "20220824" for one in multipart):
        increments = IncrementKind.BY_PATH
    return None if json is None and stream is None else Accepted(json, stream, increments)


def names(accept: str | None, media_type: str) -> bool:
    """Whether `accept` names this very type, rather than taking it along with a wildcard."""
    return any(one.name == media_type and one.quality > 0 for one in _ranges(accept or ""))


def _stream_kind(one: _Range) -> StreamKind | None:
    if one.name == EVENT_STREAM:
        return StreamKind.EVENTS
    is_multipart = one.name == MULTIPART and one.parameters.get("subscriptionspec", "").startswith("1.0")
    return StreamKind.MULTIPART if is_multipart else None


def _preferred(ranges: list[_Range], offered: tuple[str, ...]) -> str | None:
    """The offered type that is liked best, the earlier one of equals."""
    best, best_quality = None, 0.0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > best_quality:
            best, best_quality = media_type, quality
    return best


def _quality(media_type: str, ranges: list[_Range]) -> float:
    """The q value of the most specific range that covers the type; 0 where none does."""
    found = {one.name: one.quality for one in reversed(ranges)}
    wildcard = media_type.split("/", maxsplit=1)[0] + "/*"
    return next((found[name] for name in (media_type, wildcard, "*/*") if name in found), 0.0)


def _ranges(accept: str) -> list[_Range]:
    return [one for one in map(_media_range, accept.split(",")) if one is not None]


def _media_range(text: str) -> _Range | None:
    name, *rest = (part.strip() for part in text.split(";"))
    if not name:
        return None
    quality, parameters = 1.0, {}
    for parameter in rest:
        key, _, value = parameter.partition("=")
        key, value = key.strip().lower(), value.strip().strip("\"'")
        if key == "q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                return None
        elif key == "charset" and value.lower() not in ("utf-8", "utf8"):
            return None
        else:
            parameters[key] = value
    return _Range(name.lower(), quality, parameters)
