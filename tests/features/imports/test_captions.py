"""Captions of a page become the transcript of its video: which of them, and what can be done with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from cuepoint.adapters.bundle import Adapters, build_adapters
from cuepoint.adapters.media.forms import CaptionForm, CaptionMode, ClipForm
from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.features.clips.models import CaptionFormat, ClipFile
from cuepoint.features.clips.requests import ClipRequest, Place
from cuepoint.features.clips.service import request_clip
from cuepoint.features.imports import service
from cuepoint.features.imports.captions import choose
from cuepoint.features.imports.models import ImportCaption
from cuepoint.features.imports.tasks import ingest
from cuepoint.features.jobs.effective import JobOptions
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.search.service import SearchRequest, search
from cuepoint.features.transcripts.models import Transcript, TranscriptSegment, TranscriptSource, TranscriptStatus
from cuepoint.features.videos.service import StartOptions
from cuepoint.worker.registry import task_bodies
from tests.features.imports.conftest import World
from tests.support.builders.attempts import begin_attempt
from tests.support.jobs import connect, ended
from tests.support.media import make_clip
from tests.support.workers import worker_for_tests

ENGLISH = b"""WEBVTT

00:00.200 --> 00:01.800
The storm destroyed all the <b>apple trees</b> in our garden.

00:02.000 --> 00:03.800
We fried the mushrooms with butter and garlic.

00:09.000 --> 00:10.000
Behind the end.
"""
GERMAN = b"WEBVTT\n\n00:00.000 --> 00:01.000\nDer Sturm\n"


def caption(language: str, extension: str = "vtt") -> ImportCaption:
    return ImportCaption(language=language, extension=extension, text="")


class TestChoose:
    @pytest.mark.parametrize(
        ("there", "spoken", "chosen"),
        [
            (["de", "en"], "en", "en"),
            (["en-GB", "en-US"], "en-us", "en-US"),
            (["de", "en-GB", "en-US"], "en", "en-GB"),
            (["de", "pt_BR"], "pt-PT", "pt_BR"),
            (["de"], "en", None),
            (["de"], None, "de"),
            (["en", "en-GB"], None, "en"),
            (["de", "en"], None, None),
            (["en-x-autogen"], "en", None),
            (["asr-en", "en-orig"], "en", "en-orig"),
            ([], "en", None),
        ],
    )
    def test_takes_what_people_wrote_of_what_is_spoken(
        self, there: list[str], spoken: str | None, chosen: str | None
    ) -> None:
        found = choose([caption(language) for language in there], spoken)

        assert (found and found.language) == chosen

    def test_takes_what_it_can_read(self) -> None:
        found = choose([caption("en", "ttml"), caption("en", "srt")], "en")

        assert found is not None
        assert found.extension == "srt"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film of four seconds."""
    return make_clip(tmp_path_factory.mktemp("film") / "film.mp4", seconds=4).read_bytes()


@pytest.fixture
def page(world: World, film: bytes) -> str:
    """A page with a film, and captions of two languages."""
    tracks = {"en": ENGLISH, "de": GERMAN}
    for language, text in tracks.items():
        world.web.documents[f"/{language}.vtt"] = ("text/vtt", text)
    listed = "".join(
        f'<track kind="captions" srclang="{language}" src="{world.web.url(f"/{language}.vtt")}">' for language in tracks
    )
    video = f'<video src="{world.web.url("/film.mp4")}">{listed}</video>'
    world.web.documents["/watch"] = ("text/html", f"<!DOCTYPE html><title>A film</title>{video}".encode())
    world.web.documents["/film.mp4"] = ("video/mp4", film)
    return "/watch"


@pytest.fixture
async def adapters(world: World) -> AsyncIterator[Adapters]:
    ports = build_adapters(world.settings)
    yield ports
    await ports.close()


async def said(world: World) -> list[tuple[int, int, str]]:
    return [
        (row.start_ms, row.end_ms, row.text) for row in await world.all(TranscriptSegment, TranscriptSegment.position)
    ]


def options(*steps: JobKind, language: str | None = "en") -> dict[str, Any]:
    return {"how": StartOptions(options=JobOptions(steps=steps or None, language=language))}


