"""The life of a project: changed, archived, set up, tagged, shared, limited, emptied and deleted."""

from __future__ import annotations

import pytest

from cuepoint.client.errors import GraphQLFailure
from tests.e2e.conftest import Sample
from tests.e2e.stories.run import Run
from tests.support.product import finish, send
from tests.support.speech import VIDEO


async def projects(run: Run, sample: Sample) -> None:
    """Every operation of projects, presets, details, quotas, share links and deletions."""
    project = (await run("CreateProject", input={"name": "Match days"}))["project"]
    key = project["id"]
    renamed = await run("UpdateProject", input={"id": key, "version": 1, "name": "Match weeks"})
    assert (renamed["project"]["name"], renamed["project"]["version"]) == ("Match weeks", 2)
    with pytest.raises(GraphQLFailure, match="its version is 2 now"):
        await run("UpdateProject", input={"id": key, "version": 1, "name": "x"})
    await _members(run, key)
    preset = await _presets(run, key)
    video = await _video(run, key, preset)
    await _share(run, key, video)
    await _limit(run, key)
    await _wipe_and_delete(run, key)


async def _members(run: Run, key: str) -> None:
    user = (await run("CreateUser", input={"email": "carl@example.org", "name": "Carl"}))["user"]
    await run("AddMember", input={"projectId": key, "email": "carl@example.org", "role": "VIEWER"})
    changed = await run("UpdateMember", input={"projectId": key, "userId": user["id"], "role": "EDITOR"})
    assert changed["member"]["role"] == "EDITOR"


async def _presets(run: Run, key: str) -> str:
    settings = {"projectId": key, "version": 2, "options": {"language": "en", "momentCount": 4}}
    assert (await run("UpdateProjectSettings", input=settings))["project"]["settings"]["momentCount"] == 4
    options = {"steps": ["PROBE"], "momentCount": 2}
    preset = (await run("CreatePreset", input={"projectId": key, "name": "quick", "options": options}))["preset"]
    await run("UpdatePreset", input={"id": preset["id"], "version": 1, "name": "quick look"})
    assert [one["name"] for one in (await run("Presets", projectId=key))["nodes"]] == ["quick look"]
    assert (await run("Preset", id=preset["id"]))["options"]["steps"] == ["PROBE"]
    assert (await run("Presets"))["nodes"] == []  # the instance has none
    return str(preset["id"])


async def _video(run: Run, key: str, preset: str) -> str:
    registered = await send(run.client, key, VIDEO, presetId=preset, externalId="e1")
    assert [job["kind"] for job in registered["jobs"]] == ["PROBE"]
    assert (await finish(run.client, registered["jobs"][0]["id"]))["status"] == "SUCCEEDED"
    video = registered["video"]["id"]
    given = {"id": video, "version": 1, "title": "Final", "tags": ["final"], "metadata": {"season": 3}}
    assert (await run("UpdateVideo", input=given))["video"]["externalId"] == "e1"
    tags = {"mode": "ADD", "values": ["home"]}
    many = await run("BulkUpdateVideos", input={"ids": [video, "nonsense"], "tags": tags})
    assert many["items"][0]["video"]["tags"] == ["final", "home"]
    assert many["items"][1]["error"]["code"] == "NOT_FOUND"
    wanted = {"projectId": key, "tags": ["home"], "metadata": [{"key": "season", "value": 3}]}
    assert [one["id"] for one in (await run("Videos", filter=wanted))["nodes"]] == [video]
    assert (await run("DeletePreset", input={"id": preset}))["id"] == preset
    return str(video)


async def _share(run: Run, key: str, video: str) -> None:
    shared = await run("CreateShareLink", input={"nodeId": video, "password": "open sesame"})
    assert shared["token"].startswith(shared["shareLink"]["prefix"])
    assert [link["uses"] for link in (await run("ShareLinks", projectId=key))["nodes"]] == [0]
    assert (await run("RevokeShareLink", input={"id": shared["shareLink"]["id"]}))["shareLink"]["revokedAt"]


async def _limit(run: Run, key: str) -> None:
    limits = {"concurrentJobs": 20, "storageBytes": 10**9, "tokensPerMonth": 10**6, "costPerMonth": 2.5}
    limited = await run("SetQuota", input={"projectId": key, **limits})
    assert limited["quota"]["concurrentJobs"]["limit"] == 20
    assert (limited["quota"]["tokensPerMonth"]["limit"], limited["quota"]["costPerMonth"]["limit"]) == (10**6, 2.5)
    quota = await run("Quota", projectId=key)
    assert quota["storageBytes"]["used"] >= VIDEO.stat().st_size
    usage = (await run("ProjectUsage", id=key))["usage"]
    assert (usage["storageBytes"], usage["concurrentJobs"]) == (quota["storageBytes"], quota["concurrentJobs"])


async def _wipe_and_delete(run: Run, key: str) -> None:
    wiped = await run("WipeProjectStorage", input={"id": key, "confirmName": "Match weeks"})
    assert wiped["contents"]["fileCount"] >= 2
    assert (await finish(run.client, wiped["job"]["id"]))["status"] == "SUCCEEDED"
    assert (await run("Quota", projectId=key))["storageBytes"]["used"] == 0
    assert (await run("ArchiveProject", input={"id": key}))["project"]["archivedAt"]
    assert (await run("UnarchiveProject", input={"id": key}))["project"]["archivedAt"] is None
    told = await run("DeleteProject", input={"id": key, "dryRun": True})
    assert (told["contents"]["videoCount"], told["contents"]["fileCount"], told["job"]) == (1, 0, None)
    deleted = await run("DeleteProject", input={"id": key, "confirmName": "Match weeks"})
    assert await run("Project", id=key) is None
    assert (await finish(run.client, deleted["job"]["id"]))["status"] == "SUCCEEDED"
