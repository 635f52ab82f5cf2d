"""From what a request says to a span of the video, by the transcript."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.clips import service
from cuepoint.features.clips.models import Clip
from cuepoint.features.clips.requests import ClipRequest, Place
from cuepoint.features.clips.spans import ClipSnap, SilenceRule
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects.models import Project
from cuepoint.features.transcripts import service as transcripts
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.videos import INFO, make_maps, make_video

# 300 ms a word, 400 ms between sentences: 0-1500, 1900-3400, 3800-5300.
TEXTS = ("The seed lies in earth.", "It waits for warm rain.", "The seed lies no longer.")


@pytest.fixture
async def video(db: Database, viewer: Viewer) -> Video:
    return await make_video(db, await make_project(db, owner_id=viewer.user_id))


@pytest.fixture
async def said(db: Database, video: Video) -> Video:
    await make_transcript(db, video, *TEXTS, with_chunks=True)
    return video


async def ask(db: Database, viewer: Viewer, video: Video, place: Place, **values: object) -> Clip:
    async with db.write() as session:
        clip, _ = await service.request_clip(session, viewer, ClipRequest(video.id, place, **values))  # type: ignore[arg-type]
    return clip


async def refusal(db: Database, viewer: Viewer, video: Video, place: Place, **values: object) -> CuepointError:
    with pytest.raises(CuepointError) as caught:
        await ask(db, viewer, video, place, **values)
    async with db.read() as session:
        assert await session.scalar(select(func.count()).select_from(Clip)) == 0
        assert await session.scalar(select(func.count()).where(Job.kind == JobKind.CLIP_EXTRACTION)) == 0
    return caught.value


class TestText:
    async def test_the_words_are_found(self, db: Database, viewer: Viewer, said: Video) -> None:
        clip = await ask(db, viewer, said, Place(text="waits for WARM rain!"))

        assert (clip.requested_start_ms, clip.requested_end_ms) == (2_200, 3_400)
        assert clip.title == "waits for WARM rain!"

    async def test_an_ambiguous_text_lists_its_places(self, db: Database, viewer: Viewer, said: Video) -> None:
        error = await refusal(db, viewer, said, Place(text="the seed lies"))

        assert (error.code, error.field) == (ErrorCode.AMBIGUOUS_TEXT, ("text",))
        assert "2 times (1: 0.000-0.900 s; 2: 3.800-4.700 s)" in error.message

    async def test_an_occurrence_chooses(self, db: Database, viewer: Viewer, said: Video) -> None:
        clip = await ask(db, viewer, said, Place(text="the seed lies", occurrence=2))

        assert (clip.requested_start_ms, clip.requested_end_ms) == (3_800, 4_700)

    @pytest.mark.parametrize(
        ("place", "code", "field"),
        [
            (Place(text="the sea"), ErrorCode.TEXT_NOT_FOUND, "text"),
            (Place(text="  "), ErrorCode.BAD_USER_INPUT, "text"),
            (Place(text="the seed lies", occurrence=3), ErrorCode.BAD_USER_INPUT, "occurrence"),
            (Place(text="the seed lies", occurrence=0), ErrorCode.BAD_USER_INPUT, "occurrence"),
            (Place(start_ms=0, end_ms=1000, occurrence=1), ErrorCode.BAD_USER_INPUT, "occurrence"),
            (Place(text="rain", start_ms=0, end_ms=1000), ErrorCode.BAD_USER_INPUT, "start"),
        ],
        ids=["other words", "no words", "too far", "zero", "without text", "with a range"],
    )
    async def test_refuses(
        self, db: Database, viewer: Viewer, said: Video, place: Place, code: ErrorCode, field: str
    ) -> None:
        error = await refusal(db, viewer, said, place)

        assert (error.code, error.field) == (code, (field,))

    async def test_needs_a_transcript(self, db: Database, viewer: Viewer, video: Video) -> None:
        assert (await refusal(db, viewer, video, Place(text="rain"))).code is ErrorCode.NOT_READY


class TestPassage:
    async def test_a_hit_gives_range_and_title(self, db: Database, viewer: Viewer, said: Video) -> None:
        async with db.read() as session:
            _, chunks = await transcripts.active_chunks(session, said.id)

        clip = await ask(db, viewer, said, Place(chunk_id=chunks[0].id))

        assert (clip.requested_start_ms, clip.requested_end_ms) == (chunks[0].start_ms, chunks[0].end_ms)
        assert clip.title == " ".join(chunks[0].text.split())

    async def test_of_another_video_is_absent(self, db: Database, viewer: Viewer, said: Video) -> None:
        error = await refusal(db, viewer, said, Place(chunk_id=uuid7()))

        assert isinstance(error, NotFoundError)
        assert error.field == ("chunkId",)


class TestSnap:
    async def test_the_range_grows_to_its_sentences(self, db: Database, viewer: Viewer, said: Video) -> None:
        clip = await ask(db, viewer, said, Place(1_000, 2_000), snap=ClipSnap.SENTENCE)

        assert (clip.requested_start_ms, clip.requested_end_ms) == (1_000, 2_000)
        assert service.cut_range(clip) == (clip.snapped_start_ms, clip.snapped_end_ms) == (0, 3_400)

    async def test_from_there_it_goes_into_the_silence(self, db: Database, viewer: Viewer, said: Video) -> None:
        await make_maps(db, said, silences=[1_550, 1_850], black=[])

        clip = await ask(db, viewer, said, Place(1_000, 1_200), snap=ClipSnap.SENTENCE)
        plain = await ask(db, viewer, said, Place(0, 1_500))

        assert (service.cut_range(clip), service.cut_range(plain)) == ((0, 1_600), (0, 1_500))

    async def test_what_stays_is_not_noted(self, db: Database, viewer: Viewer, said: Video) -> None:
        clip = await ask(db, viewer, said, Place(1_900, 3_400), snap=ClipSnap.SENTENCE)

        assert (clip.snapped_start_ms, service.cut_range(clip)) == (None, (1_900, 3_400))


class TestSilences:
    async def test_what_is_left_is_stored(self, db: Database, viewer: Viewer, said: Video) -> None:
        clip = await ask(db, viewer, said, Place(0, 6_000), silences=SilenceRule(300, 100))

        assert clip.kept_ranges == [[0, 1_600], [1_800, 3_500], [3_700, 5_400]]

    async def test_nothing_to_remove_is_a_plain_cut(self, db: Database, viewer: Viewer, said: Video) -> None:
        assert (await ask(db, viewer, said, Place(0, 1_500), silences=SilenceRule(300, 100))).kept_ranges is None

    @pytest.mark.parametrize(
        ("rule", "place", "code", "field"),
        [
            (SilenceRule(100, 0), Place(0, 6_000), ErrorCode.BAD_USER_INPUT, ("removeSilences", "minSilence")),
            (SilenceRule(500, 300), Place(0, 6_000), ErrorCode.BAD_USER_INPUT, ("removeSilences", "margin")),
            (SilenceRule(), Place(10_000, 20_000), ErrorCode.TEXT_NOT_FOUND, ("removeSilences",)),
        ],
        ids=["too short", "margins too wide", "nobody speaks"],
    )
    async def test_refuses(
        self, db: Database, viewer: Viewer, said: Video, rule: SilenceRule, place: Place, code: ErrorCode, field: object
    ) -> None:
        error = await refusal(db, viewer, said, place, silences=rule)

        assert (error.code, error.field) == (code, field)


class TestLength:
    async def test_what_does_not_tell_its_length_cannot_be_cut(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        endless = await make_video(db, project, info=replace(INFO, duration_ms=None))
        unprobed = await make_video(db, project, info=None)

        refused = await refusal(db, viewer, endless, Place(0, 1_000))
        early = await refusal(db, viewer, unprobed, Place(0, 1_000))

        assert (refused.code, refused.field) == (ErrorCode.UNSUPPORTED_MEDIA, ("videoId",))
        assert refused.message.endswith("it cannot be cut. Convert it to MP4; upload that.")
        assert early.code is ErrorCode.NOT_READY


class TestRange:
    async def test_half_a_range_is_none(self, db: Database, viewer: Viewer, video: Video) -> None:
        error = await refusal(db, viewer, video, Place(start_ms=0))

        assert isinstance(error, BadInputError)
        assert error.field == ("end",)
