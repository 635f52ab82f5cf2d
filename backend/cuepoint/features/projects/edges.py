"""What a project shows of later features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from cuepoint.db.keyset import Page, PageRequest
from cuepoint.graphql.loaders import LoaderKey

if TYPE_CHECKING:
    from cuepoint.features.jobs.models import Job
    from cuepoint.features.quotas.service import State
    from cuepoint.features.storage.statistics import StorageTotals
    from cuepoint.features.videos.models import Video

VIDEOS_OF_PROJECT: LoaderKey[tuple[UUID, PageRequest], Page[Video]] = LoaderKey("projects.videos")
VIDEO_COUNT_OF_PROJECT: LoaderKey[UUID, int] = LoaderKey("projects.videoCount")
JOBS_OF_PROJECT: LoaderKey[tuple[UUID, PageRequest], Page[Job]] = LoaderKey("projects.jobs")
JOB_COUNT_OF_PROJECT: LoaderKey[UUID, int] = LoaderKey("projects.jobCount")


@dataclass(frozen=True)
class ProjectFigures:
    """What a project holds; lengths are of the videos that were probed."""

    videos: int
    probed_videos: int
    duration_ms: int


FIGURES_OF_PROJECT: LoaderKey[UUID, ProjectFigures] = LoaderKey("projects.statistics")
STORAGE_OF_PROJECT: LoaderKey[UUID, StorageTotals] = LoaderKey("projects.storageStats")
USAGE_OF_PROJECT: LoaderKey[UUID, State | None] = LoaderKey("projects.usage")
