"""Batch look-ups of transcripts, their segments and texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import PageRequest
from cuepoint.features.transcripts import service
from cuepoint.features.transcripts.models import Transcript, TranscriptSegment
from cuepoint.features.transcripts.repository import SegmentRequest, TimeRange
from cuepoint.features.videos.edges import ACTIVE_TRANSCRIPT
from cuepoint.graphql.loaders import Binding, Loader
from cuepoint.graphql.page_loaders import PageLoader, PagesById


class ActiveTranscriptOfVideo(Loader[UUID, Transcript | None]):
    """The ACTIVE revision of each video, as far as the viewer may see it."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Transcript | None]:
        """One statement for all keys."""
        viewer = self.context.require_viewer()
        async with self.context.db.read() as session:
            return {**await service.active_transcripts(session, viewer, keys)}


class TranscriptById(Loader[UUID, Transcript | None]):
    """Revisions by key, in whatever state, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Transcript | None]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            return {**await service.transcripts_by_id(session, self.context.require_viewer(), keys)}


class SegmentsOfTranscript(PageLoader[TranscriptSegment]):
    """A page of each transcript's segments, in order; a `SegmentRequest` may name a range."""

    async def pages(
        self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest
    ) -> PagesById[TranscriptSegment]:
        """One statement, whatever the number of transcripts."""
        request = page if isinstance(page, SegmentRequest) else SegmentRequest(page.first, page.after)
        return await service.segment_pages(session, self.context.require_viewer(), ids, request)


class SegmentCount(Loader[tuple[UUID, TimeRange | None], int]):
    """How many segments each transcript has in a range."""

    async def fetch(self, keys: Sequence[tuple[UUID, TimeRange | None]]) -> Mapping[tuple[UUID, TimeRange | None], int]:
        """One statement for each distinct range."""
        viewer = self.context.require_viewer()
        grouped: dict[TimeRange | None, list[UUID]] = defaultdict(list)
        for transcript_id, stretch in keys:
            grouped[stretch].append(transcript_id)
        found: dict[tuple[UUID, TimeRange | None], int] = {}
        async with self.context.db.read() as session:
            for stretch, ids in grouped.items():
                counts = await service.segment_counts(session, viewer, ids, stretch)
                found |= {(transcript_id, stretch): counts.get(transcript_id, 0) for transcript_id in ids}
        return found


class TextOfTranscript(Loader[UUID, str]):
    """The whole text of each transcript; empty when there is none."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, str]:
        """One statement for all keys."""
        viewer = self.context.require_viewer()
        async with self.context.db.read() as session:
            found = await service.texts(session, viewer, keys)
        return {key: found.get(key, "") for key in keys}


BINDINGS: tuple[Binding, ...] = ((ACTIVE_TRANSCRIPT, ActiveTranscriptOfVideo),)
