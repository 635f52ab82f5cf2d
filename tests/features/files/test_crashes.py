"""A process that dies at any step leaves, after the sweep, no row without its file and no file without its row."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from cuepoint.adapters.bundle import Adapters
from cuepoint.adapters.media.base import PosterInfo
from cuepoint.adapters.media.fake import FakeMediaTools
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError
from cuepoint.features.files.models import FileArea, FileRemoval, StoredFile
from cuepoint.features.files.removal import remove_files
from cuepoint.features.files.storing import store_file
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.features.videos.tasks import delete_video, probe
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import begin_attempt
from tests.support.builders.clips import make_clip
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_rendition, make_upload, make_video
from tests.support.faults import FragileDatabase, FragileStorage, Fuse, Killed, open_bytes, stored_keys
from tests.support.storage import put, stream

MOST_STEPS = 60


class World:
    """A database and a storage, and the same as a process has them that dies at some step."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db = db
        self.settings = settings
        self.storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        self.strays: set[str] = set()  # files that never had a row
        self.fuse = Fuse()
        self.fragile_db = FragileDatabase(db, self.fuse)
        self.fragile_storage = FragileStorage(settings.storage_directory(), self.fuse)

    async def attempt(self, kind: JobKind, video: Video | None, **values: Any) -> TaskContext:
        context, _ = await begin_attempt(self.db, self.settings, kind, video, **values)
        ports = cast(Any, context.adapters)
        ports.storage = self.fragile_storage
        return dataclasses.replace(context, db=self.fragile_db, adapters=cast(Adapters, ports))

    async def sweep(self) -> None:
        """What happens by itself in the time after the death: the attempt is found lost, claims run out."""
        async with self.db.write() as session:
            await session.execute(
                text(
                    "update jobs set status = 'FAILED', worker_id = null, finished_at = now() where status = 'RUNNING'"
                )
            )
            await session.execute(text("update file_removals set claimed_until = null"))
        await remove_files(self.db, self.storage)

    async def later(self) -> None:
        """After all promises have run out."""
        async with self.db.write() as session:
            await session.execute(text("update file_removals set due_at = now()"))
            await session.execute(text("update uploads set expires_at = now() - interval '1 second'"))
        async with self.db.read() as session:
            expired = await uploads.expired_uploads(session)
        for upload_id in expired:
            await uploads.expire(self.db, self.storage, upload_id)
        await self.sweep()

    async def assert_whole(self) -> None:
        """Rows and files agree, and nothing is left to do."""
        async with self.db.read() as session:
            owned = set(await session.scalars(select(StoredFile.key)))
            listed = set(await session.scalars(select(FileRemoval.key)))
            open_uploads = set(
                await session.scalars(
                    select(Upload.storage_key).where(
                        Upload.storage_key.startswith("uploads/"), Upload.status.in_(["RECEIVING", "COMPLETE"])
                    )
                )
            )
            seen = set((await session.execute(text("select key from owned_files"))).scalars())
            promised = {removal for removal in listed if removal.startswith("projects/")}
        assert owned == seen
        assert stored_keys(self.storage) - promised - self.strays == owned
        held = open_bytes(self.storage)
        assert held - listed <= open_uploads
        assert len(open_uploads - held) <= len(promised & stored_keys(self.storage))  # moved, not registered yet


@pytest.fixture
def world(db: Database, settings: Settings) -> World:
    return World(db, settings)


async def dies_everywhere(world: World, run: Callable[[], Awaitable[object]]) -> int:
    """Run it again and again, dying one step later each time and swept up after, until it gets through."""
    for at in range(1, MOST_STEPS):
        world.fuse.at, world.fuse.steps = at, 0
        before = asyncio.all_tasks()
        try:
            await run()
        except Killed:
            if left := asyncio.all_tasks() - before:  # a process takes all that it does along
                await asyncio.wait(left)
            world.fuse.at = None
            await world.sweep()
            await world.assert_whole()
        else:
            world.fuse.at = None
            return at - 1
    raise AssertionError(f"not through after {MOST_STEPS} steps")


class Posters(FakeMediaTools):
    """Each poster has other bytes."""

    def _write(self, target: Path) -> None:
        target.write_bytes(b"poster %d" % self.number)

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    async def poster(self, path: Path, target: Path, *, duration_ms: int | None) -> PosterInfo | None:
        self._write(target)
        return PosterInfo(at_ms=1, width=2, height=2)


async def stored_video(world: World, tmp_path: Path) -> tuple[Project, Video]:
    project = await make_project(world.db)
    video = await make_video(world.db, project)
    await put(world.storage, video.storage_key, b"x" * 1000, tmp_path)
    return project, video


