"""Imports by URL, from a playlist and from a folder, and the progress of an upload."""

from __future__ import annotations

import importlib.util
from contextlib import aclosing

import pytest

from cuepoint.client.errors import GraphQLFailure
from tests.e2e.conftest import Sample
from tests.e2e.stories.run import Run
from tests.support.hostile_web import hostile_web
from tests.support.product import finish, operation
from tests.support.speech import VIDEO


async def importing(run: Run, sample: Sample) -> None:
    async with hostile_web(file=VIDEO.read_bytes()) as web:
        wanted = {"projectId": sample.project_id, "url": web.url("/file/stories.mp4"), "onDuplicate": "LINK"}
        asked = await run("IngestUrl", input=wanted)
        assert asked["video"]["status"] == "UPLOADING"
        assert (await finish(run.client, asked["jobs"][0]["id"]))["status"] == "SUCCEEDED"
        entry = (await run("Imports", projectId=sample.project_id))["nodes"][0]
        assert entry["duplicateOf"] == {"id": sample.video_id}
        web.documents["/list"] = ("application/rss+xml", _feed(web.url("/status/404")))
        listed = await run(
            "IngestPlaylist", input={"projectId": sample.project_id, "url": web.url("/list"), "limit": 2}
        )
        end = await finish(run.client, listed["job"]["id"])
        assert end["status"] == ("SUCCEEDED" if importlib.util.find_spec("yt_dlp") else "FAILED")
    await _folder(run, sample)
    await _progress(run, sample)


def _feed(link: str) -> bytes:
    return f'<?xml version="1.0"?><rss version="2.0"><channel><item><link>{link}</link></item></channel></rss>'.encode()


async def _folder(run: Run, sample: Sample) -> None:
    wanted = {"projectId": sample.project_id, "kind": "FOLDER", "path": str(VIDEO.parent), "pattern": VIDEO.name}
    source = (await run("CreateImportSource", input={**wanted, "isEnabled": False}))["importSource"]["id"]
    for _ in range(2):
        job = (await run("RunImportSource", input={"id": source}))["job"]["id"]
        assert (await finish(run.client, job))["status"] == "SUCCEEDED"
    [file] = (await run("ImportSource", id=source))["files"]["nodes"]
    assert (file["name"], file["status"]) == (VIDEO.name, "TAKEN")
    changed = await run("UpdateImportSource", input={"id": source, "schedule": "0 4 * * *"})
    assert changed["importSource"]["schedule"] == "0 4 * * *"
    assert (await run("ImportSources", projectId=sample.project_id))["totalCount"] == 1
    assert (await run("DeleteImportSource", input={"id": source}))["id"] == source


async def _progress(run: Run, sample: Sample) -> None:
    wanted = {"projectId": sample.project_id, "filename": "a.mp4", "sizeBytes": 5}
    upload = (await run("CreateUpload", input=wanted))["upload"]
    with pytest.raises(GraphQLFailure) as refused:  # the storage of this product is a directory
        await run("SignUploadParts", input={"uploadId": upload["id"], "numbers": [1]})
    assert refused.value.codes == ("BAD_USER_INPUT",)
    with pytest.raises(GraphQLFailure):
        await run("CompleteUpload", input={"id": upload["id"]})
    run.done.add("UploadProgress")
    seen = []
    async with aclosing(run.client.subscribe(operation("UploadProgress"), {"id": upload["id"]})) as updates:
        async for data in updates:
            seen.append(data["uploadProgress"])
            if len(seen) == 1:
                await _send(run, upload["url"])
    assert (seen[0]["receivedBytes"], seen[0]["isFinal"]) == (0, False)
    assert (seen[-1]["receivedBytes"], seen[-1]["upload"]["status"]) == (5, "COMPLETE")


async def _send(run: Run, url: str) -> None:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert (await run.client.http.patch(url, content=b"12345", headers=headers)).status_code == 204
