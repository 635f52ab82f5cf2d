"""kill -9 of the worker, and of its children, in every stage of a pipeline and in a clip's render: all ends right, with
each result once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from cuepoint.client import CuepointClient
from cuepoint.client.feeds import watch_project
from tests.support.product import RunningProduct, call, finish, running_product, send
from tests.support.speech import VIDEO

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.models,
    pytest.mark.media,
    pytest.mark.long,
    pytest.mark.xdist_group("killed stages"),
]

# One after the other: a job that runs beside others would lose its worker more often than it may.
CHAIN = ("PROBE", "AUDIO_EXTRACTION", "TRANSCRIPTION", "SEGMENTATION", "EMBEDDING", "MOMENT_GENERATION")
LOOKS = ("STORYBOARD", "WAVEFORM", "PROXY")
CLIP = "CLIP_EXTRACTION"
ALL = {*CHAIN, *LOOKS, CLIP}
CHILD_SECONDS = 5.0  # for a job to start one; the short stages have none
FINISH_SECONDS = 240.0


class Killer:
    """Hits each kind once, in its first attempt."""

    def __init__(self, product: RunningProduct, victim: str) -> None:
        self._product = product
        self._victim = victim
        self.seen: set[str] = set()
        self.hits: set[str] = set()

    async def run(self, client: CuepointClient, project: str) -> None:
        """Until cancelled. What is over is not hunted any more: the next job would be hit in its place."""
        hunts: dict[str, asyncio.Task[None]] = {}
        async for told in watch_project(client, project):
            kind, update = told["kind"], told["update"]
            if update and update["status"] != "RUNNING" and kind in hunts:
                hunts.pop(kind).cancel()
            elif update and update["status"] == "RUNNING" and kind not in self.seen:
                self.seen.add(kind)
                hunts[kind] = asyncio.create_task(self._hunt(kind))

    async def _hunt(self, kind: str) -> None:
        if await self._hit():
            self.hits.add(kind)

    async def _hit(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            worker = psutil.Process(self._product.pid_of("worker"))
            if self._victim == "worker":
                worker.kill()
                return True
            loop = asyncio.get_running_loop()
            end = loop.time() + CHILD_SECONDS
            while loop.time() < end:
                children = worker.children(recursive=True)
                for child in children:
                    with suppress(psutil.NoSuchProcess):
                        child.kill()
                if children:
                    return True
                await asyncio.sleep(0.01)
        return False


async def run_all(client: CuepointClient, project: str) -> tuple[str, Sequence[dict[str, Any]]]:
    """The pipeline, the steps for people who look, and a clip; the video, and every job once it is over."""
    registered = await send(client, project, VIDEO, autoStart=False)
    video_id = registered["video"]["id"]
    ids = []
    for steps in (CHAIN, *((step,) for step in LOOKS)):
        started = await call(client, "StartPipeline", {"input": {"videoId": video_id, "steps": list(steps)}})
        for job in started["jobs"]:
            await finish(client, job["id"], FINISH_SECONDS)
            ids.append(job["id"])
    wanted = {"videoId": video_id, "start": 1, "end": 41, "mode": "RENDER"}
    clip = await call(client, "CreateClip", {"input": wanted})
    await finish(client, clip["job"]["id"], FINISH_SECONDS)
    ids.append(clip["job"]["id"])
    file = await call(client, "Clip", {"id": clip["clip"]["id"]})
    assert len((await client.http.get(file["url"])).content) == int(file["sizeBytes"]) > 100_000
    return video_id, [await call(client, "Job", {"id": one}) for one in ids]


class TestKilledStages:
    @pytest.mark.parametrize(("victim", "mark"), [("worker", "LOST"), ("child", "ERROR")], ids=["worker", "child"])
    async def test_everything_ends_right_and_once(self, tmp_path: Path, victim: str, mark: str) -> None:
        with running_product(tmp_path / "home", lease_seconds="1", retry_base_seconds="0.2") as product:
            killer = Killer(product, victim)
            async with product.client() as client:
                project = (await call(client, "CreateProject", {"input": {"name": "Killed"}}))["project"]["id"]
                killing = asyncio.create_task(killer.run(client, project))
                video_id, jobs = await run_all(client, project)
                killing.cancel()
                with suppress(asyncio.CancelledError):
                    await killing
                transcript = (await call(client, "Transcript", {"videoId": video_id, "first": 500}))["transcript"]
                moments = (await call(client, "Moments", {"videoId": video_id}))["moments"]["nodes"]
                hits = (await call(client, "SemanticSearch", {"query": "baking"}))["hits"]

        assert killer.seen >= ALL
        types = {job["kind"]: [event["type"] for event in job["events"]["nodes"]] for job in jobs}
        assert {kind: one.count("SUCCEEDED") for kind, one in types.items()} == dict.fromkeys(ALL, 1)
        assert {one[-1] for one in types.values()} == {"SUCCEEDED"}
        # The short stages may be over before the signal comes; these take long enough.
        assert {kind for kind, one in types.items() if mark in one} >= {"TRANSCRIPTION", CLIP}
        starts = [segment["startSeconds"] for segment in transcript["segments"]["nodes"]]
        assert starts == sorted(set(starts))
        assert len({(moment["startSeconds"], moment["endSeconds"]) for moment in moments}) == len(moments) >= 3
        assert len({hit["text"] for hit in hits}) == len(hits) > 0
