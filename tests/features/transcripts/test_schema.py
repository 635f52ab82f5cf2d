"""Transcripts as clients see them: fields, pages, files, who may see what, and how many statements it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from sqlalchemy import func

from cuepoint.adapters.asr.base import AsrModelInfo
from cuepoint.adapters.bundle import Adapters
from cuepoint.api.schema import BINDINGS, schema
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project
from cuepoint.features.transcripts.models import Transcript
from cuepoint.features.transcripts.notice import DEMO_MODEL_NOTICE
from cuepoint.features.videos.models import Video
from cuepoint.graphql.context import Context, Process
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import make_transcript, member_of
from tests.support.builders.videos import make_maps, make_video
from tests.support.graphql import count_statements

TRANSCRIPT = """
query ($id: ID!, $first: Int = 25, $after: String, $range: TranscriptRangeInput) {
  transcript(id: $id) {
    id
    segments(first: $first, after: $after, range: $range) {
      totalCount
      pageInfo { hasNextPage hasPreviousPage endCursor }
      nodes { text }
    }
  }
}
"""
FILE = """
query ($id: ID!, $format: TranscriptFormat!) {
  transcriptFile(input: {transcriptId: $id, format: $format}) { filename contentType content }
}
"""
VIDEOS = """
query ($projectId: ID!, $first: Int!) {
  videos(filter: {projectId: $projectId}, first: $first) {
    nodes {
      transcript {
        revision
        text
        video { title }
        segments(first: 10) { totalCount nodes { text words { text } } }
        opening: segments(first: 1, range: {start: 0, end: "00:00:00.500"}) { totalCount nodes { text } }
      }
    }
  }
}
"""


class Api:
    """Runs operations as one viewer."""

    def __init__(self, db: Database, settings: Settings, viewer: Viewer | None) -> None:
        self.db = db
        self.settings = settings
        self.viewer = viewer

    async def run(self, query: str, **variables: Any) -> Mapping[str, Any]:
        """Data of an operation that has no errors."""
        result = await self.execute(query, **variables)
        assert result.errors is None
        assert result.data is not None
        return result.data

    async def execute(self, query: str, **variables: Any) -> Any:
        """The whole result."""
        process = Process(self.db, cast(Adapters, None), self.settings, BINDINGS)
        context = Context(process, viewer=self.viewer, request_id="r1")
        return await schema.execute(query, variable_values=variables, context_value=context)


@pytest.fixture
async def project(db: Database) -> Project:
    """A project."""
    return await make_project(db)


@pytest.fixture
async def api(db: Database, settings: Settings, project: Project) -> Api:
    """The API as a member of the project."""
    return Api(db, settings, await member_of(db, project))


def id_of(transcript: Transcript) -> str:
    return encode_id("Transcript", transcript.id)


class TestTranscript:
    async def test_all_fields(self, db: Database, api: Api, video: Video) -> None:
        transcript = await make_transcript(db, video, "Hello there.", "Good bye.")

        data = await api.run(
            """
            query ($id: ID!) {
              transcript(id: $id) {
                id revision status language languageProbability isLanguageUncertain emptyReason engine model
                isDemoModel notice text video { id }
                segments {
                  nodes {
                    startSeconds endSeconds text avgLogprob noSpeechProb compressionRatio
                    words { text startSeconds endSeconds probability }
                  }
                }
              }
            }
            """,
            id=id_of(transcript),
        )

        segments = data["transcript"].pop("segments")["nodes"]
        assert data["transcript"] == {
            "id": id_of(transcript),
            "revision": 1,
            "status": "ACTIVE",
            "language": "en",
            "languageProbability": 0.98,
            "isLanguageUncertain": False,
            "emptyReason": None,
            "engine": "fake",
            "model": "fake",
            "isDemoModel": False,
            "notice": None,
            "text": "Hello there. Good bye.",
            "video": {"id": encode_id("Video", video.id)},
        }
        assert len(segments) == 2
        assert segments[0] == {
            "startSeconds": 0.0,
            "endSeconds": 0.6,
            "text": "Hello there.",
            "avgLogprob": -0.25,
            "noSpeechProb": 0.125,
            "compressionRatio": 1.5,
            "words": [
                {"text": "Hello", "startSeconds": 0.0, "endSeconds": 0.3, "probability": 0.9},
                {"text": "there.", "startSeconds": 0.3, "endSeconds": 0.6, "probability": 0.9},
            ],
        }

    async def test_a_transcript_of_the_demo_model_says_what_to_do(self, db: Database, api: Api, video: Video) -> None:
        demo = AsrModelInfo("faster-whisper", "whisper-demo", is_demo=True, key="demo")
        transcript = await make_transcript(db, video, "Hello.", model=demo)

        data = await api.run("query ($id: ID!) { transcript(id: $id) { isDemoModel notice } }", id=id_of(transcript))

        assert data["transcript"] == {"isDemoModel": True, "notice": DEMO_MODEL_NOTICE}
        assert "CUEPOINT_WHISPER_MODEL" in DEMO_MODEL_NOTICE

    async def test_a_guessed_language_is_marked(self, db: Database, api: Api, video: Video) -> None:
        transcript = await make_transcript(db, video, "Hello.", probability=0.4)

        data = await api.run("query ($id: ID!) { transcript(id: $id) { isLanguageUncertain } }", id=id_of(transcript))

        assert data["transcript"] == {"isLanguageUncertain": True}

    async def test_tells_what_was_recognised_in_silence(self, db: Database, api: Api, video: Video) -> None:
        transcript = await make_transcript(db, video, "Hello there.", "Thanks for watching.", "Good bye.")
        query = "query ($id: ID!) { transcript(id: $id) { segments { nodes { isInSilence } } } }"
        unmeasured = await api.run(query, id=id_of(transcript))
        await make_maps(db, video, silences=[700, 1_900], black=[])

        with count_statements(db.engine) as statements:
            data = await api.run(query, id=id_of(transcript))

        told = [node["isInSilence"] for node in data["transcript"]["segments"]["nodes"]]
        assert told == [False, True, False]
        assert len(statements) == 3
        assert [node["isInSilence"] for node in unmeasured["transcript"]["segments"]["nodes"]] == [None] * 3

    async def test_an_empty_one_has_a_reason_and_no_text(self, db: Database, api: Api, video: Video) -> None:
        transcript = await make_transcript(db, video)

        data = await api.run(
            "query ($id: ID!) { transcript(id: $id) { emptyReason text segments { totalCount nodes { text } } } }",
            id=id_of(transcript),
        )

        assert data["transcript"] == {
            "emptyReason": "NO_SPEECH",
            "text": "",
            "segments": {"totalCount": 0, "nodes": []},
        }

    async def test_a_stranger_gets_what_an_absent_one_gives(
        self, db: Database, api: Api, video: Video, settings: Settings
    ) -> None:
        transcript = await make_transcript(db, video, "Secret.")
        stranger = Api(db, settings, await member_of(db, await make_project(db)))

        for unseen in (
            id_of(transcript),
            encode_id("Transcript", uuid7()),
            "transcript_x",
            encode_id("Video", video.id),
        ):
            data = await stranger.run("query ($id: ID!) { transcript(id: $id) { text } }", id=unseen)
            assert data == {"transcript": None}
            assert await stranger.run(FILE, id=unseen, format="TXT") == {"transcriptFile": None}

    async def test_a_transcript_of_a_deleted_video_is_gone(self, db: Database, api: Api, video: Video) -> None:
        transcript = await make_transcript(db, video, "Hello.")
        async with db.write() as session:
            (await session.get_one(Video, video.id)).deleted_at = func.now()

        data = await api.run("query ($id: ID!) { transcript(id: $id) { text } }", id=id_of(transcript))

        assert data == {"transcript": None}

    async def test_without_a_credential_it_is_unauthenticated(
        self, db: Database, video: Video, settings: Settings
    ) -> None:
        transcript = await make_transcript(db, video, "Hello.")

        result = await Api(db, settings, None).execute(TRANSCRIPT, id=id_of(transcript))

        assert [error.extensions["code"] for error in result.errors] == ["UNAUTHENTICATED"]
        assert result.data == {"transcript": None}


class TestSegments:
    async def test_pages(self, db: Database, api: Api, video: Video) -> None:
        transcript = await make_transcript(db, video, "One.", "Two.", "Three.")

        first = (await api.run(TRANSCRIPT, id=id_of(transcript), first=2))["transcript"]["segments"]
        cursor = first["pageInfo"]["endCursor"]
        second = (await api.run(TRANSCRIPT, id=id_of(transcript), first=2, after=cursor))["transcript"]["segments"]

        assert [node["text"] for node in first["nodes"]] == ["One.", "Two."]
        assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (3, True)
        assert [node["text"] for node in second["nodes"]] == ["Three."]
        assert (second["totalCount"], second["pageInfo"]["hasNextPage"]) == (3, False)

    async def test_a_range_takes_seconds_and_timecodes(self, db: Database, api: Api, video: Video) -> None:
        transcript = await make_transcript(db, video, "One two.", "Three four.", "Five six.")

        data = await api.run(TRANSCRIPT, id=id_of(transcript), range={"start": 0.6, "end": "00:00:01.001"})

        assert data["transcript"]["segments"]["nodes"] == [{"text": "Three four."}]
        assert data["transcript"]["segments"]["totalCount"] == 1

    @pytest.mark.parametrize(
        "arguments",
        [
            {"first": 0},
            {"first": -1},
            {"first": 501},
            {"after": "nonsense"},
            {"range": {"start": 2, "end": 2}},
        ],
    )
    async def test_what_makes_no_sense_is_bad_input(
        self, db: Database, api: Api, video: Video, arguments: dict[str, Any]
    ) -> None:
        transcript = await make_transcript(db, video, "One.")

        result = await api.execute(TRANSCRIPT, id=id_of(transcript), **arguments)

        assert [error.extensions["code"] for error in result.errors] == ["BAD_USER_INPUT"]

    async def test_five_hundred_segments_fit_one_page(self, db: Database, api: Api, video: Video) -> None:
        transcript = await make_transcript(db, video, *["Go."] * 501)

        data = await api.run(TRANSCRIPT, id=id_of(transcript), first=500)

        assert len(data["transcript"]["segments"]["nodes"]) == 500
        assert data["transcript"]["segments"]["pageInfo"]["hasNextPage"] is True

    async def test_a_page_of_one_and_of_five_hundred_cost_the_same_statements(
        self, db: Database, api: Api, video: Video
    ) -> None:
        transcript = await make_transcript(db, video, *["Go."] * 40)
        counts = []
        for first in (1, 40):
            with count_statements(db.engine) as statements:
                await api.run(TRANSCRIPT, id=id_of(transcript), first=first)
            counts.append(len(statements))

        assert counts == [3, 3]  # the transcript, its segments, their count


class TestVideoTranscript:
    async def test_statements_do_not_grow_with_the_number_of_videos(
        self, db: Database, api: Api, project: Project
    ) -> None:
        for number in range(5):
            await make_transcript(db, await make_video(db, project), f"This is {number}.", "Good bye.")
        counts = []
        for first in (1, 5):
            with count_statements(db.engine) as statements:
                data = await api.run(VIDEOS, projectId=encode_id("Project", project.id), first=first)
            counts.append(len(statements))

        transcripts = [node["transcript"] for node in data["videos"]["nodes"]]
        assert [each["text"] for each in transcripts] == [f"This is {n}. Good bye." for n in (4, 3, 2, 1, 0)]
        assert [each["segments"]["totalCount"] for each in transcripts] == [2] * 5
        assert [each["opening"]["nodes"] for each in transcripts] == [
            [{"text": f"This is {n}."}] for n in (4, 3, 2, 1, 0)
        ]
        # videos, transcripts, texts, videos again, segments and their counts for each of two different pages
        assert counts == [8, 8]

    async def test_is_the_active_revision_or_null(self, db: Database, api: Api, project: Project) -> None:
        await make_video(db, project)
        drafted = await make_video(db, project)
        await make_transcript(db, drafted, "Draft.", is_active=False)
        twice = await make_video(db, project)
        await make_transcript(db, twice, "Old.")
        await make_transcript(db, twice, "New.")

        data = await api.run(VIDEOS, projectId=encode_id("Project", project.id), first=10)

        found = [node["transcript"] and node["transcript"]["text"] for node in data["videos"]["nodes"]]
        assert found == ["New.", None, None]


class TestTranscriptFile:
    @pytest.mark.parametrize(
        ("format", "content_type", "content"),
        [
            ("SRT", "application/x-subrip", "1\n00:00:00,000 --> 00:00:00,800\nHello there.\n\n"),
            ("VTT", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:00.800\nHello there.\n\n"),
            ("TXT", "text/plain", "Hello there.\n"),
        ],
    )
    async def test_each_format(
        self, db: Database, api: Api, video: Video, format: str, content_type: str, content: str
    ) -> None:
        transcript = await make_transcript(db, video, "Hello there.")

        data = await api.run(FILE, id=id_of(transcript), format=format)

        assert data["transcriptFile"] == {
            "filename": f"stories.en.{format.lower()}",
            "contentType": content_type,
            "content": content,
        }

    async def test_a_draft_is_not_ready(self, db: Database, api: Api, video: Video) -> None:
        draft = await make_transcript(db, video, "Hello.", is_active=False)

        result = await api.execute(FILE, id=id_of(draft), format="SRT")

        assert [error.extensions["code"] for error in result.errors] == ["NOT_READY"]
