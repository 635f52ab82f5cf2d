"""Captions of sites: files that people, programs and enemies have written, and the revision that is made of one."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from cuepoint.adapters.asr.base import AsrSegment
from cuepoint.db.session import Database
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.transcripts import service
from cuepoint.features.transcripts.captions import Captions, read_cues
from cuepoint.features.transcripts.models import EmptyReason, Transcript, TranscriptSource, TranscriptStatus
from cuepoint.features.videos.models import Video
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import MODEL, make_running_job, make_transcript
from tests.support.builders.videos import make_video

Said = list[tuple[int, int, str]]

VTT = """WEBVTT - A film

STYLE
::cue { color: red }

NOTE 00:00:09.000 is no cue

intro
00:01.500 --> 00:00:02.750 line:0 position:20%
<v Ada><i>Fish &amp; chips</i>
for two

100:00:00.000 --> 100:00:01.000
Much later
"""
SRT = (
    "\ufeff1\r\n00:00:01,500 --> 00:00:02,750\r\n{\\an8}<b>Hello</b>\r\n\r\n2\r\n0:00:03,000 --> 0:00:04,000\r\nAda\r\n"
)


def said(text: str) -> Said:
    return [(cue.start_ms, cue.end_ms, cue.text) for cue in read_cues(text)]


def cue(start: str, end: str, text: str) -> str:
    return f"{start} --> {end}\n{text}\n\n"


class TestReadCues:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            pytest.param(
                VTT,
                [(1_500, 2_750, "Fish & chips for two"), (360_000_000, 360_001_000, "Much later")],
                id="WebVTT",
            ),
            pytest.param(SRT, [(1_500, 2_750, "Hello"), (3_000, 4_000, "Ada")], id="SubRip"),
            pytest.param("<html><script>alert(1)</script></html>", [], id="a page"),
            pytest.param("", [], id="nothing"),
            pytest.param(
                cue("00:02.000", "00:03.000", "b") + cue("00:01.000", "00:02.000", "a"),
                [(1_000, 2_000, "a"), (2_000, 3_000, "b")],
                id="out of order",
            ),
            pytest.param(
                cue("00:01.000", "00:09.000", "a") + cue("00:02.000", "00:03.000", "b"),
                [(1_000, 2_000, "a"), (2_000, 3_000, "b")],
                id="one over the next",
            ),
            pytest.param(
                cue("00:01.000", "00:02.000", "- Yes") + cue("00:01.000", "00:03.000", "- No"),
                [(1_000, 3_000, "- Yes - No")],
                id="two at once",
            ),
            pytest.param(
                cue("00:01.000", "00:02.000", "a" * 999) + cue("00:01.000", "00:03.000", "b"),
                [(1_000, 2_000, "a" * 999)],
                id="more at once than any screen holds",
            ),
            pytest.param(cue("00:01.000", "09:00.000", "a"), [(1_000, 31_000, "a")], id="without an end in sight"),
            pytest.param(cue("00:02.000", "00:02.000", "a") + cue("00:03.000", "00:01.000", "b"), [], id="backwards"),
            pytest.param(cue("00:01.000", "00:02.000", "<i></i> "), [], id="markup alone"),
            pytest.param(
                cue("00:01.000", "00:02.000", "&lt;script&gt;x&lt;/script&gt;"),
                [(1_000, 2_000, "<script>x</script>")],
                id="markup as text",
            ),
            pytest.param(cue("00:01.000", "00:02.000", "a" * 1_001), [], id="longer than any screen"),
            pytest.param(cue("00:01.000", "00:02.000", "<" * 900), [(1_000, 2_000, "<" * 900)], id="open markup"),
            pytest.param("00:01.000 --> 00:02.000\nthe end", [(1_000, 2_000, "the end")], id="cut off"),
            pytest.param("99999:00:01.000 --> 99999:00:02.000\na\n", [], id="beyond all time"),
        ],
    )
    def test_reads_what_people_would_see(self, text: str, found: Said) -> None:
        assert said(text) == found

    def test_takes_as_many_as_a_day_needs(self) -> None:
        starts = (f"{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}.000" for n in range(20_001))
        text = "".join(cue(start, "99:00:00.000", "a") for start in starts)

        assert len(read_cues(text)) == 20_000

    def test_a_mebibyte_of_open_markup_ends_soon(self) -> None:
        assert read_cues(cue("00:01.000", "00:02.000", "<" * (1 << 20))) == []


CUES = [
    AsrSegment(0, 1_000, "Before.", (), 0.0, 0.0, 1.0),
    AsrSegment(1_500, 3_000, "Across the start.", (), 0.0, 0.0, 1.0),
    AsrSegment(4_000, 5_000, "Within.", (), 0.0, 0.0, 1.0),
    AsrSegment(9_000, 12_000, "Across the end.", (), 0.0, 0.0, 1.0),
    AsrSegment(12_000, 13_000, "Behind.", (), 0.0, 0.0, 1.0),
]


def captions(*, offset_ms: int = -2_000, media_end_ms: int = 8_000, language: str = "pt-BR") -> Captions:
    return Captions(CUES, language, f"Vimeo {language}", offset_ms, media_end_ms)


async def adopt(db: Database, video: Video, found: Captions) -> bool:
    job = await make_running_job(db, video, JobKind.INGEST)
    async with db.write() as session:
        return await service.adopt_captions(session, video_id=video.id, job_id=job.id, captions=found)


async def active(db: Database, video: Video) -> Transcript:
    async with db.read() as session:
        return await service.active_revision(session, video.id)


async def active_text(db: Database, video: Video) -> Said:
    async with db.read() as session:
        return [(row.start_ms, row.end_ms, row.text) for row in await service.active_segments(session, video.id)]


@pytest.fixture
async def video(db: Database) -> Video:
    return await make_video(db, await make_project(db))


class TestAdoptCaptions:
    async def test_are_the_active_revision_on_the_time_line_of_the_video(self, db: Database, video: Video) -> None:
        assert await adopt(db, video, captions()) is True

        revision = await active(db, video)
        assert (revision.revision, revision.source, revision.language) == (1, TranscriptSource.CAPTIONS, "pt")
        assert (revision.model, revision.language_probability, revision.empty_reason) == ("Vimeo pt-BR", None, None)
        assert await active_text(db, video) == [
            (0, 1_000, "Across the start."),
            (2_000, 3_000, "Within."),
            (7_000, 8_000, "Across the end."),
        ]

    async def test_a_second_time_changes_nothing(self, db: Database, video: Video) -> None:
        await adopt(db, video, captions())

        assert await adopt(db, video, captions(language="de")) is False

        assert ((await active(db, video)).revision, (await active(db, video)).language) == (1, "pt")

    async def test_never_replace_another_revision(self, db: Database, video: Video) -> None:
        made = await make_transcript(db, video, "Recognised.")

        assert await adopt(db, video, captions()) is False

        assert (await active(db, video)).id == made.id

    async def test_that_lie_outside_are_no_revision(self, db: Database, video: Video) -> None:
        assert await adopt(db, video, captions(offset_ms=-60_000)) is False

        async with db.read() as session:
            assert await service.has_active(session, video.id) is False

    async def test_give_way_to_what_was_recognised_later(self, db: Database, video: Video) -> None:
        await adopt(db, video, captions())

        made = await make_transcript(db, video, "Recognised.")

        async with db.read() as session:
            [former] = [
                one
                for one in await session.scalars(select(Transcript).where(Transcript.video_id == video.id))
                if one.id != made.id
            ]
        assert (await active(db, video)).id == made.id
        assert (former.source, former.status) == (TranscriptSource.CAPTIONS, TranscriptStatus.SUPERSEDED)

    async def test_stay_where_a_recogniser_heard_nothing(self, db: Database, video: Video) -> None:
        await adopt(db, video, captions())
        job = await make_running_job(db, video, JobKind.TRANSCRIPTION)

        async with db.write() as session:
            found = await service.activate_empty(
                session, video_id=video.id, job_id=job.id, model=MODEL, reason=EmptyReason.NO_SPEECH
            )

        assert (found.source, found.id) == (TranscriptSource.CAPTIONS, (await active(db, video)).id)

    @pytest.mark.parametrize(("tag", "code"), [("en_GB", "en"), ("yue", "yue"), ("English", None), ("", None)])
    async def test_the_language_is_a_code_or_unknown(
        self, db: Database, video: Video, tag: str, code: str | None
    ) -> None:
        await adopt(db, video, captions(language=tag))

        assert (await active(db, video)).language == code
