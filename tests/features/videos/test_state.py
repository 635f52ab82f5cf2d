"""The state of a video from its row and its newest jobs: every transition."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.videos.models import Video
from cuepoint.features.videos.state import VideoStatus, video_status

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NEW, PROBED = Video(content_hash="ab" * 32), Video(content_hash="ab" * 32, probed_at=NOW)
LIVE = [JobStatus.BLOCKED, JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.RUNNING]


def job(kind: JobKind, status: JobStatus) -> Job:
    return Job(kind=kind, status=status)


class TestVideoStatus:
    def test_without_jobs_it_is_registered(self) -> None:
        assert video_status(NEW, []) is VideoStatus.REGISTERED

    @pytest.mark.parametrize("status", LIVE)
    def test_an_unfinished_probe_is_probing(self, status: JobStatus) -> None:
        jobs = [job(JobKind.PROBE, status), job(JobKind.TRANSCRIPTION, JobStatus.BLOCKED)]

        assert video_status(NEW, jobs) is VideoStatus.PROBING

    @pytest.mark.parametrize("status", LIVE)
    def test_an_unfinished_step_after_the_probe_is_processing(self, status: JobStatus) -> None:
        jobs = [job(JobKind.PROBE, JobStatus.SUCCEEDED), job(JobKind.TRANSCRIPTION, status)]

        assert video_status(PROBED, jobs) is VideoStatus.PROCESSING

    def test_another_probe_of_a_probed_video_is_processing(self) -> None:
        assert video_status(PROBED, [job(JobKind.PROBE, JobStatus.RUNNING)]) is VideoStatus.PROCESSING

    def test_all_steps_done_is_ready(self) -> None:
        assert video_status(PROBED, [job(kind, JobStatus.SUCCEEDED) for kind in JobKind]) is VideoStatus.READY

    def test_a_failed_probe_is_failed(self) -> None:
        jobs = [job(JobKind.PROBE, JobStatus.FAILED), job(JobKind.TRANSCRIPTION, JobStatus.CANCELLED)]

        assert video_status(NEW, jobs) is VideoStatus.FAILED

    def test_a_probe_that_failed_the_second_time_leaves_it_ready(self) -> None:
        assert video_status(PROBED, [job(JobKind.PROBE, JobStatus.FAILED)]) is VideoStatus.READY

    @pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
    def test_a_later_step_that_failed_leaves_it_ready(self, status: JobStatus) -> None:
        jobs = [job(JobKind.PROBE, JobStatus.SUCCEEDED), job(JobKind.TRANSCRIPTION, status)]

        assert video_status(PROBED, jobs) is VideoStatus.READY

    def test_a_cancelled_probe_is_as_before_the_start(self) -> None:
        assert video_status(NEW, [job(JobKind.PROBE, JobStatus.CANCELLED)]) is VideoStatus.REGISTERED

    @pytest.mark.parametrize("probed_at", [None, NOW], ids=["new", "probed"])
    @pytest.mark.parametrize("content_hash", [None, "ab" * 32], ids=["fetched", "stored"])
    def test_a_deleted_one_is_deleting_whatever_its_jobs(
        self, content_hash: str | None, probed_at: datetime | None
    ) -> None:
        video = Video(content_hash=content_hash, probed_at=probed_at, deleted_at=NOW)

        assert {video_status(video, [job(JobKind.PROBE, status)]) for status in JobStatus} == {VideoStatus.DELETING}
