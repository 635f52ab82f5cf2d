"""The state of a video, derived from its newest jobs: there is no second record of it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from cuepoint.features.jobs.models import Job, JobKind, JobStatus


class VideoStatus(Enum):
    """Life of a video."""

    REGISTERED = "REGISTERED"
    PROBING = "PROBING"
    PROCESSING = "PROCESSING"
    READY = "READY"
    FAILED = "FAILED"


def video_status(is_probed: bool, newest_jobs: Sequence[Job]) -> VideoStatus:
    """State from the newest job of each step of the pipeline.

    FAILED only when the probe failed, so that nothing can be done with the file; a later step that failed leaves the
    video READY with a problem.
    """
    live = [job for job in newest_jobs if not job.status.is_final]
    probe = next((job for job in newest_jobs if job.kind is JobKind.PROBE), None)
    if live:
        return VideoStatus.PROCESSING if is_probed else VideoStatus.PROBING
    if probe is not None and probe.status is JobStatus.FAILED and not is_probed:
        return VideoStatus.FAILED
    return VideoStatus.READY if is_probed else VideoStatus.REGISTERED
