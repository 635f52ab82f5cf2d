"""Bad input and faults through the public door: each gives a typed error that says what to do, and the rest goes on."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from cuepoint.client import CuepointClient, GraphQLFailure
from tests.e2e.conftest import Sample
from tests.support.media import make_clip, make_text, make_truncated, make_wav
from tests.support.product import RunningProduct, call, finish, operation, send

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.media]

TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


async def ends_of(client: CuepointClient, registered: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The last update of each job, by kind."""
    jobs = registered["jobs"]
    ends = await asyncio.gather(*[finish(client, job["id"]) for job in jobs])
    return {job["kind"]: end for job, end in zip(jobs, ends, strict=True)}


class TestFiles:
    async def test_silence_is_a_success_with_a_reason(
        self, client: CuepointClient, sample: Sample, tmp_path: Path
    ) -> None:
        registered = await send(client, sample.project_id, make_clip(tmp_path / "silence.mp4", 3, audio="silence"))

        ends = await ends_of(client, registered)
        transcript = (await call(client, "Transcript", {"videoId": registered["video"]["id"]}))["transcript"]

        assert {end["status"] for end in ends.values()} == {"SUCCEEDED"}
        assert (transcript["emptyReason"], transcript["language"]) == ("NO_SPEECH", None)
        assert transcript["segments"]["totalCount"] == 0

    async def test_no_audio_track_is_a_success_with_a_reason(
        self, client: CuepointClient, sample: Sample, tmp_path: Path
    ) -> None:
        registered = await send(client, sample.project_id, make_clip(tmp_path / "mute.mp4", 1, audio=None))

        ends = await ends_of(client, registered)
        transcript = (await call(client, "Transcript", {"videoId": registered["video"]["id"]}))["transcript"]

        assert {end["status"] for end in ends.values()} == {"SUCCEEDED"}
        assert transcript["emptyReason"] == "NO_AUDIO"

    async def test_a_text_file_is_refused_with_what_it_is(
        self, client: CuepointClient, sample: Sample, tmp_path: Path
    ) -> None:
        registered = await send(client, sample.project_id, make_text(tmp_path / "notes.mp4"))

        ends = await ends_of(client, registered)
        video = await call(client, "Video", {"id": registered["video"]["id"]})

        assert ends["PROBE"]["status"] == "FAILED"
        assert {end["status"] for kind, end in ends.items() if kind != "PROBE"} == {"CANCELLED"}
        assert video["status"] == "FAILED"
        assert [problem["code"] for problem in video["problems"]] == ["UNSUPPORTED_MEDIA"]
        assert "text" in video["problems"][0]["message"]

    async def test_a_truncated_file_is_refused(self, client: CuepointClient, sample: Sample, tmp_path: Path) -> None:
        registered = await send(client, sample.project_id, make_truncated(tmp_path / "cut.mp4", with_index=False))

        ends = await ends_of(client, registered)
        video = await call(client, "Video", {"id": registered["video"]["id"]})

        assert ends["PROBE"]["status"] == "FAILED"
        assert video["problems"][0]["code"] in ("MEDIA_TRUNCATED", "UNSUPPORTED_MEDIA")

    async def test_sound_alone_of_a_second_goes_through(
        self, client: CuepointClient, sample: Sample, tmp_path: Path
    ) -> None:
        registered = await send(client, sample.project_id, make_wav(tmp_path / "second.wav", 1.0))

        ends = await ends_of(client, registered)
        video = await call(client, "Video", {"id": registered["video"]["id"]})

        assert {end["status"] for end in ends.values()} == {"SUCCEEDED"}
        assert (video["status"], video["media"]["durationSeconds"]) == ("READY", 1.0)

    async def test_a_hostile_name_stays_a_name(
        self, client: CuepointClient, sample: Sample, product: RunningProduct, tmp_path: Path
    ) -> None:
        name = "../../-rf \"quoted\" 'it'\nsecond line.mp4"
        content = make_clip(tmp_path / "plain.mp4", 1).read_bytes()
        wanted = {"projectId": sample.project_id, "filename": name, "sizeBytes": len(content)}
        upload = (await call(client, "CreateUpload", {"input": wanted}))["upload"]
        await client.http.patch(upload["url"], content=content, headers={**TUS, "Upload-Offset": "0"})

        registered = await call(client, "RegisterVideo", {"input": {"uploadId": upload["id"]}})
        ends = await ends_of(client, registered)
        video = await call(client, "Video", {"id": registered["video"]["id"]})
        original = await client.http.get(video["url"])

        assert {end["status"] for end in ends.values()} == {"SUCCEEDED"}
        assert original.content == content
        assert "\n" not in original.headers["Content-Disposition"]
        names = [path.name for path in (product.home / "storage").rglob("*")]
        assert [name for name in names if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name)] == []


