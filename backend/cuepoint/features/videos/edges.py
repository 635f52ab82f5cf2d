"""What a video shows of later features."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from cuepoint.db.keyset import Page, PageRequest
from cuepoint.graphql.loaders import LoaderKey

if TYPE_CHECKING:
    from cuepoint.features.clips.models import Clip
    from cuepoint.features.imports.models import Import
    from cuepoint.features.moments.models import Moment
    from cuepoint.features.transcripts.models import Transcript

ACTIVE_TRANSCRIPT: LoaderKey[UUID, Transcript | None] = LoaderKey("videos.transcript")
MOMENTS_OF_VIDEO: LoaderKey[tuple[UUID, PageRequest], Page[Moment]] = LoaderKey("videos.moments")
MOMENT_COUNT_OF_VIDEO: LoaderKey[UUID, int] = LoaderKey("videos.momentCount")
IMPORT_OF_VIDEO: LoaderKey[UUID, Import | None] = LoaderKey("videos.import")
CLIPS_OF_VIDEO: LoaderKey[tuple[UUID, PageRequest], Page[Clip]] = LoaderKey("videos.clips")
CLIP_COUNT_OF_VIDEO: LoaderKey[UUID, int] = LoaderKey("videos.clipCount")
