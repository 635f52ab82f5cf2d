"""Clips by what is said, in every form; many at once; and reels."""

from __future__ import annotations

import pytest

from cuepoint.client.errors import GraphQLFailure
from tests.e2e.conftest import Sample
from tests.e2e.stories.run import Run
from tests.support.product import finish

FADE = {"transition": "FADE_THROUGH_BLACK", "duration": 0.4}


async def clips_and_reels(run: Run, sample: Sample) -> None:
    hit = (await run("SemanticSearch", query="seeds that wait for rain"))["hits"][0]
    form = {"aspect": "R9_16", "fit": "BLUR", "resolution": 180, "captions": {"mode": "BURN", "highlightWords": True}}
    items = [
        {"videoId": sample.video_id, "chunkId": hit["chunkId"], "snap": "SENTENCE", "output": form},
        {"videoId": sample.video_id, "start": 5, "end": 8, "output": {"captions": {"mode": "SIDECAR"}}},
        {"videoId": sample.video_id, "start": 5, "end": 6, "mode": "FAST", "output": form},
    ]
    made = await run("CreateClips", input={"items": items})
    assert [item["error"] and item["error"]["code"] for item in made["items"]] == [None, None, "CONFLICTING_OPTIONS"]
    upright, beside = (item["clip"] for item in made["items"][:2])
    for clip in (upright, beside):
        assert (await finish(run.client, clip["job"]["id"]))["status"] == "SUCCEEDED"
    shown = await run("Clip", id=upright["id"])
    assert (shown["mode"], shown["output"]["aspect"]) == ("RENDER", "R9_16")
    assert shown["modeReason"] == "Copied packets cannot have: resolution, aspect, captions."
    files = (await run("Clip", id=beside["id"]))["captionFiles"]
    assert [file["format"] for file in files] == ["SRT", "VTT"]

    rule = {"videoId": sample.video_id, "clipDuration": 20, "overlap": 0, "maxClips": 2}
    cut = await run("AutoClips", input=rule)
    for item in cut["items"]:
        assert (await finish(run.client, item["clip"]["job"]["id"]))["status"] == "SUCCEEDED"

    counts = await run("ClipCounts", videoId=sample.video_id)
    assert {"status": "FAILED"} not in [{"status": row["status"]} for row in counts]
    assert sum(row["count"] for row in counts) >= 4

    pieces = [{"videoId": sample.video_id, "start": 2, "end": 4}, {"clipId": upright["id"]}]
    given = {"projectId": sample.project_id, "items": pieces, "transitions": [FADE], "output": {"loudness": -16}}
    joined = await run("CreateReel", input=given)
    assert (await finish(run.client, joined["job"]["id"]))["status"] == "SUCCEEDED"
    reel = await run("Reel", id=joined["reel"]["id"])
    assert reel["url"]
    assert reel["transitions"] == [{"transition": "FADE_THROUGH_BLACK", "durationSeconds": 0.4}]
    assert [item["clip"] and item["clip"]["id"] for item in reel["items"]] == [None, upright["id"]]
    assert (await run("Reels", projectId=sample.project_id))["totalCount"] == 1

    await _deleted(run, beside["id"], joined["reel"]["id"])


async def _deleted(run: Run, clip_id: str, reel_id: str) -> None:
    """This product keeps no deleted works: there is nothing to restore."""
    assert (await run("DeleteClip", input={"id": clip_id, "permanently": True}))["restorableUntil"] is None
    assert (await run("DeleteReel", input={"id": reel_id}))["restorableUntil"] is None
    for name in ("TrashedClips", "TrashedReels"):
        assert (await run(name))["totalCount"] == 0
    for name, key in (("RestoreClip", clip_id), ("RestoreReel", reel_id)):
        with pytest.raises(GraphQLFailure) as refused:
            await run(name, input={"id": key})
        assert refused.value.codes == ("NOT_FOUND",)
