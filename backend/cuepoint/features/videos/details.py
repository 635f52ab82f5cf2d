"""What people and other systems say of a video - title, tags, external id, metadata - and its limits; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from cuepoint.db.base import is_storable
from cuepoint.errors import BadInputError

MAX_TITLE = 300
MAX_TAGS = 50
MAX_TAG = 50
MAX_EXTERNAL_ID = 255
MAX_METADATA_BYTES = 16 * 1024  # as compact JSON
MAX_METADATA_DEPTH = 5
MAX_METADATA_KEY = 100
FIRST_BEYOND = 2.0**63  # whole numbers from here on have been rounded to floats where the request was read


class TagMode(Enum):
    """What to do with tags."""

    SET = "SET"
    ADD = "ADD"
    REMOVE = "REMOVE"


@dataclass(frozen=True)
class VideoDetails:
    """What is said of a video; None says nothing. An empty external id takes it away."""

    title: str | None = None
    tags: Sequence[str] | None = None
    external_id: str | None = None
    metadata: Any = None  # checked: whatever JSON came along

    def columns(self) -> dict[str, Any]:
        """The columns that this says something about, cleaned. Raises BadInputError."""
        found: dict[str, Any] = {}
        if self.title is not None:
            found["title"] = clean_title(self.title)
        if self.tags is not None:
            found["tags"] = clean_tags(self.tags)
        if self.external_id is not None:
            found["external_id"] = _clean_external_id(self.external_id)
        if self.metadata is not None:
            check_metadata(self.metadata)
            found["custom_metadata"] = dict(self.metadata)
        return found


NO_DETAILS = VideoDetails()


def clean_title(title: str) -> str:
    """The title without superfluous space. Raises BadInputError."""
    shown = " ".join(title.split())
    if not 1 <= len(shown) <= MAX_TITLE or "\x00" in shown:
        raise BadInputError(f"The title must have 1 to {MAX_TITLE} characters.", field=("title",))
    return shown


def clean_tags(tags: Sequence[str], *, field: tuple[str, ...] = ("tags",)) -> list[str]:
    """Each tag once, in order of the alphabet. Raises BadInputError."""
    cleaned = sorted({" ".join(tag.split()) for tag in tags})
    if len(cleaned) > MAX_TAGS:
        raise BadInputError(f"A video may have {MAX_TAGS} tags.", field=field)
    for tag in cleaned:
        if not 1 <= len(tag) <= MAX_TAG or not is_storable(tag):
            raise BadInputError(f"A tag must have 1 to {MAX_TAG} characters.", field=field)
    return cleaned


def changed_tags(before: Sequence[str], mode: TagMode, values: Sequence[str]) -> list[str]:
    """The tags afterwards. Raises BadInputError."""
    given = clean_tags(values)
    if mode is TagMode.SET:
        return given
    if mode is TagMode.ADD:
        return clean_tags([*before, *given])
    return [tag for tag in before if tag not in given]


def _clean_external_id(external_id: str) -> str | None:
    cleaned = external_id.strip()
    if len(cleaned) > MAX_EXTERNAL_ID or not is_storable(cleaned):
        raise BadInputError(f"The external id may have {MAX_EXTERNAL_ID} characters.", field=("externalId",))
    return cleaned or None


def check_metadata(metadata: object) -> None:
    """Raises BadInputError for what is no object, too large, too deep, or nothing that JSON in Postgres can hold."""
    if not isinstance(metadata, Mapping):
        raise BadInputError("The metadata must be an object.", field=("metadata",))
    level: list[Any] = [metadata]
    for _ in range(MAX_METADATA_DEPTH):
        level = [value for one in level for value in _inside(one)]
    if any(isinstance(value, Mapping | list) for value in level):
        raise BadInputError(f"The metadata may nest {MAX_METADATA_DEPTH} levels deep.", field=("metadata",))
    try:
        size = len(orjson.dumps(metadata))
    except orjson.JSONEncodeError:
        raise BadInputError(
            "The metadata hold what JSON cannot: a number beyond 64 bits.", field=("metadata",)
        ) from None
    if size > MAX_METADATA_BYTES:
        raise BadInputError(f"The metadata have {size} bytes; they may have {MAX_METADATA_BYTES}.", field=("metadata",))


def _inside(value: object) -> list[Any]:
    """The values of an object or a list, its own keys and scalars checked."""
    if isinstance(value, Mapping):
        for key in value:
            if not 1 <= len(key) <= MAX_METADATA_KEY or not is_storable(key):
                raise BadInputError(f"A key must have 1 to {MAX_METADATA_KEY} characters.", field=("metadata",))
        return list(value.values())
    if isinstance(value, list):
        return value
    check_scalar(value)
    return []


def check_scalar(value: object, *, field: tuple[str, ...] = ("metadata",)) -> None:
    """Raises BadInputError for a text or a number that Postgres cannot store."""
    if isinstance(value, str) and not is_storable(value):
        raise BadInputError("The metadata hold a character that cannot be stored.", field=field)
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInputError("The metadata hold a number that JSON cannot hold.", field=field)
    if isinstance(value, float) and abs(value) >= FIRST_BEYOND:
        raise BadInputError("The metadata hold a number beyond 64 bits. Send it as text.", field=field)
