"""Which media type a GraphQL response gets: `Accept` with its q values (RFC 9110 section 12.5.1)."""

from __future__ import annotations

GRAPHQL_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
HTML = "text/html"


def preferred(accept: str | None, offered: tuple[str, ...]) -> str | None:
    """The offered type that `accept` likes best, the earlier one of equals; None if it takes none of them."""
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [r for r in map(_media_range, accept.split(",")) if r is not None]
    best, best_quality = None, 0.0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > best_quality:
            best, best_quality = media_type, quality
    return best


def names(accept: str | None, media_type: str) -> bool:
    """Whether `accept` names this very type, rather than taking it along with a wildcard."""
    ranges = [r for r in map(_media_range, (accept or "").split(",")) if r is not None]
    return any(name == media_type and quality > 0 for name, quality in ranges)


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """The q value of the most specific range that covers the type; 0 where none does."""
    found = dict(reversed(ranges))
    wildcard = media_type.split("/", maxsplit=1)[0] + "/*"
    return next((found[name] for name in (media_type, wildcard, "*/*") if name in found), 0.0)


def _media_range(text: str) -> tuple[str, float] | None:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    if not name:
        return None
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                return None
        elif key.strip() == "charset" and value.strip('" ') not in ("utf-8", "utf8"):
            return None
    return name, quality
