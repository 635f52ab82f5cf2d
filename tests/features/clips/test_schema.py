"""Clips as clients see them."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.clips.models import Clip
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.attempts import make_job
from tests.support.builders.clips import make_clip, make_moment
from tests.support.builders.projects import make_member
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of

CREATE = """mutation ($input: CreateClipInput!) { createClip(input: $input) {
  clip { id title requestedRange { startSeconds endSeconds } actualRange { startSeconds } url video { title }
    moment { title } job { kind status } mode }
  job { kind } errors { code field message } } }"""
READ = """query ($id: ID!) { clip(id: $id) { title url durationSeconds sizeBytes contentType width renderedAt
  actualRange { startSeconds endSeconds } } }"""
LIST = """query ($videoId: ID, $first: Int!, $after: String) { clips(videoId: $videoId, first: $first, after: $after) {
  totalCount pageInfo { hasNextPage endCursor } nodes { title video { title } moment { title } job { kind } url } } }"""


async def count(db: Database) -> int:
    async with db.read() as session:
        return (await session.execute(select(func.count()).select_from(Clip))).scalar_one()


class TestCreateClip:
    @pytest.mark.parametrize(
        ("given", "mode"), [({}, "SMART"), ({"mode": "FAST"}, "FAST"), ({"mode": "RENDER"}, "RENDER")]
    )
    async def test_takes_the_mode(self, db: Database, api: Api, video: Video, given: dict[str, str], mode: str) -> None:
        asked = {"videoId": encode_id("Video", video.id), "start": 1, "end": 2, **given}

        payload = (await api.data(CREATE, {"input": asked}))["createClip"]

        async with db.read() as session:
            row = (await session.execute(select(Clip))).scalar_one()
        assert (payload["clip"]["mode"], row.mode.value) == (mode, mode)

    @pytest.mark.parametrize(
        ("start", "end"), [(1.5, 4), ("00:00:01.500", "00:00:04"), ("00:00:01.5", 4.0), (1.5, "0:00:04.000")]
    )
    async def test_takes_seconds_and_timecodes(self, api: Api, video: Video, start: object, end: object) -> None:
        given = {"videoId": encode_id("Video", video.id), "start": start, "end": end}

        payload = (await api.data(CREATE, {"input": given}))["createClip"]

        clip = payload["clip"]
        assert clip["requestedRange"] == {"startSeconds": 1.5, "endSeconds": 4.0}
        assert (clip["actualRange"], clip["url"], clip["moment"]) == (None, None, None)
        assert clip["job"] == {"kind": "CLIP_EXTRACTION", "status": "QUEUED"}
        assert (clip["video"]["title"], payload["job"], payload["errors"]) == (
            "Four short stories",
            {"kind": "CLIP_EXTRACTION"},
            [],
        )

    @pytest.mark.parametrize("start", [-1, "1:2:3:4", "00:61:00", "abc", True, 1e300])
    async def test_refuses_what_is_no_time(self, db: Database, api: Api, video: Video, start: object) -> None:
        given = {"videoId": encode_id("Video", video.id), "start": start, "end": 4}

        assert await api.codes(CREATE, {"input": given}) == ["BAD_USER_INPUT"]
        assert await count(db) == 0

    async def test_takes_a_moment(self, db: Database, api: Api, video: Video) -> None:
        moment = await make_moment(db, video)
        given = {"videoId": encode_id("Video", video.id), "momentId": encode_id("Moment", moment.id)}

        clip = (await api.data(CREATE, {"input": given}))["createClip"]["clip"]

        assert (clip["title"], clip["moment"]) == ("The seed", {"title": "The seed"})
        assert clip["requestedRange"] == {"startSeconds": 4.0, "endSeconds": 9.0}

    async def test_says_why_not(self, db: Database, api: Api, video: Video) -> None:
        given = {"videoId": encode_id("Video", video.id), "start": 80, "end": 90}

        payload = (await api.data(CREATE, {"input": given}))["createClip"]

        assert payload["clip"] is None
        assert payload["errors"] == [
            {
                "code": "RANGE_OUTSIDE_MEDIA",
                "field": ["end"],
                "message": "The range ends at 90.000 s; the video has 81.500 s.",
            }
        ]

    async def test_a_viewer_and_a_stranger_change_nothing(
        self, db: Database, settings: Settings, project: Project, video: Video
    ) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        given = {"input": {"videoId": encode_id("Video", video.id), "start": 0, "end": 4}}

        assert await api_of(db, settings, member).codes(CREATE, given) == ["FORBIDDEN"]
        foreign = (await api_of(db, settings, stranger).data(CREATE, given))["createClip"]

        assert [error["code"] for error in foreign["errors"]] == ["NOT_FOUND"]
        assert await count(db) == 0


class TestClip:
    async def test_shows_the_file_once_rendered(self, db: Database, api: Api, video: Video) -> None:
        waiting = await make_clip(db, video)
        done = await make_clip(db, video, is_rendered=True)

        before = (await api.data(READ, {"id": encode_id("Clip", waiting.id)}))["clip"]
        after = (await api.data(READ, {"id": encode_id("Clip", done.id)}))["clip"]

        assert (before["url"], before["durationSeconds"], before["actualRange"]) == (None, None, None)
        assert after["url"].startswith(f"https://video.example.org/media/clips/{done.id.hex}/first-second.mp4?")
        assert (after["durationSeconds"], after["sizeBytes"], after["width"]) == (1.0, 100, 640)
        assert after["actualRange"] == {"startSeconds": 0.0, "endSeconds": 1.0}

    async def test_is_null_for_strangers_and_other_ids(
        self, db: Database, settings: Settings, api: Api, video: Video
    ) -> None:
        clip = await make_clip(db, video)
        stranger = api_of(db, settings, await make_viewer(db))

        assert await stranger.data(READ, {"id": encode_id("Clip", clip.id)}) == {"clip": None}
        for other in (encode_id("Video", clip.id), "", "clip_1"):
            assert await api.data(READ, {"id": other}) == {"clip": None}


class TestClips:
    async def test_pages_through_all_oldest_first(self, db: Database, api: Api, video: Video) -> None:
        for number in range(3):
            await make_clip(db, video, title=f"C{number}")
        wanted = {"videoId": encode_id("Video", video.id), "first": 2}

        first = (await api.data(LIST, wanted))["clips"]
        second = (await api.data(LIST, {**wanted, "after": first["pageInfo"]["endCursor"]}))["clips"]

        assert [node["title"] for node in first["nodes"] + second["nodes"]] == ["C0", "C1", "C2"]
        assert (first["totalCount"], second["pageInfo"]["hasNextPage"]) == (3, False)

    @pytest.mark.parametrize("page", [{"first": -1}, {"first": 0}, {"first": 101}, {"first": 1, "after": "x"}], ids=str)
    async def test_refuses_bad_pages(self, api: Api, page: dict[str, object]) -> None:
        assert await api.codes(LIST, page) == ["BAD_USER_INPUT"]

    async def test_statements_do_not_grow_with_the_page(
        self, db: Database, api: Api, project: Project, video: Video
    ) -> None:
        for _ in range(5):
            other = await make_video(db, project)
            moment, job = await make_moment(db, other), await make_job(db, JobKind.CLIP_EXTRACTION, other)
            await make_clip(db, other, is_rendered=True, moment_id=moment.id, job_id=job.id)
        await api.statements(LIST, {"first": 1})

        one = await api.statements(LIST, {"first": 1})
        five = await api.statements(LIST, {"first": 5})

        assert one == five == 4  # page with total, videos, moments, jobs
