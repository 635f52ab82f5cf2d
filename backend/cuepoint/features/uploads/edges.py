"""What an upload shows of later features."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from cuepoint.graphql.loaders import LoaderKey

if TYPE_CHECKING:
    from cuepoint.features.videos.models import Video

# By project and SHA-256: the oldest video of that very file.
VIDEO_OF_CONTENT: LoaderKey[tuple[UUID, str], Video | None] = LoaderKey("uploads.videoOfContent")
