"""What most tests of features begin with: somebody, a project of theirs, a video in it, and their way into the API."""

from __future__ import annotations

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    """Somebody who is no administrator."""
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    """A project of `viewer`."""
    return await make_project(db, owner_id=viewer.user_id)


@pytest.fixture
async def video(db: Database, project: Project) -> Video:
    """A video in `project`."""
    return await make_video(db, project)


@pytest.fixture
def api(db: Database, settings: Settings, viewer: Viewer) -> Api:
    """The API as `viewer` sees it."""
    return api_of(db, settings, viewer)
