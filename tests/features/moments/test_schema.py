"""Moments as clients see them: fields, pages, the mutation, and how many statements lists cost."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.moments import service
from cuepoint.features.moments.finder import MomentCandidate
from cuepoint.features.moments.models import Moment
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.moments import spoken
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.search import Api
from tests.support.builders.transcripts import make_transcript, member_of
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import count_statements

MOMENT = """
query ($id: ID!) {
  moment(id: $id) {
    id title reason score priority startSeconds endSeconds durationSeconds method signals { name value } video { title }
  }
}
"""
MOMENTS = """
query ($id: ID!, $first: Int = 25, $after: String) {
  moments(videoId: $id, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { title video { title } }
  }
}
"""
OF_VIDEOS = """
query ($first: Int!) {
  videos(first: $first) { nodes { moments(first: 2) { totalCount nodes { title video { title } } } } }
}
"""
GENERATE = """
mutation ($input: GenerateMomentsInput!) {
  generateMoments(input: $input) { job { id kind status } errors { code field message retryable } }
}
"""


async def store(db: Database, video: Video, *titles: str) -> list[Moment]:
    sentences = spoken(*titles).sentences
    candidates = [
        MomentCandidate(number, number, title, "Because.", 0.5, {"topic": 0.25, "pause": 0.75})
        for number, title in enumerate(titles)
    ]
    async with db.write() as session:
        job_id = await session.scalar(select(Job.id))
        await service.replace_moments(session, video, job_id, sentences, candidates, method="test-1")
    async with db.read() as session:
        rows = await session.scalars(select(Moment).where(Moment.video_id == video.id).order_by(Moment.priority))
        return list(rows)


@pytest.fixture
async def project(db: Database) -> Project:
    """A project."""
    return await make_project(db)


@pytest.fixture
async def video(db: Database, project: Project) -> Video:
    """A video in it."""
    return await make_video(db, project, title="Stories")


@pytest.fixture
async def api(db: Database, settings: Settings, project: Project) -> Api:
    """The API as a member of the project who may change it."""
    viewer = await make_viewer(db)
    await make_member(db, project, viewer.user_id, ProjectRole.EDITOR)
    return Api(db, settings, viewer)


class TestMoment:
    async def test_all_fields(self, db: Database, api: Api, video: Video) -> None:
        _, moment = await store(db, video, "A", "B")

        data = await api.run(MOMENT, id=encode_id("Moment", moment.id))

        assert data["moment"] == {
            "id": encode_id("Moment", moment.id),
            "title": "B",
            "reason": "Because.",
            "score": 0.5,
            "priority": 2,
            "startSeconds": 4.4,
            "endSeconds": 8.4,
            "durationSeconds": 4.0,
            "method": "test-1",
            "signals": [{"name": "pause", "value": 0.75}, {"name": "topic", "value": 0.25}],
            "video": {"title": "Stories"},
        }

    async def test_absent_malformed_and_foreign_ones_are_null(self, db: Database, api: Api) -> None:
        (foreign,) = await store(db, await make_video(db, await make_project(db)), "A")

        for given in (encode_id("Moment", uuid7()), "nonsense", encode_id("Moment", foreign.id)):
            assert await api.run(MOMENT, id=given) == {"moment": None}


class TestMoments:
    async def test_pages(self, db: Database, api: Api, video: Video) -> None:
        await store(db, video, "A", "B", "C")
        video_id = encode_id("Video", video.id)

        first = (await api.run(MOMENTS, id=video_id, first=2))["moments"]
        rest = (await api.run(MOMENTS, id=video_id, after=first["pageInfo"]["endCursor"]))["moments"]

        assert [node["title"] for node in first["nodes"]] == ["A", "B"]
        assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (3, True)
        assert [node["title"] for node in rest["nodes"]] == ["C"]

    async def test_a_foreign_video_does_not_exist(self, db: Database, api: Api) -> None:
        foreign = await make_video(db, await make_project(db))

        assert (await api.refused(MOMENTS, id=encode_id("Video", foreign.id)))[0] == "NOT_FOUND"

    async def test_bad_pages_are_refused(self, api: Api, video: Video) -> None:
        video_id = encode_id("Video", video.id)

        assert (await api.refused(MOMENTS, id=video_id, first=-1))[0] == "BAD_USER_INPUT"
        assert (await api.refused(MOMENTS, id=video_id, after="nonsense"))[0] == "BAD_USER_INPUT"

    async def test_statements_do_not_grow_with_the_page(self, db: Database, api: Api, video: Video) -> None:
        await store(db, video, *"ABCDEFGH")

        counts = []
        for first in (1, 8):
            with count_statements(db.engine) as statements:
                await api.run(MOMENTS, id=encode_id("Video", video.id), first=first)
            counts.append(len(statements))

        assert counts == [4, 4]  # the video, the gate, the page with its total, its videos

    async def test_statements_do_not_grow_with_the_videos(self, db: Database, api: Api, project: Project) -> None:
        for number in range(6):
            await store(db, await make_video(db, project), f"{number}A", f"{number}B", f"{number}C")

        counts = []
        for first in (1, 6):
            with count_statements(db.engine) as statements:
                data = await api.run(OF_VIDEOS, first=first)
            counts.append(len(statements))

        assert [len(node["moments"]["nodes"]) for node in data["videos"]["nodes"]] == [2] * 6
        assert {node["moments"]["totalCount"] for node in data["videos"]["nodes"]} == {3}
        assert counts[0] == counts[1]


class TestGenerateMoments:
    async def test_a_job_is_enqueued_once(self, db: Database, api: Api, video: Video) -> None:
        await make_transcript(db, video, "A sentence.")
        async with db.write() as session:
            await session.execute(delete(Job))  # the transcription is over
        given = {"videoId": encode_id("Video", video.id), "count": 3, "minDuration": 5, "maxDuration": "00:00:20.500"}

        first = (await api.run(GENERATE, input=given))["generateMoments"]
        again = (await api.run(GENERATE, input=given))["generateMoments"]

        assert first == again
        assert (first["errors"], first["job"]["kind"], first["job"]["status"]) == ([], "MOMENT_GENERATION", "QUEUED")
        async with db.read() as session:
            (job,) = (await session.scalars(select(Job))).all()
        assert (job.kind, job.args) == (
            JobKind.MOMENT_GENERATION,
            {
                "count": 3,
                "min_ms": 5_000,
                "max_ms": 20_500,
                "sources": {"count": "CALL", "min_ms": "CALL", "max_ms": "CALL"},
            },
        )

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"count": 0}, ["count"]),
            ({"minDuration": 0.5}, ["minDuration"]),
            ({"maxDuration": "01:00:00"}, ["maxDuration"]),
            ({"minDuration": 30, "maxDuration": 20}, ["minDuration"]),
        ],
    )
    async def test_bad_limits_are_user_errors(
        self, api: Api, video: Video, given: dict[str, object], field: list[str]
    ) -> None:
        data = await api.run(GENERATE, input={"videoId": encode_id("Video", video.id), **given})

        (error,) = data["generateMoments"]["errors"]
        assert (error["code"], error["field"], data["generateMoments"]["job"]) == ("BAD_USER_INPUT", field, None)

    async def test_a_video_without_a_transcript_is_not_ready(self, api: Api, video: Video) -> None:
        data = await api.run(GENERATE, input={"videoId": encode_id("Video", video.id)})

        (error,) = data["generateMoments"]["errors"]
        assert (error["code"], error["field"]) == ("NOT_READY", ["videoId"])

    async def test_a_viewer_of_the_project_may_not(
        self, db: Database, settings: Settings, project: Project, video: Video
    ) -> None:
        onlooker = Api(db, settings, await member_of(db, project))

        code, _ = await onlooker.refused(GENERATE, input={"videoId": encode_id("Video", video.id)})

        assert code == "FORBIDDEN"
