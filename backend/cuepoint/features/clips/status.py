"""How far a clip is, by its own row and its job's; the rule once in Python and once in SQL, side by side."""

from __future__ import annotations

from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, case, or_

from cuepoint.errors import ErrorCode
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


def problem_of(job: Job | None) -> dict[str, Any] | None:
    """Why a clip is FAILED, in the form of a job's error; what befell a cancelled job before is not the reason."""
    if job is None:
        code, message = ErrorCode.NOT_FOUND, "The job that was to make it was deleted. Ask for the clip again."
    elif job.status is JobStatus.CANCELLED:
        code, message = ErrorCode.JOB_CANCELLED, "The job was cancelled before it had made anything."
    else:
        return job.error
    return {"code": code.value, "message": message}


def status_column() -> ColumnElement[str]:
    """The same over `clips` outer joined with `jobs`."""
    return case(
        (Clip.storage_key.is_not(None), ClipStatus.READY.value),
        (or_(Job.id.is_(None), Job.status.in_(_OVER)), ClipStatus.FAILED.value),
        (Job.status == JobStatus.RUNNING, ClipStatus.RENDERING.value),
        else_=ClipStatus.WAITING.value,
    )
