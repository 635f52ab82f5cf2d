"""Whether the captions that a clip or reel shall burn can be drawn, known before a job is made of it.

The job looks once more: its transcript and its fonts may be others by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base import MediaTools
from cuepoint.adapters.media.forms import CaptionMode, ClipForm
from cuepoint.errors import CuepointError
from cuepoint.features.clips.captions import said_in, stretches
from cuepoint.features.clips.models import Clip, ReelItem
from cuepoint.features.clips.service import cut_range
from cuepoint.features.clips.spans import Range
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.transcripts.words import timed_words

FIELD = ("output", "captions")


async def check_clip(session: AsyncSession, media: MediaTools, clip: Clip) -> None:
    """Raises FONT_MISSING_GLYPHS."""
    if _burns(ClipForm.from_json(clip.form)):
        ranges = [(start, end) for start, end in clip.kept_ranges or [cut_range(clip)]]
        await _check(media, await _texts(session, clip.video_id, ranges))


async def check_reel(session: AsyncSession, media: MediaTools, form: ClipForm, items: Sequence[ReelItem]) -> None:
    """The same for a reel; pieces that are clips have captions of their own. Raises FONT_MISSING_GLYPHS."""
    if _burns(form):
        for item in items:
            if item.clip_id is None and item.video_id is not None:
                await _check(media, await _texts(session, item.video_id, [(item.start_ms, item.end_ms)]))


def _burns(form: ClipForm) -> bool:
    return form.captions is not None and form.captions.mode is CaptionMode.BURN


async def _texts(session: AsyncSession, video_id: UUID, ranges: Sequence[Range]) -> list[str]:
    """What is said there by the ACTIVE revision."""
    whole = (ranges[0][0], ranges[-1][1])
    words = timed_words(await transcripts.active_segments(session, video_id, whole))
    return [word.text for word in said_in(stretches(words, ranges))]


async def _check(media: MediaTools, texts: Sequence[str]) -> None:
    try:
        await media.check_captions(texts)
    except CuepointError as error:
        error.field = FIELD
        raise
