"""kill -9 of the worker in every stage of a pipeline, one after another: it ends right, with each result once."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from cuepoint.client.feeds import watch_project
from tests.support.product import call, finish, running_product, send
from tests.support.speech import VIDEO

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.models,
    pytest.mark.media,
    pytest.mark.long,
    pytest.mark.xdist_group("killed stages"),
]

STAGES = ("PROBE", "AUDIO_EXTRACTION", "TRANSCRIPTION", "SEGMENTATION", "EMBEDDING", "MOMENT_GENERATION")


class TestKilledStages:
    async def test_the_pipeline_ends_right_and_once(self, tmp_path: Path) -> None:
        with running_product(tmp_path / "home", lease_seconds="1") as product:
            async with product.client() as client:
                project = (await call(client, "CreateProject", {"input": {"name": "Killed"}}))["project"]["id"]
                killed: set[str] = set()

                async def kill() -> None:
                    async for told in watch_project(client, project):
                        update = told["update"]
                        if update and update["status"] == "RUNNING" and told["kind"] not in killed:
                            killed.add(told["kind"])
                            with suppress(ProcessLookupError):
                                os.kill(product.pid_of("worker"), signal.SIGKILL)

                killing = asyncio.create_task(kill())
                registered = await send(client, project, VIDEO, autoStart=False)
                # One after the other: a job that runs beside others would lose its worker more often than it may.
                asked = {"videoId": registered["video"]["id"], "steps": list(STAGES)}
                started = (await call(client, "StartPipeline", {"input": asked}))["jobs"]
                async with asyncio.timeout(240):
                    ends = [await finish(client, job["id"], 240.0) for job in started]
                killing.cancel()
                with suppress(asyncio.CancelledError):
                    await killing
                jobs = [await call(client, "Job", {"id": job["id"]}) for job in started]
                video_id = registered["video"]["id"]
                transcript = (await call(client, "Transcript", {"videoId": video_id, "first": 500}))["transcript"]
                moments = (await call(client, "Moments", {"videoId": video_id}))["moments"]["nodes"]
                hits = (await call(client, "SemanticSearch", {"query": "baking"}))["hits"]

        assert killed >= set(STAGES)
        assert {end["status"] for end in ends} == {"SUCCEEDED"}
        types = [[event["type"] for event in job["events"]["nodes"]] for job in jobs]
        assert all(one.count("SUCCEEDED") == 1 and one[-1] == "SUCCEEDED" for one in types)
        assert sum(one.count("LOST") for one in types) >= 2  # the short stages may be over before the signal comes
        starts = [segment["startSeconds"] for segment in transcript["segments"]["nodes"]]
        assert starts == sorted(set(starts))
        assert len({(moment["startSeconds"], moment["endSeconds"]) for moment in moments}) == len(moments) >= 3
        assert len({hit["text"] for hit in hits}) == len(hits) > 0
