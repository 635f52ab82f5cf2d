"""Which videos a list holds: by state and steps, text, length, time, and transcript."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.projects.models import Project
from cuepoint.features.users.models import User
from cuepoint.features.videos.conditions import is_in
from cuepoint.features.videos.models import Video
from cuepoint.features.videos.state import VideoStatus
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_user, viewer_of
from tests.support.builders.videos import INFO, make_video
from tests.support.graphql import Api, api_of

LIST = """query ($filter: VideoFilterInput) {
  videos(first: 100, filter: $filter) { totalCount nodes { id title status } } }"""
STATES = (None, JobStatus.QUEUED, JobStatus.FAILED, JobStatus.SUCCEEDED)


@pytest.fixture
async def owner(db: Database) -> User:
    return await make_user(db)


@pytest.fixture
async def project(db: Database, owner: User) -> Project:
    return await make_project(db, owner_id=owner.id)


@pytest.fixture
def api(db: Database, settings: Settings, owner: User) -> Api:
    return api_of(db, settings, viewer_of(owner))


async def listed(api: Api, **wanted: Any) -> list[dict[str, Any]]:
    found = (await api.data(LIST, {"filter": wanted}))["videos"]
    assert found["totalCount"] == len(found["nodes"])
    return list(found["nodes"])


async def titles(api: Api, **wanted: Any) -> set[str]:
    return {video["title"] for video in await listed(api, **wanted)}


async def make_long_video(db: Database, project: Project, seconds: float | None, title: str) -> Video:
    milliseconds = None if seconds is None else round(seconds * 1000)
    return await make_video(db, project, info=dataclasses.replace(INFO, duration_ms=milliseconds), title=title)


class TestStatus:
    async def test_is_the_one_that_each_video_shows(self, db: Database, api: Api, project: Project) -> None:
        by_probe = product((True, False), (True, False), STATES, [None], [None])
        by_others = product((True, False), (True, False), [None], STATES[:2], STATES[1:3])
        for is_stored, is_probed, *statuses in (*by_probe, *by_others):
            video = await make_video(db, project, info=INFO if is_probed else None)
            async with db.write() as session:
                if not is_stored:
                    (await session.get_one(Video, video.id)).content_hash = None
            for kind, status in zip((JobKind.PROBE, JobKind.EMBEDDING, JobKind.INGEST), statuses, strict=True):
                if status is not None:
                    await make_job(db, kind, video, status=status)
        everything = await listed(api)

        for state in set(VideoStatus) - {VideoStatus.DELETING}:  # of those no list shows any
            shown = {video["id"] for video in everything if video["status"] == state.value}
            assert shown
            assert {video["id"] for video in await listed(api, status=[state.value])} == shown
        either = [video for video in everything if video["status"] in ("READY", "FAILED")]
        assert await listed(api, status=["READY", "FAILED"]) == either
        assert await listed(api, **{"not": {"status": [state.value for state in VideoStatus]}}) == []

    async def test_a_deleted_one_is_in_no_other_state_and_in_no_list(
        self, db: Database, api: Api, project: Project
    ) -> None:
        gone, probed = await make_video(db, project), await make_video(db, project)
        async with db.write() as session:
            (await session.get_one(Video, gone.id)).deleted_at = gone.created_at
            await session.flush()
            found = {state: set(await session.scalars(select(Video.id).where(is_in([state])))) for state in VideoStatus}

        assert {state: ids for state, ids in found.items() if ids} == {
            VideoStatus.READY: {probed.id},
            VideoStatus.DELETING: {gone.id},
        }
        assert await listed(api, status=["DELETING"]) == []

    async def test_the_newest_job_of_a_kind_counts(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project)
        await make_job(db, JobKind.EMBEDDING, video, status=JobStatus.RUNNING)
        await make_job(db, JobKind.EMBEDDING, video, status=JobStatus.FAILED)

        assert len(await listed(api, status=["READY"])) == 1
        assert await listed(api, status=["PROCESSING"]) == []
        assert await listed(api, stage=["EMBEDDING"]) == []

    async def test_a_stage_is_a_step_that_is_not_over(self, db: Database, api: Api, project: Project) -> None:
        for kind in (JobKind.TRANSCRIPTION, JobKind.EMBEDDING):
            video = await make_video(db, project, title=kind.value)
            await make_job(db, kind, video, status=JobStatus.RUNNING)
            await make_job(db, JobKind.PROBE, video, status=JobStatus.SUCCEEDED)

        assert await titles(api, stage=["TRANSCRIPTION"]) == {"TRANSCRIPTION"}
        assert await titles(api, stage=["TRANSCRIPTION", "EMBEDDING"]) == {"TRANSCRIPTION", "EMBEDDING"}
        assert await titles(api, stage=["PROBE"]) == set()


class TestFacts:
    async def test_text_is_in_the_title_or_the_file_name(self, db: Database, api: Api, project: Project) -> None:
        await make_video(db, project, title="Wind at 100 %")
        await make_video(db, project, title="Rain")

        assert await titles(api, text="wIND") == {"Wind at 100 %"}
        assert await titles(api, text="100 %") == {"Wind at 100 %"}
        assert await titles(api, text="%") == {"Wind at 100 %"}
        assert await titles(api, text="STORIES.mp4") == {"Wind at 100 %", "Rain"}

    async def test_lengths_include_their_ends(self, db: Database, api: Api, project: Project) -> None:
        for title, seconds in (("a", 10.0), ("b", 60.0), ("c", None)):
            await make_long_video(db, project, seconds, title)

        assert await titles(api, minDuration=10) == {"a", "b"}
        assert await titles(api, minDuration=10.001) == {"b"}
        assert await titles(api, maxDuration="00:01:00") == {"a", "b"}
        assert await titles(api, minDuration=11, maxDuration=59.999) == set()
        assert await titles(api, **{"not": {"minDuration": 11}}) == {"a", "c"}

    async def test_times_include_their_begin_only(self, db: Database, api: Api, project: Project) -> None:
        at = (await make_video(db, project, title="a")).created_at

        assert await titles(api, createdFrom=at.isoformat()) == {"a"}
        assert await titles(api, createdBefore=at.isoformat()) == set()
        assert await titles(api, createdBefore=(at + timedelta(milliseconds=1)).isoformat()) == {"a"}

    async def test_transcripts_and_their_languages(self, db: Database, api: Api, project: Project) -> None:
        await make_transcript(db, await make_video(db, project, title="said"), "Seeds sleep.")
        await make_video(db, project, title="mute")

        assert await titles(api, hasTranscript=True) == {"said"}
        assert await titles(api, hasTranscript=False) == {"mute"}
        assert await titles(api, language="EN") == {"said"}
        assert await titles(api, language="de") == set()

    @pytest.mark.parametrize(
        ("wanted", "field"),
        [
            ({"text": ""}, "text"),
            ({"text": "x" * 201}, "text"),
            ({"language": ""}, "language"),
            ({"or": [{"language": "x" * 36}]}, "language"),
        ],
        ids=["no text", "a long text", "no language", "a long language"],
    )
    async def test_what_no_video_has_is_refused(self, api: Api, wanted: dict[str, Any], field: str) -> None:
        [error] = (await api.execute(LIST, {"filter": wanted}))["errors"]

        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["field"] == ["filter", field]

    async def test_each_takes_the_statements_of_a_list(self, db: Database, api: Api, project: Project) -> None:
        await make_video(db, project)
        wanted = {
            "not": {"status": ["FAILED"], "stage": ["EMBEDDING"], "hasTranscript": True, "text": "x", "minDuration": 1}
        }

        assert await api.statements(LIST, {"filter": wanted}) == await api.statements(LIST)
