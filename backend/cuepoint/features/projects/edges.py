"""What a project shows of later features."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from cuepoint.db.keyset import Page, PageRequest
from cuepoint.graphql.loaders import LoaderKey

if TYPE_CHECKING:
    from cuepoint.features.videos.models import Video

VIDEOS_OF_PROJECT: LoaderKey[tuple[UUID, PageRequest], Page[Video]] = LoaderKey("projects.videos")
VIDEO_COUNT_OF_PROJECT: LoaderKey[UUID, int] = LoaderKey("projects.videoCount")
