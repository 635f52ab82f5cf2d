"""Conditions on what is no column of a video: its state, the steps that are not over, its transcript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, String, Uuid, and_, column, exists, not_, or_, table, tuple_
from sqlalchemy.orm import aliased

from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.repository import UNFINISHED
from cuepoint.features.videos.models import Video
from cuepoint.features.videos.repository import STEPS
from cuepoint.features.videos.state import VideoStatus

# A later feature's table: hence its name alone.
_TRANSCRIPTS = table("transcripts", column("video_id", Uuid), column("status", String), column("language", String))


def is_in(statuses: Sequence[VideoStatus]) -> ColumnElement[bool]:
    """The state of the video, by the rules of `video_status`."""
    is_living = Video.deleted_at.is_(None)
    is_stored, is_probed = Video.content_hash.is_not(None), Video.probed_at.is_not(None)
    is_live, is_coming = _newest(STEPS, UNFINISHED), _newest([JobKind.INGEST], UNFINISHED)
    has_failed = and_(not_(is_probed), _newest([JobKind.PROBE], [JobStatus.FAILED]))
    at_rest = and_(is_stored, not_(is_live))
    of_living: Mapping[VideoStatus, ColumnElement[bool]] = {
        VideoStatus.UPLOADING: and_(not_(is_stored), is_coming),
        VideoStatus.REGISTERED: and_(at_rest, not_(is_probed), not_(has_failed)),
        VideoStatus.PROBING: and_(is_stored, is_live, not_(is_probed)),
        VideoStatus.PROCESSING: and_(is_stored, is_live, is_probed),
        VideoStatus.READY: and_(at_rest, is_probed),
        VideoStatus.FAILED: or_(and_(not_(is_stored), not_(is_coming)), and_(at_rest, has_failed)),
    }
    of_each = {status: and_(is_living, condition) for status, condition in of_living.items()}
    of_each[VideoStatus.DELETING] = Video.deleted_at.is_not(None)
    return or_(*[of_each[status] for status in statuses])


def waits_for(kinds: Sequence[JobKind]) -> ColumnElement[bool]:
    """The newest job of one of these kinds is not over."""
    return _newest(kinds, UNFINISHED)


def has_transcript(*, language: str | None = None) -> ColumnElement[bool]:
    """Search reads a transcript of it, in this language if one is named."""
    found = [_TRANSCRIPTS.c.video_id == Video.id, _TRANSCRIPTS.c.status == "ACTIVE"]
    if language is not None:
        found.append(_TRANSCRIPTS.c.language == language)
    return exists().where(*found)


def _newest(kinds: Sequence[JobKind], statuses: Sequence[JobStatus]) -> ColumnElement[bool]:
    """The newest job of one of the kinds is in one of the states."""
    job, later = aliased(Job), aliased(Job)
    is_replaced = exists().where(
        later.video_id == job.video_id,
        later.kind == job.kind,
        tuple_(later.created_at, later.id) > tuple_(job.created_at, job.id),
    )
    wanted = [job.video_id == Video.id, job.kind.in_(kinds), job.status.in_(statuses), not_(is_replaced)]
    return exists().where(*wanted)
