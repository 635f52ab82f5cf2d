"""Every example operation is carried out against the real product."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from cuepoint.client import CuepointClient, watch_feed
from tests.e2e.conftest import Sample
from tests.e2e.stories.importing import importing
from tests.e2e.stories.media import media
from tests.e2e.stories.projects import projects
from tests.e2e.stories.recipes import recipes
from tests.e2e.stories.reels import clips_and_reels
from tests.e2e.stories.run import Run
from tests.e2e.stories.signing_in import signing_in
from tests.e2e.stories.storing import storing
from tests.support.product import OPERATIONS, RunningProduct, finish, operation
from tests.support.speech import VIDEO
from tests.support.statements import complaints, told

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.media]


EVERY_OPERATION = {path.stem for path in Path(OPERATIONS).glob("*.graphql")}


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
    assert (await run("Node", id=sample.video_id))["__typename"] == "Video"
    found = (await run.client.execute(operation("Nodes"), {"ids": [sample.video_id, "nonsense"]}))["nodes"]
    run.done.add("Nodes")
    assert [node and node["id"] for node in found] == [sample.video_id, None]
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
    assert (await run("CancelJob", input={"id": sample.jobs["PROBE"]}))["changed"] is False
    again = await run("GenerateMoments", input={"videoId": sample.video_id, "count": 2})
    assert (await finish(run.client, again["job"]["id"]))["status"] == "SUCCEEDED"
    run.done.add("JobProgress")
    variables = {"jobId": again["job"]["id"], "after": 0}
    seen = [data["jobProgress"] async for data in run.client.subscribe(operation("JobProgress"), variables)]
    assert seen[0]["type"] == "SNAPSHOT"
    assert [update["seq"] for update in seen[1:]] == list(range(1, seen[0]["seq"] + 1))
    scopes = {
        "JobsUpdated": {"filter": {"videoId": sample.video_id}},
        "ProjectEvents": {"projectId": sample.project_id},
        "VideoEvents": {"videoId": sample.video_id},
    }
    cursors = {name: await cursor_of_now(run, name, variables) for name, variables in scopes.items()}
    started = await run("StartPipeline", input={"videoId": sample.video_id, "steps": ["MOMENT_GENERATION"]})
    assert (await finish(run.client, started["jobs"][0]["id"]))["status"] == "SUCCEEDED"
    for name, variables in scopes.items():
        seen = await missed(run, name, {**variables, "after": cursors[name]}, started["jobs"][0]["id"])
        assert seen == list(range(1, len(seen) + 1))


async def connected(run: Run, sample: Sample) -> None:
    watched = {"projectId": sample.project_id}
    async with aclosing(run.client.subscribe(operation("ProjectEvents"), watched)) as answers:
        await anext(answers)
        [mine] = (await run("Connections"))["nodes"]
        assert (mine["transport"], mine["user"]["id"]) == ("WEBSOCKET", (await run("Me"))["id"])
        [watching] = mine["subscriptions"]
        assert (watching["name"], watching["operationName"]) == ("projectEvents", "ProjectEvents")


async def cursor_of_now(run: Run, name: str, variables: dict[str, Any]) -> str:
    """Where a feed stands once it has told what there is."""
    run.done.add(name)
    async with aclosing(run.client.subscribe(operation(name), variables)) as answers:
        async for data in answers:
            [update] = data.values()
            if update["jobId"] is None:
                return str(update["cursor"])
    raise AssertionError("the feed ended")


async def missed(run: Run, name: str, variables: dict[str, Any], job_id: str) -> list[int]:
    """Numbers of the events of a job that is over, as a resumed feed brings them."""
    seen: list[int] = []
    async with aclosing(watch_feed(run.client, operation(name), variables, after=variables["after"])) as updates:
        async for update in updates:
            if update["jobId"] == job_id and update["update"]["type"] == "EVENT":
                seen.append(update["update"]["seq"])
                if update["update"]["status"] == "SUCCEEDED":
                    break
    return seen


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
    assert (await run("CancelJob", input={"id": last}))["changed"] is True
    assert (await run("RetryJob", input={"id": last}))["job"]["status"] in ("BLOCKED", "QUEUED")
    deleted = await run("DeleteVideo", input={"id": registered["video"]["id"]})
    assert (await finish(run.client, deleted["job"]["id"]))["status"] == "SUCCEEDED"


async def operating(run: Run, sample: Sample) -> None:
    queues = {queue["name"]: queue for queue in await run("Queues")}
    assert sorted(queues) == ["cpu", "gpu", "io", "llm"]
    [worker] = await run("Workers")
    assert (worker["state"], worker["warnings"]) == ("LIVE", [])
    assert "maintenance" in {schedule["name"] for schedule in (await run("Schedules"))["nodes"]}
    made = await run("RunScheduleNow", input={"name": "maintenance"})
    assert (await finish(run.client, made["job"]["id"]))["status"] == "SUCCEEDED"
    assert (await run("PauseQueue", input={"name": "cpu"}))["queue"]["isPaused"] is True
    waiting = (await run("GenerateMoments", input={"videoId": sample.video_id, "count": 1}))["job"]["id"]
    assert (await run("Job", id=waiting))["waitReason"]["code"] == "PAUSED_QUEUE"
    moved = await run("UpdateJobPriority", input={"id": waiting, "priority": 9})
    assert (moved["job"]["priority"], moved["changed"]) == (9, True)
    of_sample = {"lane": ["cpu"], "videoId": sample.video_id}  # videos of other stories wait there as well
    told = await run("ClearQueue", input={"filter": of_sample, "dryRun": True})
    assert [job["id"] for job in told["jobs"]] == [waiting]
    assert (await run("ClearQueue", input={"filter": of_sample}))["count"] == 1
    assert (await run("DeleteJob", input={"id": waiting}))["deletedIds"] == [waiting]
    assert (await run("ResumeQueue", input={"name": "cpu"}))["changed"] is True
    assert (await run("RetryFailed", input={"filter": {"videoId": sample.video_id}}))["jobs"] == []
    rows = {row["key"]: row for row in await run("JobStatistics", projectId=sample.project_id)}
    assert rows["TRANSCRIPTION"]["successRate"] == 1
    assert rows["TRANSCRIPTION"]["mediaSecondsPerSecond"] > 0
    await run("PauseQueue", input={"name": "cpu"})
    many = {"videoIds": [sample.video_id, "nonsense"], "steps": ["MOMENT_GENERATION"]}
    started = await run("StartPipelines", input=many)
    assert [item["error"] and item["error"]["code"] for item in started["items"]] == [None, "NOT_FOUND"]
    batch = started["batch"]["id"]
    assert (await run("CancelBatch", input={"id": batch}))["changedCount"] == 1
    assert (await run("Batch", id=batch))["counts"] == [{"status": "CANCELLED", "count": 1}]
    again = await run("RetryBatch", input={"id": batch, "onlyFailed": False})
    await run("ResumeQueue", input={"name": "cpu"})
    assert (await finish(run.client, again["jobs"][0]["id"]))["status"] == "SUCCEEDED"
    drained = await run("DrainWorker", input={"id": worker["id"]})
    assert (drained["worker"]["state"], drained["changed"]) == ("DRAINING", True)
    last = await run("StartPipeline", input={"videoId": sample.video_id, "steps": ["MOMENT_GENERATION"]})
    assert (await finish(run.client, last["jobs"][0]["id"]))["status"] == "SUCCEEDED"  # its supervisor started another
    assert worker["id"] not in {other["id"] for other in await run("Workers")}


STORIES: list[Callable[[Run, Sample], Awaitable[None]]] = [
    reading,
    connected,
    jobs,
    recipes,
    clips,
    clips_and_reels,
    media,
    accounts,
    signing_in,
    life_of_a_video,
    importing,
    operating,
    projects,
    storing,
]


class TestOperations:
    async def test_all_of_them_work(self, product: RunningProduct, client: CuepointClient, sample: Sample) -> None:
        run = Run(client)

        for story in STORIES:
            await story(run, sample)

        assert run.done == EVERY_OPERATION
        wrong = complaints(told(product.log), run.done)
        assert not wrong, "\n".join(wrong)
