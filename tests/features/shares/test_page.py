"""What the player page may ask for whoever came by a share link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cuepoint.api
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project, ShareLink
from cuepoint.features.shares.service import Target, create_link, revoke_link
from cuepoint.features.shares.visits import visitors_of
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import api_of

SOURCE = (Path(cuepoint.api.__file__).parent / "static/page/queries.js").read_text()
VIDEO = dict(re.findall(r"export const (\w+) = `([^`]+)`", SOURCE))["VIDEO"]


@pytest.fixture
async def owner(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, owner: Viewer) -> Project:
    return await make_project(db, owner_id=owner.user_id)


async def link_to(db: Database, owner: Viewer, video: Video, *, is_whole: bool) -> ShareLink:
    target = Target(video.project_id, None if is_whole else video.id)
    async with db.write() as session:
        made = await create_link(session, owner, target, expires_at=None, may_download=False, password=None)
    return made.link


class TestVisitorsOf:
    @pytest.mark.parametrize("is_whole", [True, False], ids=["project", "video"])
    async def test_see_the_video_on_its_page(
        self, db: Database, settings: Settings, owner: Viewer, project: Project, is_whole: bool
    ) -> None:
        video = await make_video(db, project)
        link = await link_to(db, owner, video, is_whole=is_whole)
        async with db.read() as session:
            visitor = (await visitors_of(session, [link.id]))[link.id]

        found = await api_of(db, settings, visitor).data(VIDEO, {"id": encode_id("Video", video.id)})

        assert found["video"]["title"] == "Four short stories"

    async def test_see_no_other_video(self, db: Database, settings: Settings, owner: Viewer, project: Project) -> None:
        shared, other = await make_video(db, project), await make_video(db, project)
        link = await link_to(db, owner, shared, is_whole=False)
        async with db.read() as session:
            visitor = (await visitors_of(session, [link.id]))[link.id]

        found = await api_of(db, settings, visitor).data(VIDEO, {"id": encode_id("Video", other.id)})

        assert found["video"] is None

    async def test_are_gone_with_the_link(self, db: Database, owner: Viewer, project: Project) -> None:
        link = await link_to(db, owner, await make_video(db, project), is_whole=True)
        async with db.write() as session:
            await revoke_link(session, owner, link.id)

        async with db.read() as session:
            assert await visitors_of(session, [link.id]) == {}
