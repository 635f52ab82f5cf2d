"""Reading transcripts, their files and passages, and who may do so."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from sqlalchemy import select

from cuepoint.adapters.asr.base import AsrModelInfo
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.transcripts import service
from cuepoint.features.transcripts.chunking import Chunk
from cuepoint.features.transcripts.models import (
    Transcript,
    TranscriptChunk,
    TranscriptSegment,
)
from cuepoint.features.transcripts.notice import DEMO_MODEL_NOTICE
from cuepoint.features.transcripts.repository import SegmentRequest, TimeRange
from cuepoint.features.transcripts.subtitles import TranscriptFormat
from cuepoint.features.videos.models import Video
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import (
    make_transcript,
    member_of,
    texts_of,
)
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video


async def new_video(db: Database) -> Video:
    return await make_video(db, await make_project(db))


async def stored(db: Database, transcript: Transcript) -> list[TranscriptSegment]:
    async with db.read() as session:
        return list(await service.segments_of(session, transcript.id))


class TestActiveTranscript:
    async def test_is_the_active_revision(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        viewer = await member_of(db, project)
        transcript = await make_transcript(db, video, "One.")

        async with db.read() as session:
            found = await service.active_transcript(session, viewer, video.id)

        assert found is not None
        assert found.id == transcript.id

    async def test_a_draft_is_not_active(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        viewer = await member_of(db, project)
        await make_transcript(db, video, "One.", is_active=False)

        async with db.read() as session:
            assert await service.active_transcript(session, viewer, video.id) is None

    async def test_a_stranger_finds_nothing(self, db: Database) -> None:
        video = await new_video(db)
        transcript = await make_transcript(db, video, "One.")
        stranger = await member_of(db, await make_project(db))

        async with db.read() as session:
            with pytest.raises(NotFoundError):
                await service.active_transcript(session, stranger, video.id)
            with pytest.raises(NotFoundError):
                await service.get_transcript(session, stranger, transcript.id)
            with pytest.raises(NotFoundError):
                await service.transcript_file(session, stranger, transcript.id, TranscriptFormat.TXT)
            assert await service.active_transcripts(session, stranger, [video.id]) == {}
            assert await service.segment_counts(session, stranger, [transcript.id], None) == {}
            assert await service.texts(session, stranger, [transcript.id]) == {}
            pages = await service.segment_pages(session, stranger, [transcript.id], SegmentRequest(10))
            assert pages[transcript.id].rows == []

    async def test_an_administrator_sees_all(self, db: Database) -> None:
        video = await new_video(db)
        transcript = await make_transcript(db, video, "One.")
        admin = await make_viewer(db, is_admin=True)

        async with db.read() as session:
            assert (await service.get_transcript(session, admin, transcript.id)).id == transcript.id


class TestListSegments:
    async def test_pages_hold_each_segment_once_in_order(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        transcript = await make_transcript(db, await make_video(db, project), *[f"Number {n}." for n in range(5)])

        pages = []
        after = None
        async with db.read() as session:
            while True:
                pages_of = await service.segment_pages(session, viewer, [transcript.id], SegmentRequest(2, after))
                page = pages_of[transcript.id]
                pages.append(texts_of(page.rows))
                if not page.has_next_page:
                    break
                after = page.cursors[-1]

        assert pages == [["Number 0.", "Number 1."], ["Number 2.", "Number 3."], ["Number 4."]]

    @pytest.mark.parametrize(
        ("start_ms", "end_ms", "texts"),
        [
            (0, 600, ["Number 0."]),
            (599, 1001, ["Number 0.", "Number 1."]),
            (600, 1000, []),
            (2000, 60_000, ["Number 2."]),
        ],
    )
    async def test_a_range_holds_what_overlaps_it(
        self, db: Database, start_ms: int, end_ms: int, texts: list[str]
    ) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        transcript = await make_transcript(db, await make_video(db, project), *[f"Number {n}." for n in range(3)])

        async with db.read() as session:
            stretch = TimeRange(start_ms, end_ms)
            request = SegmentRequest(10, range=stretch)
            page = (await service.segment_pages(session, viewer, [transcript.id], request))[transcript.id]
            counts = await service.segment_counts(session, viewer, [transcript.id], stretch)

        assert texts_of(page.rows) == texts
        assert counts.get(transcript.id, 0) == len(texts)

    async def test_a_foreign_cursor_is_bad_input(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        transcript = await make_transcript(db, await make_video(db, project), "One.")

        async with db.read() as session:
            with pytest.raises(BadInputError):
                await service.segment_pages(session, viewer, [transcript.id], SegmentRequest(2, "bm9uc2Vuc2U"))


class TestTranscriptFile:
    async def test_is_named_after_the_video_and_its_language(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        video = await make_video(db, project)
        transcript = await make_transcript(db, video, "Hello there.")

        async with db.read() as session:
            file = await service.transcript_file(session, viewer, transcript.id, TranscriptFormat.VTT)

        assert file.filename == "stories.en.vtt"
        assert file.content_type == "text/vtt"
        assert file.content == "WEBVTT\n\n00:00:00.000 --> 00:00:00.800\nHello there.\n\n"

    async def test_json_tells_what_made_it(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        demo = AsrModelInfo("faster-whisper", "whisper-demo", is_demo=True, key="demo")
        transcript = await make_transcript(db, await make_video(db, project), "Hello.", model=demo)

        async with db.read() as session:
            file = await service.transcript_file(session, viewer, transcript.id, TranscriptFormat.JSON)

        content = json.loads(file.content)
        assert content["notice"] == DEMO_MODEL_NOTICE
        assert (content["language"], content["languageProbability"]) == ("en", 0.98)
        assert [segment["text"] for segment in content["segments"]] == ["Hello."]

    async def test_a_draft_is_not_ready(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        draft = await make_transcript(db, await make_video(db, project), "One.", is_active=False)

        async with db.read() as session:
            with pytest.raises(CuepointError) as raised:
                await service.transcript_file(session, viewer, draft.id, TranscriptFormat.TXT)

        assert raised.value.code is ErrorCode.NOT_READY


class TestReplaceChunks:
    async def test_a_second_run_leaves_the_same_rows(self, db: Database) -> None:
        video = await new_video(db)
        transcript = await make_transcript(db, video, "One.", with_chunks=True)
        chunks = [Chunk(0, 300, "One."), Chunk(300, 600, "Two."), Chunk(600, 900, "One.")]

        async with db.write() as session:
            ids = await service.replace_chunks(session, transcript.id, chunks)
        async with db.write() as session:
            again = await service.replace_chunks(session, transcript.id, chunks)

        assert again == ids
        async with db.read() as session:
            found, rows = await service.active_chunks(session, video.id)
        assert found.id == transcript.id
        assert [(row.id, row.position, row.start_ms, row.end_ms, row.text) for row in rows] == [
            (ids[0], 0, 0, 300, "One."),
            (ids[1], 1, 300, 600, "Two."),
            (ids[2], 2, 600, 900, "One."),
        ]

    async def test_two_revisions_may_hold_the_same_passage(self, db: Database) -> None:
        video = await new_video(db)
        await make_transcript(db, video, "One.", with_chunks=True)
        await make_transcript(db, video, "One.", with_chunks=True)

        async with db.read() as session:
            rows = (await session.scalars(select(TranscriptChunk))).all()

        assert len(rows) == 2
        assert len({row.id for row in rows}) == 1

    async def test_chunks_of_an_empty_transcript_are_none(self, db: Database) -> None:
        video = await new_video(db)
        transcript = await make_transcript(db, video, with_chunks=True)

        async with db.read() as session:
            found, rows = await service.active_chunks(session, video.id)

        assert (found.id, list(rows)) == (transcript.id, [])

    async def test_without_a_transcript_chunks_are_not_ready(self, db: Database) -> None:
        video = await new_video(db)

        async with db.read() as session:
            with pytest.raises(CuepointError) as raised:
                await service.active_chunks(session, video.id)

        assert raised.value.code is ErrorCode.NOT_READY


class TestSegmentInvariants:
    async def test_stored_words_lie_in_order_inside_their_segment(self, db: Database) -> None:
        transcript = await make_transcript(db, await new_video(db), "One two three.", "Four five.")

        for row in await stored(db, transcript):
            spans = list(zip(row.word_starts_ms, row.word_ends_ms, strict=True))
            assert spans[0][0] == row.start_ms
            assert spans[-1][1] == row.end_ms
            assert all(start < end for start, end in spans)
            assert all(a[1] <= b[0] for a, b in pairwise(spans))
