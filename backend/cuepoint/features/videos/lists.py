"""Which videos a list holds, and in what order: the conditions of its filter, and the keys of its pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from cuepoint.db.filters import check_levels, combined
from cuepoint.db.keyset import Int64
from cuepoint.errors import BadInputError
from cuepoint.features.projects import access
from cuepoint.features.uploads import service as uploads
from cuepoint.features.videos.details import MAX_EXTERNAL_ID, MAX_METADATA_KEY, check_scalar, clean_tags, is_storable
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer

MAX_METADATA_CONDITIONS = 10


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
    filters inside say."""

    project_id: UUID | None = None
    content_hash: str | None = None
    tags: Sequence[str] = ()
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
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
        uploads.check_sha256(wanted.content_hash, "filter", "contentHash")
        found.append(Video.content_hash == wanted.content_hash)
    if wanted.tags:
        found.append(Video.tags.contains(clean_tags(wanted.tags, field=("filter", "tags"))))
    if wanted.external_id is not None:
        if not 1 <= len(wanted.external_id) <= MAX_EXTERNAL_ID or not is_storable(wanted.external_id):
            raise BadInputError(
                f"An external id has 1 to {MAX_EXTERNAL_ID} characters.", field=("filter", "externalId")
            )
        found.append(Video.external_id == wanted.external_id)
    if wanted.metadata:
        found.append(Video.custom_metadata.contains(_checked(wanted.metadata)))
    return found


def _checked(metadata: Mapping[str, Any]) -> dict[str, Any]:
    if len(metadata) > MAX_METADATA_CONDITIONS:
        raise BadInputError(f"At most {MAX_METADATA_CONDITIONS} keys can be asked for.", field=("filter", "metadata"))
    for key, value in metadata.items():
        if len(key) > MAX_METADATA_KEY or not is_storable(key):
            raise BadInputError(f"A key has 1 to {MAX_METADATA_KEY} characters.", field=("filter", "metadata"))
        if not isinstance(value, str | int | float | bool | None):
            raise BadInputError("Metadata are found by texts, numbers, true and false.", field=("filter", "metadata"))
        check_scalar(value, field=("filter", "metadata"))
    return dict(metadata)
