"""What tests of uploads share: an editor, a project, and a local disk to put bytes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage", min_free_bytes=0)


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    return await make_project(db, owner_id=viewer.user_id)
