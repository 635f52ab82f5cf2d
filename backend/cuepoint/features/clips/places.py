"""From what a request says to a span of the video: ranges checked, moments, passages and words found."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.ranges import pairs
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.clips.requests import ClipRequest, Place, Span
from cuepoint.features.clips.spans import (
    BORDER_MS,
    MAX_CLIP_MS,
    MIN_CLIP_MS,
    ClipSnap,
    Maps,
    Range,
    SilenceRule,
    find_text,
    settled,
    snapped,
    without_silences,
)
from cuepoint.features.moments import service as moments
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.transcripts.words import Word, timed_words
from cuepoint.features.videos import looks
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer

MAX_TITLE = 300
MAX_TEXT = 2_000
MAX_KEPT = 200  # each piece is a render of its own
SILENCES_MS, MARGINS_MS = (200, 60_000), (0, 5_000)
_NAMED_PLACES = 20


async def find_span(session: AsyncSession, viewer: Viewer, video: Video, request: ClipRequest) -> Span:
    """Where the clip is cut. Raises BadInputError, RANGE_OUTSIDE_MEDIA, NOT_READY, TEXT_NOT_FOUND, AMBIGUOUS_TEXT."""
    length = videos.require_time_line(video)
    _check_silences(request.silences)
    asked, title, moment_id = await _asked(session, viewer, video, request.place)
    check_range(video, *asked)
    cut, kept = request.cut or asked, None
    if request.snap is not ClipSnap.NONE or request.silences is not None:
        words = await words_of(session, video.id)
        start_ms, end_ms = snapped(words, *asked, request.snap)
        cut = max(0, start_ms), min(length, end_ms)
        check_range(video, *cut)
        if request.snap is not ClipSnap.NONE:
            cut = settled(words, await maps_of(session, video.id), *cut)
        if request.silences is not None:
            kept = _kept(words, cut, request.silences)
    return Span(asked, cut, title, moment_id, kept)


async def words_of(session: AsyncSession, video_id: UUID) -> list[Word]:
    """The words of the ACTIVE revision. Raises NOT_READY without one."""
    transcript = await transcripts.active_revision(session, video_id)
    return timed_words(await transcripts.segments_of(session, transcript.id))


async def maps_of(session: AsyncSession, video_id: UUID) -> Maps:
    """What borders may be moved by; empty before the sound was drawn, and the pictures looked through."""
    length, silences, black = await looks.maps_for_cuts(session, video_id, BORDER_MS)
    return Maps(pairs(silences), pairs(black), length) if length else Maps()


def check_range(video: Video, start_ms: int, end_ms: int) -> None:
    """Raises BadInputError or RANGE_OUTSIDE_MEDIA; the length of the video must be known."""
    if start_ms >= end_ms or end_ms - start_ms < MIN_CLIP_MS:
        raise BadInputError(f"end must lie at least {MIN_CLIP_MS / 1000} s after start.", field=("end",))
    length = video.duration_ms or 0
    if start_ms >= length or end_ms > length:
        raise CuepointError(
            ErrorCode.RANGE_OUTSIDE_MEDIA,
            f"The range ends at {end_ms / 1000:.3f} s; the video has {length / 1000:.3f} s.",
            field=("end",),
        )
    if end_ms - start_ms > MAX_CLIP_MS:
        raise BadInputError(f"A clip may have {MAX_CLIP_MS // 1000} s.", field=("end",))


async def _asked(session: AsyncSession, viewer: Viewer, video: Video, place: Place) -> tuple[Range, str, UUID | None]:
    has_range = place.start_ms is not None or place.end_ms is not None
    given = [has_range, place.moment_id is not None, place.chunk_id is not None, place.text is not None]
    if sum(given) != 1:
        raise BadInputError("Give exactly one of: start with end, momentId, chunkId, text.", field=("start",))
    if place.occurrence is not None and place.text is None:
        raise BadInputError("occurrence says which place of text is meant.", field=("occurrence",))
    if place.moment_id is not None:
        moment = await moments.get_moment(session, viewer, place.moment_id)
        if moment.video_id != video.id:
            raise NotFoundError("moment", field=("momentId",))
        return (moment.start_ms, moment.end_ms), moment.title[:MAX_TITLE], moment.id
    if place.chunk_id is not None:
        return await _passage(session, video, place.chunk_id)
    if place.text is not None:
        return await _said(session, video, place.text, place.occurrence)
    if place.start_ms is None or place.end_ms is None:
        raise BadInputError("A range needs both start and end.", field=("end" if place.end_ms is None else "start",))
    shown = f"{video.title[:200]} {place.start_ms / 1000:.3f}-{place.end_ms / 1000:.3f} s"
    return (place.start_ms, place.end_ms), shown, None


async def _passage(session: AsyncSession, video: Video, chunk_id: UUID) -> tuple[Range, str, UUID | None]:
    _, chunks = await transcripts.active_chunks(session, video.id)
    chunk = next((chunk for chunk in chunks if chunk.id == chunk_id), None)
    if chunk is None:
        raise NotFoundError("passage", field=("chunkId",))
    return (chunk.start_ms, chunk.end_ms), _shortened(chunk.text), None


async def _said(
    session: AsyncSession, video: Video, text: str, occurrence: int | None
) -> tuple[Range, str, UUID | None]:
    if not 1 <= len(text.strip()) <= MAX_TEXT:
        raise BadInputError(f"text must have 1 to {MAX_TEXT} characters.", field=("text",))
    found = find_text(await words_of(session, video.id), text)
    if not found:
        raise CuepointError(
            ErrorCode.TEXT_NOT_FOUND,
            "Nobody says these words in this order. Copy them from the transcript; case and punctuation do not matter.",
            field=("text",),
        )
    if occurrence is None and len(found) > 1:
        times = "; ".join(f"{n}: {a / 1000:.3f}-{b / 1000:.3f} s" for n, (a, b) in enumerate(found[:_NAMED_PLACES], 1))
        more = f"; and {len(found) - _NAMED_PLACES} more" if len(found) > _NAMED_PLACES else ""
        raise CuepointError(
            ErrorCode.AMBIGUOUS_TEXT,
            f"The words are said {len(found)} times ({times}{more}). Say which by `occurrence`, or give more words.",
            field=("text",),
        )
    chosen = 1 if occurrence is None else occurrence
    if not 1 <= chosen <= len(found):
        raise BadInputError(
            f"The words are said {len(found)} times; there is no occurrence {chosen}.", field=("occurrence",)
        )
    return found[chosen - 1], _shortened(text), None


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= MAX_TITLE else words[: MAX_TITLE - 1].rstrip() + "…"


def _check_silences(rule: SilenceRule | None) -> None:
    if rule is None:
        return
    if not SILENCES_MS[0] <= rule.min_silence_ms <= SILENCES_MS[1]:
        raise BadInputError("minSilence must lie between 0.2 and 60 seconds.", field=("removeSilences", "minSilence"))
    if not MARGINS_MS[0] <= rule.margin_ms <= MARGINS_MS[1] or rule.margin_ms * 2 > rule.min_silence_ms:
        raise BadInputError(
            "margin must lie between 0 and half of minSilence, so that something is left to remove.",
            field=("removeSilences", "margin"),
        )


def _kept(words: Sequence[Word], cut: Range, rule: SilenceRule) -> tuple[Range, ...] | None:
    """None where there is nothing to remove."""
    kept = [span for span in without_silences(words, *cut, rule) if span[1] - span[0] >= MIN_CLIP_MS]
    if not kept:
        raise CuepointError(
            ErrorCode.TEXT_NOT_FOUND,
            "Nobody speaks in this range by the transcript: without its silences nothing is left.",
            field=("removeSilences",),
        )
    if len(kept) > MAX_KEPT:
        raise BadInputError(
            f"This would leave {len(kept)} pieces, and {MAX_KEPT} are possible; raise minSilence or shorten the range.",
            field=("removeSilences", "minSilence"),
        )
    return None if kept == [cut] else tuple(kept)
