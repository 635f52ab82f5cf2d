"""The state of a video, derived from its row and its newest jobs: there is no second record of it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.videos.models import Video


class VideoStatus(Enum):
    """Life of a video."""

    UPLOADING = "UPLOADING"
    REGISTERED = "REGISTERED"
    PROBING = "PROBING"
    PROCESSING = "PROCESSING"
    READY = "READY"
    FAILED = "FAILED"
    DELETING = "DELETING"


def video_status(video: Video, newest_jobs: Sequence[Job]) -> VideoStatus:
    """State from the newest job of each step of the pipeline, and of its fetching.

    FAILED only when the probe failed, so that nothing can be done with the file, or when its bytes never came; a later
    step that failed leaves the video READY with a problem. A deleted one is DELETING until its row is gone.
    """
    if video.deleted_at is not None:
        return VideoStatus.DELETING
    is_probed = video.probed_at is not None
    if video.content_hash is None:
        is_coming = any(job.kind is JobKind.INGEST and not job.status.is_final for job in newest_jobs)
        return VideoStatus.UPLOADING if is_coming else VideoStatus.FAILED
    live = [job for job in newest_jobs if not job.status.is_final]
    probe = next((job for job in newest_jobs if job.kind is JobKind.PROBE), None)
    if live:
        return VideoStatus.PROCESSING if is_probed else VideoStatus.PROBING
    if probe is not None and probe.status is JobStatus.FAILED and not is_probed:
        return VideoStatus.FAILED
    return VideoStatus.READY if is_probed else VideoStatus.REGISTERED
