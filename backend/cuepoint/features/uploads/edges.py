"""What an upload shows of later features."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from cuepoint.graphql.loaders import LoaderKey

if TYPE_CHECKING:
    from cuepoint.features.videos.models import Video

# By project and hash, SHA-256 or BLAKE3: the oldest video that is known to be of that very file.
VIDEO_OF_CONTENT: LoaderKey[tuple[UUID, str], Video | None] = LoaderKey("uploads.videoOfContent")
