"""The state of a video, derived from its newest jobs: there is no second record of it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from cuepoint.features.jobs.models import Job, JobKind, JobStatus


class VideoStatus(Enum):
    """Life of a video."""

    UPLOADING = "UPLOADING"
    REGISTERED = "REGISTERED"
    PROBING = "PROBING"
    PROCESSING = "PROCESSING"
    READY = "READY"
    FAILED = "FAILED"


def video_status(is_probed: bool, newest_jobs: Sequence[Job], *, is_stored: bool = True) -> VideoStatus:
    """State from the newest job of each step of the pipeline, and of its fetching.

    FAILED only when the probe failed, so that nothing can be done with the file, or when its bytes never came; a later
    step that failed leaves the video READY with a problem.
    """
    if not is_stored:
        is_coming = any(job.kind is JobKind.INGEST and not job.status.is_final for job in newest_jobs)
        return VideoStatus.UPLOADING if is_coming else VideoStatus.FAILED
    live = [job for job in newest_jobs if not job.status.is_final]
    probe = next((job for job in newest_jobs if job.kind is JobKind.PROBE), None)
    if live:
        return VideoStatus.PROCESSING if is_probed else VideoStatus.PROBING
    if probe is not None and probe.status is JobStatus.FAILED and not is_probed:
        return VideoStatus.FAILED
    return VideoStatus.READY if is_probed else VideoStatus.REGISTERED
