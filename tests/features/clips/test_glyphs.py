"""Captions that no font can draw are refused before a job is made."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.clips.models import Clip, Reel
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects.models import Project
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of

CREATE = """mutation ($input: CreateClipInput!) { createClip(input: $input) {
  clip { id } errors { code field message } } }"""
MANY = """mutation ($input: CreateClipsInput!) { createClips(input: $input) {
  items { clip { id } error { code field } } errors { code } } }"""
REEL = """mutation ($input: CreateReelInput!) { createReel(input: $input) {
  reel { id } errors { code field } } }"""
BURNED = {"captions": {"mode": "BURN"}}


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    return await make_project(db, owner_id=viewer.user_id)


@pytest.fixture
async def video(db: Database, project: Project) -> Video:
    """It says Greek in its first second, which the bundled fonts have, and Chinese in its third."""
    video = await make_video(db, project)
    await make_transcript(db, video, "\u03b1\u03b2\u03b3.", "\u03b4.", "\u4f60\u597d.")
    return video


@pytest.fixture
def api(db: Database, settings: Settings, viewer: Viewer) -> Api:
    return api_of(db, settings, viewer, media=ChildMediaTools(settings))


def of(video: Video, start: float, end: float, output: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"videoId": encode_id("Video", video.id), "start": start, "end": end, "output": output}


async def made(db: Database) -> int:
    """Clips, reels, and jobs that make them."""
    async with db.read() as session:
        kinds = (JobKind.CLIP_EXTRACTION, JobKind.REEL_RENDERING)
        statements = [select(func.count()).select_from(Clip), select(func.count()).select_from(Reel)]
        statements.append(select(func.count()).select_from(Job).where(Job.kind.in_(kinds)))
        return sum([(await session.execute(one)).scalar_one() for one in statements])


class TestCheckClip:
    async def test_what_no_font_has_is_refused_and_nothing_is_made(self, db: Database, api: Api, video: Video) -> None:
        payload = (await api.data(CREATE, {"input": of(video, 0, 10, BURNED)}))["createClip"]

        [error] = payload["errors"]
        assert (error["code"], error["field"]) == ("FONT_MISSING_GLYPHS", ["output", "captions"])
        assert "\u4f60 (U+4F60)" in error["message"]
        assert (payload["clip"], await made(db)) == (None, 0)

    @pytest.mark.parametrize(
        ("end", "output"),
        [(1, BURNED), (10, {"captions": {"mode": "SIDECAR"}}), (10, None)],
        ids=["said-outside", "beside", "no-captions"],
    )
    async def test_what_need_not_be_drawn_does_not_matter(
        self, db: Database, api: Api, video: Video, end: float, output: dict[str, Any] | None
    ) -> None:
        payload = (await api.data(CREATE, {"input": of(video, 0, end, output)}))["createClip"]

        assert (payload["errors"], await made(db)) == ([], 2)

    async def test_of_many_only_those_are_refused(self, db: Database, api: Api, video: Video) -> None:
        items = [of(video, 0, 1, BURNED), of(video, 0, 10, BURNED)]

        payload = (await api.data(MANY, {"input": {"items": items}}))["createClips"]

        assert [item["error"] and item["error"]["code"] for item in payload["items"]] == [None, "FONT_MISSING_GLYPHS"]
        assert await made(db) == 2


class TestCheckReel:
    async def test_what_no_font_has_is_refused_and_nothing_is_made(
        self, db: Database, api: Api, project: Project, video: Video
    ) -> None:
        pieces = [{key: value for key, value in of(video, 0, 10).items() if value is not None}]
        given = {"projectId": encode_id("Project", project.id), "items": pieces, "output": BURNED}

        payload = (await api.data(REEL, {"input": given}))["createReel"]

        assert [error["code"] for error in payload["errors"]] == ["FONT_MISSING_GLYPHS"]
        assert await made(db) == 0
