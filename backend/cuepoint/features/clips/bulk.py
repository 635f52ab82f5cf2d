"""Many clips at once: each is asked for or refused on its own, or all together; and cutting a whole video by a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base import ClipMode, MediaTools
from cuepoint.adapters.media.forms import ClipForm
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode
from cuepoint.features.clips import glyphs, places, service
from cuepoint.features.clips.models import Clip
from cuepoint.features.clips.requests import ClipRequest, Place
from cuepoint.features.clips.spans import MAX_CLIP_MS, MIN_CLIP_MS, AutoRule, divided, settled
from cuepoint.features.jobs.models import Job
from cuepoint.features.moments import service as moments
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.transcripts.words import Word, timed_words
from cuepoint.features.videos import service as videos
from cuepoint.viewer import Viewer

MAX_ITEMS = 100


@dataclass(frozen=True)
class Item:
    """What became of one clip of many: the clip and its job, or the refusal."""

    clip: Clip | None = None
    job: Job | None = None
    error: CuepointError | None = None


async def request_clips(
    db: Database,
    viewer: Viewer,
    requests: Sequence[ClipRequest | CuepointError],
    *,
    batch_id: UUID,
    is_all_or_nothing: bool,
    is_list_given: bool = True,
    media: MediaTools,
) -> list[Item]:
    """What became of each, in their order; jobs bear the mark of the batch. Each has a transaction of its own.

    All or nothing: the first refusal is raised, its field begins with `items` and the number where the caller gave them
    as a list. Raises BadInputError for a batch of nothing or of too much.
    """
    if not 1 <= len(requests) <= MAX_ITEMS:
        raise BadInputError(f"A batch has 1 to {MAX_ITEMS} clips, not {len(requests)}.", field=("items",))
    if not is_all_or_nothing:
        return [await _alone(db, viewer, request, batch_id, media) for request in requests]
    async with db.write() as session:
        made = []
        for number, request in enumerate(requests):
            try:
                made.append(Item(*await _request(session, viewer, request, batch_id, media)))
            except CuepointError as error:
                error.field = ("items", str(number), *error.field) if is_list_given else error.field
                raise
        return made


async def _alone(
    db: Database, viewer: Viewer, request: ClipRequest | CuepointError, batch_id: UUID, media: MediaTools
) -> Item:
    try:
        async with db.write() as session:
            return Item(*await _request(session, viewer, request, batch_id, media))
    except CuepointError as error:
        return Item(error=error)


async def _request(
    session: AsyncSession, viewer: Viewer, request: ClipRequest | CuepointError, batch_id: UUID, media: MediaTools
) -> tuple[Clip, Job]:
    if isinstance(request, CuepointError):
        raise request
    clip, job = await service.request_clip(session, viewer, request, batch_id=batch_id)
    await glyphs.check_clip(session, media, clip)
    return clip, job


async def moment_requests(
    session: AsyncSession, viewer: Viewer, video_id: UUID, count: int, form: ClipForm
) -> list[ClipRequest]:
    """A request for each moment of the video, best first; its borders go into the silence beside them. Raises NOT_READY
    where it has none."""
    if not 1 <= count <= MAX_ITEMS:
        raise BadInputError(f"count must lie between 1 and {MAX_ITEMS}.", field=("count",))
    page = await moments.list_moments(session, viewer, video_id, PageRequest(count))
    if not page.rows:
        raise CuepointError(
            ErrorCode.NOT_READY, "The video has no moments; call generateMoments first.", field=("momentsOf",)
        )
    maps = await places.maps_of(session, video_id)
    words = [] if maps.is_empty else await _words(session, video_id)
    return [
        ClipRequest(
            video_id,
            Place(moment_id=moment.id),
            form=form,
            cut=settled(words, maps, moment.start_ms, moment.end_ms),
        )
        for moment in page.rows
    ]


async def _words(session: AsyncSession, video_id: UUID) -> list[Word]:
    return timed_words(await transcripts.active_segments(session, video_id))


async def auto_requests(
    session: AsyncSession, viewer: Viewer, video_id: UUID, rule: AutoRule, *, mode: ClipMode | None, form: ClipForm
) -> list[ClipRequest]:
    """Requests for the pieces of the video by the rule. Raises BadInputError, NOT_READY, and RANGE_OUTSIDE_MEDIA where
    fewer than `min_clips` come out."""
    _check_rule(rule)
    video = await videos.get_video(session, viewer, video_id)
    length = videos.require_time_line(video)
    maps = await places.maps_of(session, video_id)
    words = await _words(session, video_id) if rule.respects_sentences or not maps.is_empty else []
    found = [(start, end) for start, end in divided(words, length, rule) if end - start >= MIN_CLIP_MS]
    if len(found) < rule.min_clips:
        raise CuepointError(
            ErrorCode.RANGE_OUTSIDE_MEDIA,
            f"{length / 1000:.1f} s give only {len(found)} clips of about {rule.length_ms / 1000:g} s; "
            f"minClips asks for {rule.min_clips}. Lower minClips or clipDuration.",
            field=("minClips",),
        )
    return [
        ClipRequest(video_id, Place(*piece), mode=mode, form=form, cut=settled(words, maps, *piece)) for piece in found
    ]


def _check_rule(rule: AutoRule) -> None:
    if not 1000 <= rule.length_ms <= MAX_CLIP_MS:
        raise BadInputError("clipDuration must lie between 1 and 3600 seconds.", field=("clipDuration",))
    if not 0 <= rule.overlap_ms <= rule.length_ms // 2:
        raise BadInputError("overlap must lie between 0 and half of clipDuration.", field=("overlap",))
    if not 1 <= rule.max_clips <= MAX_ITEMS:
        raise BadInputError(f"maxClips must lie between 1 and {MAX_ITEMS}.", field=("maxClips",))
    if not 1 <= rule.min_clips <= rule.max_clips:
        raise BadInputError("minClips must lie between 1 and maxClips.", field=("minClips",))
