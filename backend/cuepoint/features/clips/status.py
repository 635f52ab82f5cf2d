"""How far a clip is, by its own row and its job's; the rule once in Python and once in SQL, side by side."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import ColumnElement, case, or_

from cuepoint.features.clips.models import Clip
from cuepoint.features.jobs.models import Job, JobStatus

_OVER = (JobStatus.FAILED, JobStatus.CANCELLED)


class ClipStatus(Enum):
    """How far a clip is. Values are the names clients see."""

    WAITING = "WAITING"
    RENDERING = "RENDERING"
    READY = "READY"
    FAILED = "FAILED"


def status_of(clip: Clip, job: Job | None) -> ClipStatus:
    """READY as soon as there is a file, even while a job makes it anew."""
    if clip.storage_key is not None:
        return ClipStatus.READY
    if job is None or job.status in _OVER:
        return ClipStatus.FAILED
    return ClipStatus.RENDERING if job.status is JobStatus.RUNNING else ClipStatus.WAITING


def status_column() -> ColumnElement[str]:
    """The same over `clips` outer joined with `jobs`."""
    return case(
        (Clip.storage_key.is_not(None), ClipStatus.READY.value),
        (or_(Job.id.is_(None), Job.status.in_(_OVER)), ClipStatus.FAILED.value),
        (Job.status == JobStatus.RUNNING, ClipStatus.RENDERING.value),
        else_=ClipStatus.WAITING.value,
    )
