"""Storage: what there is of what, how long it is kept, and that files and rows agree after all the other stories."""

from __future__ import annotations

import pytest

from cuepoint.client.errors import GraphQLFailure
from tests.e2e.conftest import Sample
from tests.e2e.stories.run import Run
from tests.support.product import finish
from tests.support.speech import VIDEO


async def storing(run: Run, sample: Sample) -> None:
    stats = (await run("ProjectStorage", id=sample.project_id))["storageStats"]
    assert stats["totalBytes"] == sum(kind["sizeBytes"] for kind in stats["byKind"]) > VIDEO.stat().st_size
    assert stats["largest"][0]["sizeBytes"] >= VIDEO.stat().st_size
    everything = await run("StorageStats")
    assert everything["totalBytes"] >= stats["totalBytes"]
    assert everything["byProject"][0]["project"]["id"] == sample.project_id
    await _retention(run, sample)
    await _trash(run, sample)
    for name in ("AuditStorage", "RecountStorage"):
        started = await run(name, input={})
        assert (await finish(run.client, started["job"]["id"]))["status"] == "SUCCEEDED"
        found = await run("StorageFindings", jobId=started["job"]["id"])
        assert found["nodes"] == []


async def _retention(run: Run, sample: Sample) -> None:
    rules = [{"target": "CLIPS", "maxAgeDays": 365}]
    assert (await run("SetRetention", input={"projectId": sample.project_id, "rules": rules}))["rules"] == rules
    assert await run("RetentionRules", projectId=sample.project_id) == rules
    assert (await run("RetentionPreview", projectId=sample.project_id))["totalCount"] == 0
    protected = await run("SetProtection", input={"id": sample.video_id, "isProtected": True})
    assert protected["video"]["isProtected"] is True


async def _trash(run: Run, sample: Sample) -> None:
    """This product keeps no deleted videos: there is nothing to restore."""
    unknown = f"video_{'0' * 32}"
    wanted = {"ids": [unknown], "errorPolicy": "IGNORE_FAILED"}
    [item] = (await run("DeleteVideos", input=wanted))["items"]
    assert item["error"]["code"] == "NOT_FOUND"
    assert (await run("TrashedVideos", projectId=sample.project_id))["totalCount"] == 0
    with pytest.raises(GraphQLFailure) as refused:
        await run("RestoreVideo", input={"id": unknown})
    assert refused.value.codes == ("NOT_FOUND",)
