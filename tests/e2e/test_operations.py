"""Every example operation is carried out against the real product."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cuepoint.client import CuepointClient
from tests.e2e.conftest import Sample
from tests.support.product import OPERATIONS, call, finish, operation
from tests.support.speech import VIDEO

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.media, pytest.mark.xdist_group("product")]


EVERY_OPERATION = {path.stem for path in Path(OPERATIONS).glob("*.graphql")}


class Run:
    """Calls operations and remembers which."""

    def __init__(self, client: CuepointClient) -> None:
        self.client = client
        self.done: set[str] = set()

    async def __call__(self, name: str, **variables: Any) -> dict[str, Any]:
        self.done.add(name)
        return await call(self.client, name, variables)


async def accounts(run: Run, sample: Sample) -> None:
    assert (await run("Me"))["isAdmin"] is True
    user = (await run("CreateUser", input={"email": "ada@example.org", "name": "Ada"}))["user"]
    assert user["isActive"] is True
    assert user["email"] in [other["email"] for other in (await run("Users"))["nodes"]]
    assert (await run("User", id=user["id"]))["email"] == "ada@example.org"
    key = await run("CreateApiKey", input={"name": "script", "userId": user["id"]})
    assert key["secret"].startswith(key["apiKey"]["prefix"])
    assert len((await run("ApiKeys"))["nodes"]) == 1
    assert (await run("RevokeApiKey", input={"id": key["apiKey"]["id"]}))["apiKey"]["revokedAt"]
    member = {"projectId": sample.project_id, "email": "ada@example.org", "role": "EDITOR"}
    assert (await run("AddMember", input=member))["member"]["role"] == "EDITOR"
    assert (await run("Project", id=sample.project_id))["members"]["totalCount"] == 2
    left = await run("RemoveMember", input={"projectId": sample.project_id, "userId": user["id"]})
    assert left["project"]["members"]["totalCount"] == 1


async def reading(run: Run, sample: Sample) -> None:
    assert (await run("ServerInfo"))["name"] == "Cuepoint"
    health = await run("Health")
    assert health["isHealthy"] is True, health
    mine = next(p for p in (await run("Projects"))["nodes"] if p["id"] == sample.project_id)
    assert mine["videos"]["nodes"][0]["status"] in ("READY", "PROCESSING")
    assert (await run("Videos", filter={"projectId": sample.project_id}))["totalCount"] >= 1
    video = await run("Video", id=sample.video_id)
    assert [track["codec"] for track in video["media"]["tracks"]][:2] == ["h264", "aac"]
    transcript = (await run("Transcript", videoId=sample.video_id))["transcript"]
    file = await run("TranscriptFile", input={"transcriptId": transcript["id"], "format": "VTT"})
    assert file["content"].startswith("WEBVTT")
    assert (await run("SemanticSearch", query="animals under the ship"))["hits"]
    moments = (await run("Moments", videoId=sample.video_id))["moments"]
    assert moments["totalCount"] >= 3
    assert (await run("Moment", id=moments["nodes"][0]["id"]))["title"] == moments["nodes"][0]["title"]
    assert (await run("MomentsPage", videoId=sample.video_id))["nodes"][0]["id"] == moments["nodes"][0]["id"]
    assert (await run("TranscriptRevision", id=transcript["id"]))["id"] == transcript["id"]


async def jobs(run: Run, sample: Sample) -> None:
    found = await run("Jobs", filter={"videoId": sample.video_id, "kind": "PROBE"})
    assert found["nodes"][0]["status"] == "SUCCEEDED"
    assert (await run("Job", id=sample.jobs["PROBE"]))["events"]["nodes"][0]["seq"] == 1
    assert (await run("CancelJob", input={"jobId": sample.jobs["PROBE"]}))["changed"] is False
    again = await run("GenerateMoments", input={"videoId": sample.video_id, "count": 2})
    assert (await finish(run.client, again["job"]["id"]))["status"] == "SUCCEEDED"
    run.done.add("JobProgress")
    variables = {"jobId": again["job"]["id"], "after": 0}
    seen = [data["jobProgress"] async for data in run.client.subscribe(operation("JobProgress"), variables)]
    assert seen[0]["type"] == "SNAPSHOT"
    assert [update["seq"] for update in seen[1:]] == list(range(1, seen[0]["seq"] + 1))
    started = await run("StartPipeline", input={"videoId": sample.video_id, "steps": ["MOMENT_GENERATION"]})
    assert (await finish(run.client, started["jobs"][0]["id"]))["status"] == "SUCCEEDED"


async def clips(run: Run, sample: Sample) -> None:
    created = await run("CreateClip", input={"videoId": sample.video_id, "start": 3.0, "end": 5.0})
    assert (await finish(run.client, created["job"]["id"]))["status"] == "SUCCEEDED"
    assert (await run("Clip", id=created["clip"]["id"]))["url"]
    assert (await run("Clips", videoId=sample.video_id))["totalCount"] >= 1


async def life_of_a_video(run: Run, sample: Sample) -> None:
    project = (await run("CreateProject", input={"name": "Short-lived"}))["project"]["id"]
    size = VIDEO.stat().st_size
    wanted = {"projectId": project, "filename": "stories.mp4", "sizeBytes": size}
    upload = (await run("CreateUpload", input=wanted))["upload"]
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    sent = await run.client.http.patch(upload["url"], content=VIDEO.read_bytes(), headers=headers)
    assert sent.status_code == 204
    assert (await run("Upload", id=upload["id"]))["status"] == "COMPLETE"
    registered = await run("RegisterVideo", input={"uploadId": upload["id"]})
    last = registered["jobs"][-1]["id"]
    assert (await run("CancelJob", input={"jobId": last}))["changed"] is True
    assert (await run("RetryJob", input={"jobId": last}))["job"]["status"] in ("BLOCKED", "QUEUED")
    deleted = await run("DeleteVideo", input={"id": registered["video"]["id"]})
    assert (await finish(run.client, deleted["job"]["id"]))["status"] == "SUCCEEDED"


STORIES: list[Callable[[Run, Sample], Awaitable[None]]] = [reading, jobs, clips, accounts, life_of_a_video]


class TestOperations:
    async def test_all_of_them_work(self, client: CuepointClient, sample: Sample) -> None:
        run = Run(client)

        for story in STORIES:
            await story(run, sample)

        assert run.done == EVERY_OPERATION
