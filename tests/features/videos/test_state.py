"""The state of a video from its newest jobs: every transition."""

from __future__ import annotations

import pytest

from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.videos.state import VideoStatus, video_status

LIVE = [JobStatus.BLOCKED, JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.RUNNING]


def job(kind: JobKind, status: JobStatus) -> Job:
    return Job(kind=kind, status=status)


class TestVideoStatus:
    def test_without_jobs_it_is_registered(self) -> None:
        assert video_status(False, []) is VideoStatus.REGISTERED

    @pytest.mark.parametrize("status", LIVE)
    def test_an_unfinished_probe_is_probing(self, status: JobStatus) -> None:
        jobs = [job(JobKind.PROBE, status), job(JobKind.TRANSCRIPTION, JobStatus.BLOCKED)]

        assert video_status(False, jobs) is VideoStatus.PROBING

    @pytest.mark.parametrize("status", LIVE)
    def test_an_unfinished_step_after_the_probe_is_processing(self, status: JobStatus) -> None:
        jobs = [job(JobKind.PROBE, JobStatus.SUCCEEDED), job(JobKind.TRANSCRIPTION, status)]

        assert video_status(True, jobs) is VideoStatus.PROCESSING

    def test_another_probe_of_a_probed_video_is_processing(self) -> None:
        assert video_status(True, [job(JobKind.PROBE, JobStatus.RUNNING)]) is VideoStatus.PROCESSING

    def test_all_steps_done_is_ready(self) -> None:
        assert video_status(True, [job(kind, JobStatus.SUCCEEDED) for kind in JobKind]) is VideoStatus.READY

    def test_a_failed_probe_is_failed(self) -> None:
        jobs = [job(JobKind.PROBE, JobStatus.FAILED), job(JobKind.TRANSCRIPTION, JobStatus.CANCELLED)]

        assert video_status(False, jobs) is VideoStatus.FAILED

    def test_a_probe_that_failed_the_second_time_leaves_it_ready(self) -> None:
        assert video_status(True, [job(JobKind.PROBE, JobStatus.FAILED)]) is VideoStatus.READY

    @pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
    def test_a_later_step_that_failed_leaves_it_ready(self, status: JobStatus) -> None:
        jobs = [job(JobKind.PROBE, JobStatus.SUCCEEDED), job(JobKind.TRANSCRIPTION, status)]

        assert video_status(True, jobs) is VideoStatus.READY

    def test_a_cancelled_probe_is_as_before_the_start(self) -> None:
        assert video_status(False, [job(JobKind.PROBE, JobStatus.CANCELLED)]) is VideoStatus.REGISTERED
