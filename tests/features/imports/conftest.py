"""What tests of imports share: an editor's project, a server to fetch from, and a worker that does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from cuepoint.adapters.fetch.choose import build_fetcher
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.imports import playlists, service
from cuepoint.features.imports.tasks import import_playlist, ingest, pass_source
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.hostile_web import HostileWeb, hostile_web
from tests.support.workers import worker_for_tests


@dataclass
class World:
    """An editor of a project, and an instance that may fetch from the loopback address."""

    db: Database
    settings: Settings
    viewer: Viewer
    project: Project
    web: HostileWeb

    async def ingest(self, path: str, **options: Any) -> service.Imported:
        """What ingestUrl does with a path of the server, or with a whole address."""
        address = path if "://" in path and not path.startswith("/") else self.web.url(path)
        wish = service.wish_of(build_fetcher(self.settings), address, **options)
        async with self.db.write() as session:
            return await service.ingest_url(session, self.viewer, self.settings, self.project.id, wish)

    async def playlist(self, path: str, *, limit: int) -> Job:
        """What ingestPlaylist does."""
        async with self.db.write() as session:
            return await playlists.ingest_playlist(
                session,
                self.viewer,
                build_fetcher(self.settings),
                self.project.id,
                self.web.url(path),
                limit=limit,
                auto_start=False,
                on_duplicate=OnDuplicate.LINK,
            )

    async def one(self, model: Any, key: Any) -> Any:
        """A row."""
        async with self.db.read() as session:
            return await session.get(model, key)

    async def all(self, model: Any, *order: Any) -> list[Any]:
        """All rows."""
        async with self.db.read() as session:
            return list(await session.scalars(select(model).order_by(*order)))

    async def jobs(self) -> dict[JobKind, Job]:
        """The newest job of each kind."""
        return {job.kind: job for job in await self.all(Job, Job.id)}

    async def job(self, key: UUID) -> Job:
        """A job."""
        found: Job = await self.one(Job, key)
        return found

    def files(self) -> list[int]:
        """Sizes of all files in storage."""
        paths = self.settings.storage_directory().rglob("*")
        return [path.stat().st_size for path in paths if path.is_file() and path.suffix != ".lock"]


@pytest.fixture
async def world(db: Database, settings: Settings) -> AsyncIterator[World]:
    allowed = settings.model_copy(update={"fetch_allowed_hosts": ("127.0.0.1",)})
    viewer = await make_viewer(db)
    project = await make_project(db, owner_id=viewer.user_id)
    async with hostile_web() as web:
        yield World(db, allowed, viewer, project, web)


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """A worker that fetches; the steps behind it end at once."""

    async def nothing(_ctx: TaskContext) -> None:
        return None

    own = {JobKind.INGEST: ingest, JobKind.PLAYLIST_IMPORT: import_playlist, JobKind.IMPORT_PASS: pass_source}
    async with worker_for_tests(settings, dict.fromkeys(JobKind, nothing) | own):
        yield