class TestDeletion:
    async def test_of_a_video(self, world: World, tmp_path: Path) -> None:
        project, video = await stored_video(world, tmp_path)
        other = await make_video(world.db, project)
        await put(world.storage, other.storage_key, b"y" * 1000, tmp_path)
        for row in (
            await make_clip(world.db, video, is_rendered=True),
            await make_rendition(world.db, video, RenditionKind.POSTER),
        ):
            await put(world.storage, str(row.storage_key), b"z", tmp_path)
        world.strays = {f"projects/{project.id.hex}/videos/{video.id.hex}/old"}
        await put(world.storage, *world.strays, b"z", tmp_path)
        viewer = await make_viewer(world.db, is_admin=True)
        async with world.db.write() as session:
            _, job = await videos.delete_video(session, viewer, video.id)
        assert job is not None
        args = job.args

        async def run() -> None:
            attempt = await world.attempt(JobKind.VIDEO_DELETION, None, args=args)
            await delete_video(dataclasses.replace(attempt, project_id=project.id))

        steps = await dies_everywhere(world, run)

        assert steps > 8
        assert stored_keys(world.storage) == {other.storage_key}


class TestReplacement:
    async def test_of_a_rendition(self, world: World, tmp_path: Path) -> None:
        _, video = await stored_video(world, tmp_path)
        numbers = iter(range(100))

        async def run() -> None:
            await probe(await world.attempt(JobKind.PROBE, video, media=Posters(next(numbers))))

        first = await dies_everywhere(world, run)
        second = await dies_everywhere(world, run)
        await world.sweep()

        async with world.db.read() as session:
            [poster] = await session.scalars(select(Rendition))
        assert first == second > 5
        assert stored_keys(world.storage) == {video.storage_key, poster.storage_key}

    async def test_of_a_clip(self, world: World, tmp_path: Path) -> None:
        _, video = await stored_video(world, tmp_path)
        clip = await make_clip(world.db, video, is_rendered=True)
        await put(world.storage, str(clip.storage_key), b"old", tmp_path)
        numbers = iter(range(100))

        async def run() -> None:
            context = await world.attempt(JobKind.CLIP_EXTRACTION, video)
            (tmp_path / "clip.mp4").write_bytes(b"clip %d" % next(numbers))
            stored = await store_file(
                context,
                FileArea.EXPORTS,
                project_id=video.project_id,
                owner_id=clip.id,
                name=clip.title,
                path=tmp_path / "clip.mp4",
            )
            async with context.finish() as session:
                await session.execute(
                    update(type(clip))
                    .where(type(clip).id == clip.id)
                    .values(storage_key=stored.key, size_bytes=stored.size_bytes)
                )

        await dies_everywhere(world, run)
        await world.sweep()

        async with world.db.read() as session:
            key = await session.scalar(select(type(clip).storage_key))
        assert stored_keys(world.storage) == {video.storage_key, key}


class TestUploads:
    async def whole(self, world: World, viewer: Viewer, project: Project) -> UUID:
        upload = await make_upload(world.db, project, size_bytes=4)
        await uploads.receive(world.db, world.storage, viewer, upload.id, 0, stream(b"data"))
        return upload.id

    async def test_that_expire(self, world: World) -> None:
        project = await make_project(world.db)
        viewer = await make_viewer(world.db, is_admin=True)
        upload_id = await self.whole(world, viewer, project)
        async with world.db.write() as session:
            await session.execute(update(Upload).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

        async def run() -> None:
            await uploads.expire(world.fragile_db, world.fragile_storage, upload_id)

        await dies_everywhere(world, run)
        await world.later()

        async with world.db.read() as session:
            assert list(await session.scalars(select(Upload.status))) == [UploadStatus.EXPIRED]
            assert list(await session.scalars(select(FileRemoval.key))) == []
        assert (stored_keys(world.storage), open_bytes(world.storage)) == (set(), set())

    @pytest.mark.parametrize("is_tried_again", [True, False], ids=["tried again", "given up"])
    async def test_that_become_a_video(self, world: World, is_tried_again: bool) -> None:
        project = await make_project(world.db)
        viewer = await make_viewer(world.db, is_admin=True)

        async def register(upload_id: UUID) -> None:
            await videos.register_video(
                world.fragile_db, world.fragile_storage, viewer, upload_id=upload_id, title=None, auto_start=False
            )

        for at in range(1, MOST_STEPS):
            upload_id = await self.whole(world, viewer, project)
            world.fuse.at, world.fuse.steps = at, 0
            try:
                await register(upload_id)
            except Killed:
                world.fuse.at = None
                await world.sweep()
                if is_tried_again:
                    await register(upload_id)
                await world.assert_whole()
                await world.later()
                await world.assert_whole()
            else:
                break

        async with world.db.read() as session:
            made = len((await session.scalars(select(Video.id))).all())
            listed = list(await session.scalars(select(FileRemoval.key)))
        assert listed == []
        assert at > 3
        assert made == (at if is_tried_again else 2)  # given up: the one that died after its commit, and the last
        assert len(stored_keys(world.storage)) == made

    async def test_bytes_with_another_hash_than_declared_are_gone(self, world: World) -> None:
        project = await make_project(world.db)
        viewer = await make_viewer(world.db, is_admin=True)
        upload = await make_upload(world.db, project, size_bytes=4, declared_sha256="0" * 64)

        with pytest.raises(CuepointError):
            await uploads.receive(world.db, world.storage, viewer, upload.id, 0, stream(b"data"))

        await world.assert_whole()
        assert open_bytes(world.storage) == set()
