"""What is made to look at a video and to play it: storyboard, waveform, maps, poster, proxy, audio file, page."""

from __future__ import annotations

import io

from PIL import Image

from tests.e2e.conftest import Sample
from tests.e2e.stories.run import Run
from tests.support.product import finish


async def media(run: Run, sample: Sample) -> None:
    board = (await run("Storyboard", videoId=sample.video_id, at=40))["storyboard"]
    assert (board["intervalSeconds"], board["tileWidth"], board["tileCount"]) == (1.0, 320, 82)
    [sheet] = board["sheets"]
    assert (await run.client.http.get(sheet["url"])).content.startswith(b"\xff\xd8\xff")
    cues = (await run.client.http.get(board["vttUrl"])).text
    assert cues.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nsheet-0.jpg?")
    assert cues.count("#xywh=") == 82
    tile = (await run("Storyboard", videoId=sample.video_id, at=40))["thumbnail"]
    assert tile["atSeconds"] == 40
    assert (await run.client.http.get(tile["url"])).headers["content-type"] == "image/jpeg"
    small = (await run("Storyboard", videoId=sample.video_id, at=40, width=160))["thumbnail"]
    assert (small["width"], len((await run.client.http.get(small["url"])).content) > 0) == (160, True)
    wave = (await run("Waveform", videoId=sample.video_id, samples=400))["waveform"]
    assert (wave["samples"], len(wave["peaks"])) == (400, 800)
    assert (await run("Waveform", videoId=sample.video_id, samples=400, audioTrack=1))["waveform"] == wave
    maps = await run("MediaMaps", videoId=sample.video_id, minDuration=0.2)
    assert maps["speechRanges"]["totalCount"] > maps["blackRanges"]["totalCount"] == 0
    posed = await run("SetPoster", input={"videoId": sample.video_id, "at": "00:00:20.000"})
    proxy = await run("CreateProxy", input={"videoId": sample.video_id})
    audio = await run("ExtractAudio", input={"videoId": sample.video_id, "format": "OPUS", "quality": "LOW"})
    for started in (posed, proxy, audio):
        assert (await finish(run.client, started["job"]["id"]))["status"] == "SUCCEEDED"
    assert (await run("Storyboard", videoId=sample.video_id))["poster"]["atSeconds"] == 20
    await _cover(run, sample)
    playback = await run("Playback", videoId=sample.video_id)
    assert (playback["playback"]["kind"], playback["playback"]["contentType"]) == ("ORIGINAL", "video/mp4")
    files = {one["kind"]: one for one in playback["artifacts"]}
    assert list(files) == ["ASR_AUDIO", "POSTER", "POSTER_MEDIUM", "POSTER_SMALL", "STORYBOARD", "WAVEFORM", "PROXY"]
    assert (await run.client.http.get(files["ASR_AUDIO"]["url"])).content.startswith(b"RIFF")
    [file] = playback["audioFiles"]["nodes"]
    assert (await run.client.http.get(file["url"])).content.startswith(b"OggS")
    assert await run("SimilarVideos", videoId=sample.video_id) == []
    page = await run("CreatePageCode", input={"videoId": sample.video_id})
    assert page["url"].endswith(f"/v/{sample.video_id}#code={page['code']}")


async def _cover(run: Run, sample: Sample) -> None:
    """A picture of one's own is the poster."""
    cover = io.BytesIO()
    Image.new("RGB", (600, 600), (20, 20, 220)).save(cover, "PNG")
    wanted = {"projectId": sample.project_id, "filename": "cover.png", "sizeBytes": len(cover.getvalue())}
    upload = (await run("CreateUpload", input=wanted))["upload"]
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    sent = await run.client.http.patch(upload["url"], content=cover.getvalue(), headers=headers)
    assert sent.status_code == 204
    posed = await run("SetPoster", input={"videoId": sample.video_id, "uploadId": upload["id"]})
    assert (await finish(run.client, posed["job"]["id"]))["status"] == "SUCCEEDED"
    poster = (await run("Storyboard", videoId=sample.video_id))["poster"]
    assert (poster["atSeconds"], poster["width"], poster["height"]) == (None, 600, 600)
