"""Which videos a list holds, and in what order: the conditions of its filter, and the keys of its pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, not_, or_

from cuepoint.db.base import is_storable
from cuepoint.db.filters import check_levels, combined
from cuepoint.db.keyset import Int64
from cuepoint.errors import BadInputError
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects import access
from cuepoint.features.uploads import service as uploads
from cuepoint.features.videos import conditions
from cuepoint.features.videos.details import MAX_EXTERNAL_ID, MAX_METADATA_KEY, check_scalar, clean_tags
from cuepoint.features.videos.models import Video
from cuepoint.features.videos.repository import has_hash
from cuepoint.features.videos.state import VideoStatus
from cuepoint.viewer import Viewer

MAX_METADATA_CONDITIONS = 10
MAX_TEXT = 200
MAX_LANGUAGE = 35  # RFC 5646, section 4.4.1


class VideoOrder(Enum):
    """Order of a list of videos."""

    CREATED_DESC = "CREATED_DESC"
    CREATED_ASC = "CREATED_ASC"
    TITLE_ASC = "TITLE_ASC"
    DURATION_DESC = "DURATION_DESC"
    DURATION_ASC = "DURATION_ASC"
    SIZE_DESC = "SIZE_DESC"
    SIZE_ASC = "SIZE_ASC"


_CREATED = (Video.created_at, datetime)
_TITLE = (Video.sort_title, str)
_DURATION = (Video.sort_duration_ms, int)
_SIZE = (Video.sort_size_bytes, Int64)
# Each has an index; one direction for all keys, so that the row comparison can use it.
_FIRST_KEYS: Mapping[VideoOrder, tuple[tuple[Any, type], bool]] = {
    VideoOrder.CREATED_DESC: (_CREATED, True),
    VideoOrder.CREATED_ASC: (_CREATED, False),
    VideoOrder.TITLE_ASC: (_TITLE, False),
    VideoOrder.DURATION_DESC: (_DURATION, True),
    VideoOrder.DURATION_ASC: (_DURATION, False),
    VideoOrder.SIZE_DESC: (_SIZE, True),
    VideoOrder.SIZE_ASC: (_SIZE, False),
}


def keys_of(order: VideoOrder) -> tuple[Sequence[tuple[Any, type]], bool]:
    """What pages in this order are cut by, and whether it runs downwards."""
    first, is_descending = _FIRST_KEYS[order]
    return [first, (Video.id, UUID)], is_descending


@dataclass(frozen=True)
class VideoFilter:
    """Which videos to list; an empty field does not narrow. All of the `tags`, all of the `metadata`, and what the
    filters inside say. Lengths are inclusive, times are `created_from <= created_at < created_before`."""

    project_id: UUID | None = None
    content_hash: str | None = None
    tags: Sequence[str] = ()
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None
    statuses: Sequence[VideoStatus] = ()
    stages: Sequence[JobKind] = ()
    min_duration_ms: int | None = None
    max_duration_ms: int | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    has_transcript: bool | None = None
    language: str | None = None
    all_of: Sequence[VideoFilter] = ()
    any_of: Sequence[VideoFilter] = ()
    none_of: VideoFilter | None = None


EVERY_VIDEO = VideoFilter()


def conditions_of(viewer: Viewer, wanted: VideoFilter) -> list[ColumnElement[bool]]:
    """What a listed video fulfils. Raises BadInputError for a value that no video can have."""
    check_levels(wanted)
    visible = Video.project_id.in_(access.shown_projects(viewer))
    return [Video.deleted_at.is_(None), visible, *_narrowing(wanted)]


def _narrowing(wanted: VideoFilter) -> list[ColumnElement[bool]]:
    found = combined(wanted.all_of, wanted.any_of, wanted.none_of, _narrowing)
    if wanted.project_id is not None:
        found.append(Video.project_id == wanted.project_id)
    if wanted.content_hash is not None:
        uploads.check_hash(wanted.content_hash, "filter", "contentHash")
        found.append(has_hash(wanted.content_hash))
    if wanted.tags:
        found.append(Video.tags.contains(clean_tags(wanted.tags, field=("filter", "tags"))))
    if wanted.external_id is not None:
        external_id = _checked(wanted.external_id, MAX_EXTERNAL_ID, "An external id", "externalId")
        found.append(Video.external_id == external_id)
    if wanted.metadata:
        found.append(holds_metadata(wanted.metadata, field=("filter", "metadata")))
    if wanted.text is not None:
        text = _checked(wanted.text, MAX_TEXT, "The text", "text")
        found.append(or_(Video.title.icontains(text, autoescape=True), Video.filename.icontains(text, autoescape=True)))
    return [*found, *_of_facts(wanted), *_of_work(wanted)]


def _of_facts(wanted: VideoFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.min_duration_ms is not None:
        found.append(Video.duration_ms >= wanted.min_duration_ms)
    if wanted.max_duration_ms is not None:
        found.append(Video.duration_ms <= wanted.max_duration_ms)
    if wanted.created_from is not None:
        found.append(Video.created_at >= wanted.created_from)
    if wanted.created_before is not None:
        found.append(Video.created_at < wanted.created_before)
    return found


def _of_work(wanted: VideoFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.statuses:
        found.append(conditions.is_in(wanted.statuses))
    if wanted.stages:
        found.append(conditions.waits_for(wanted.stages))
    if wanted.has_transcript is not None:
        transcribed = conditions.has_transcript()
        found.append(transcribed if wanted.has_transcript else not_(transcribed))
    if wanted.language is not None:
        language = _checked(wanted.language, MAX_LANGUAGE, "A language", "language")
        found.append(conditions.has_transcript(language=language.lower()))
    return found


def _checked(text: str, most: int, what: str, name: str) -> str:
    if not 1 <= len(text) <= most or not is_storable(text):
        raise BadInputError(f"{what} has 1 to {most} characters.", field=("filter", name))
    return text


def holds_metadata(metadata: Mapping[str, Any], *, field: tuple[str, ...]) -> ColumnElement[bool]:
    """The condition of videos whose metadata hold all of these. Raises BadInputError for what none can hold."""
    if len(metadata) > MAX_METADATA_CONDITIONS:
        raise BadInputError(f"At most {MAX_METADATA_CONDITIONS} keys can be asked for.", field=field)
    for key, value in metadata.items():
        if not 1 <= len(key) <= MAX_METADATA_KEY or not is_storable(key):
            raise BadInputError(f"A key has 1 to {MAX_METADATA_KEY} characters.", field=field)
        if not isinstance(value, str | int | float | bool | None):
            raise BadInputError("Metadata are found by texts, numbers, true and false.", field=field)
        check_scalar(value, field=field)
    return Video.custom_metadata.contains(dict(metadata))
