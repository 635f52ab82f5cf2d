"""kill -9 of the worker in the middle of TRANSCRIPTION: the pipeline goes on by itself and ends right, once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from cuepoint.client import CuepointClient, watch_job
from tests.e2e.conftest import Sample
from tests.support.product import RunningProduct, call, finish, send
from tests.support.speech import VIDEO, load_truth, word_error_rate

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.media]

TIMES = 4


def repeated(target: Path) -> Path:
    """The sample's sound four times over, without pictures: long enough to be hit in the middle."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", str(TIMES - 1), "-i", str(VIDEO)]
    subprocess.run([*command, "-vn", "-c:a", "aac", str(target)], check=True)
    return target


class TestKilledWorker:
    async def test_the_next_attempt_goes_on_and_nothing_is_twice(
        self, product: RunningProduct, client: CuepointClient, sample: Sample, tmp_path: Path
    ) -> None:
        registered = await send(client, sample.project_id, repeated(tmp_path / "long.m4a"))
        jobs = {job["kind"]: job["id"] for job in registered["jobs"]}

        killed_at = 0.0
        async with asyncio.timeout(120):
            async for update in watch_job(client, jobs["TRANSCRIPTION"]):
                if update["status"] == "RUNNING" and 30 < (update["processedSeconds"] or 0) < 250 and not killed_at:
                    killed_at = update["processedSeconds"]
                    os.kill(product.pid_of("worker"), signal.SIGKILL)
        ends = await asyncio.gather(*[finish(client, job_id) for job_id in jobs.values()])
        events = (await call(client, "Job", {"id": jobs["TRANSCRIPTION"]}))["events"]["nodes"]
        transcript = (await call(client, "Transcript", {"videoId": registered["video"]["id"], "first": 500}))[
            "transcript"
        ]

        assert killed_at > 0
        assert {end["status"] for end in ends} == {"SUCCEEDED"}
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert [event["type"] for event in events if event["type"] in ("STARTED", "LOST", "SUCCEEDED")] == [
            "STARTED",
            "LOST",
            "STARTED",
            "SUCCEEDED",
        ]
        truth = " ".join(sentence.text for sentence in load_truth(VIDEO))
        text = " ".join(segment["text"] for segment in transcript["segments"]["nodes"])
        assert word_error_rate(" ".join([truth] * TIMES), text) < 0.01
        starts = [segment["startSeconds"] for segment in transcript["segments"]["nodes"]]
        assert starts == sorted(set(starts))
        await finish(
            client, (await call(client, "DeleteVideo", {"input": {"id": registered["video"]["id"]}}))["job"]["id"]
        )

    async def test_a_deleted_video_is_gone_with_its_jobs_and_files(
        self, product: RunningProduct, client: CuepointClient, sample: Sample, tmp_path: Path
    ) -> None:
        registered = await send(client, sample.project_id, repeated(tmp_path / "long.m4a"))
        video_id = registered["video"]["id"]
        jobs = {job["kind"]: job["id"] for job in registered["jobs"]}
        async with asyncio.timeout(120):
            async for update in watch_job(client, jobs["TRANSCRIPTION"]):
                if update["status"] == "RUNNING" and update["processedSeconds"]:
                    break

        deleted = await call(client, "DeleteVideo", {"input": {"id": video_id}})
        after = (await client.execute("query($id: ID!) { video(id: $id) { id } }", {"id": video_id}))["video"]
        end = await finish(client, deleted["job"]["id"])
        stopped = [await finish(client, job_id) for job_id in jobs.values()]

        assert after is None
        assert end["status"] == "SUCCEEDED"
        assert {job["status"] for job in stopped} == {"SUCCEEDED", "CANCELLED"}
        folder = video_id.removeprefix("video_")
        assert not [path for path in (product.home / "storage").rglob("*") if folder in str(path) and path.is_file()]