class TestUploads:
    async def create(self, client: CuepointClient, sample: Sample, size: int) -> dict[str, Any]:
        wanted = {"projectId": sample.project_id, "filename": "a.mp4", "sizeBytes": size}
        return (await call(client, "CreateUpload", {"input": wanted}))["upload"]

    async def test_an_empty_file_is_refused(self, client: CuepointClient, sample: Sample) -> None:
        with pytest.raises(GraphQLFailure, match="empty") as refused:
            await self.create(client, sample, 0)

        assert refused.value.codes == ("BAD_USER_INPUT",)

    async def test_goes_on_where_it_stopped(self, client: CuepointClient, sample: Sample) -> None:
        upload = await self.create(client, sample, 10)

        first = await client.http.patch(upload["url"], content=b"01234", headers={**TUS, "Upload-Offset": "0"})
        asked = await client.http.head(upload["url"], headers=TUS)
        wrong = await client.http.patch(upload["url"], content=b"xx", headers={**TUS, "Upload-Offset": "3"})
        early = await client.execute(
            "mutation($id: ID!) { registerVideo(input: {uploadId: $id}) { video { id } } }", {"id": upload["id"]}
        )
        last = await client.http.patch(upload["url"], content=b"56789", headers={**TUS, "Upload-Offset": "5"})

        assert (first.status_code, first.headers["Upload-Offset"]) == (204, "5")
        assert asked.headers["Upload-Offset"] == "5"
        assert wrong.status_code == 409
        assert early["registerVideo"]["video"] is None
        assert (last.status_code, last.headers["Upload-Offset"]) == (204, "10")

    async def test_a_size_that_lies_stops_at_the_declared_size(self, client: CuepointClient, sample: Sample) -> None:
        upload = await self.create(client, sample, 4)

        sent = await client.http.patch(upload["url"], content=b"too many bytes", headers={**TUS, "Upload-Offset": "0"})
        state = await call(client, "Upload", {"id": upload["id"]})

        assert sent.status_code == 413
        assert int(state["offsetBytes"]) <= 4
        assert state["status"] != "COMPLETE"


class TestAccess:
    async def test_wrong_tokens_are_told_what_to_do(self, product: RunningProduct) -> None:
        for token in (None, "cp_wrong"):
            async with CuepointClient(product.url, token) as nobody:
                with pytest.raises(GraphQLFailure) as refused:
                    await call(nobody, "Me")
            assert refused.value.codes == ("UNAUTHENTICATED",)
            assert "cuepoint token" in str(refused.value)

    async def test_a_stranger_sees_nothing(
        self, client: CuepointClient, product: RunningProduct, sample: Sample
    ) -> None:
        user = (await call(client, "CreateUser", {"input": {"email": "eve@example.org", "name": "Eve"}}))["user"]
        key = await call(client, "CreateApiKey", {"input": {"name": "eve", "userId": user["id"]}})
        async with CuepointClient(product.url, key["secret"]) as eve:
            one = "query($id: ID!) { video(id: $id) { id } }"
            video = (await eve.execute(one, {"id": sample.video_id}))["video"]
            videos = await call(eve, "Videos")
            hits = (await call(eve, "SemanticSearch", {"query": "baking"}))["hits"]
            with pytest.raises(GraphQLFailure) as clip:
                await call(eve, "CreateClip", {"input": {"videoId": sample.video_id, "start": 0, "end": 1}})
            with pytest.raises(GraphQLFailure) as watch:
                async for _ in eve.subscribe(operation("JobProgress"), {"jobId": sample.jobs["PROBE"]}):
                    pass

        assert (video, videos["totalCount"], hits) == (None, 0, [])
        assert clip.value.codes == watch.value.codes == ("NOT_FOUND",)


class TestQueries:
    @pytest.mark.parametrize("query", ["", "   ", "x" * 10_000])
    async def test_a_query_has_1_to_500_characters(self, client: CuepointClient, query: str) -> None:
        with pytest.raises(GraphQLFailure, match="500") as refused:
            await call(client, "SemanticSearch", {"query": query})

        assert refused.value.codes == ("BAD_USER_INPUT",)

    @pytest.mark.parametrize("first", [-1, 0, 101])
    async def test_a_page_has_1_to_100_rows(self, client: CuepointClient, first: int) -> None:
        with pytest.raises(GraphQLFailure) as refused:
            await call(client, "Videos", {"first": first})

        assert refused.value.codes == ("BAD_USER_INPUT",)

    async def test_a_clip_lies_inside_the_media(self, client: CuepointClient, sample: Sample) -> None:
        with pytest.raises(GraphQLFailure, match=r"81\.4") as refused:
            await call(client, "CreateClip", {"input": {"videoId": sample.video_id, "start": 80, "end": 99}})

        assert refused.value.codes == ("RANGE_OUTSIDE_MEDIA",)