async def attempt(world: World, made: service.Imported, ports: Adapters) -> None:
    """One attempt of an import."""
    args = {"import_id": str(made.row.id), "language": "en"}
    context, _ = await begin_attempt(world.db, world.settings, JobKind.INGEST, made.expected.video, args=args)
    await ingest(replace(context, adapters=ports))


@pytest.mark.media
@pytest.mark.models
class TestFromAPage:
    async def test_can_be_searched_and_cut_without_any_recognition(
        self, world: World, page: str, adapters: Adapters, database_url: str
    ) -> None:
        steps = (JobKind.PROBE, JobKind.SEGMENTATION, JobKind.EMBEDDING)
        made = await world.ingest(page, **options(*steps))
        video_id = made.expected.video.id

        async with worker_for_tests(world.settings, task_bodies(), adapters=adapters), connect(database_url) as sql:
            states = await ended(sql, *[job.id for job in made.expected.jobs], seconds=40)
            found = await search(world.db, world.viewer, adapters.embedder, SearchRequest("mushrooms with garlic"))
            form = ClipForm(captions=CaptionForm(mode=CaptionMode.SIDECAR))
            wanted = ClipRequest(video_id, Place(text="fried the mushrooms"), form=form)
            async with world.db.write() as session:
                clip, job = await request_clip(session, world.viewer, wanted)
            states += await ended(sql, job.id, seconds=40)

        [transcript] = await world.all(Transcript)
        [file] = [one for one in await world.all(ClipFile) if one.format is CaptionFormat.SRT]
        beside = b"".join([piece async for piece in adapters.storage.read(file.storage_key, 0, file.size_bytes)])
        assert states == ["SUCCEEDED"] * 5
        assert (transcript.source, transcript.status) == (TranscriptSource.CAPTIONS, TranscriptStatus.ACTIVE)
        assert (transcript.language, transcript.model) == ("en", "HTML5MediaEmbed en")
        assert await said(world) == [
            (200, 1_800, "The storm destroyed all the apple trees in our garden."),
            (2_000, 3_800, "We fried the mushrooms with butter and garlic."),
        ]
        assert [hit.video_id for hit in found.hits][:1] == [video_id]
        assert "mushrooms" in found.hits[0].text
        assert 2_000 <= clip.requested_start_ms < clip.requested_end_ms <= 3_800
        assert "fried the mushrooms" in beside.decode()

    async def test_move_with_the_section_that_is_kept(self, world: World, page: str, adapters: Adapters) -> None:
        made = await world.ingest(page, start_ms=1_500, end_ms=3_000, auto_start=False)

        await attempt(world, made, adapters)

        assert await said(world) == [
            (0, 300, "The storm destroyed all the apple trees in our garden."),
            (500, 1_500, "We fried the mushrooms with butter and garlic."),
        ]

    async def test_an_attempt_that_broke_off_makes_no_second_one(
        self, world: World, page: str, adapters: Adapters
    ) -> None:
        made = await world.ingest(page, auto_start=False)
        broken = replace(adapters, storage=cast(Any, Breaking(adapters.storage)))

        with pytest.raises(AdapterError):
            await attempt(world, made, broken)
        assert await world.all(Transcript) == []
        asked = len(world.web.requests)
        await attempt(world, made, adapters)

        assert [row.revision for row in await world.all(Transcript)] == [1]
        assert len(world.web.requests) == asked  # the captions are those of the first attempt


class Breaking:
    """A storage that cannot move a whole upload."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def finish_upload(self, upload_key: str, key: str) -> None:
        raise AdapterError(ErrorCode.STORAGE_UNAVAILABLE, f"{upload_key} cannot be moved to {key}.", retryable=True)


class TestLanguage:
    async def test_of_the_call_is_told_to_the_import(self, world: World) -> None:
        made = await world.ingest("/file/film.mp4", **options(language="de"))

        assert made.expected.jobs[0].args == {
            "import_id": str(made.row.id),
            "language": "de",
            "sources": {"language": "CALL"},
        }
