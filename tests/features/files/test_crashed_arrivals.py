"""A process that dies at any step of what arrives, by an upload or by a URL: it goes on, or leaves nothing at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from uuid import UUID

import pytest
from blake3 import blake3
from sqlalchemy import select

from cuepoint.adapters.fetch.choose import build_fetcher
from cuepoint.adapters.storage.intake import BLOCK_PIECES
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError
from cuepoint.features.files.models import FileRemoval
from cuepoint.features.imports import service as imports
from cuepoint.features.imports.tasks import ingest
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.digests import RunningDigests
from cuepoint.features.uploads.models import UploadStatus
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.features.files.conftest import MOST_STEPS, World, dies_everywhere
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_upload
from tests.support.faults import open_bytes, stored_keys
from tests.support.hostile_web import FILE, HostileWeb, hostile_web
from tests.support.storage import stream
from tests.support.uploads import expire_now, reload

REQUEST = BLOCK_PIECES + 9  # pieces of one byte: two blocks, of which the first is written before the second comes
BYTES = bytes(number % 251 for number in range(2 * REQUEST))


@pytest.fixture
async def viewer(world: World) -> Viewer:
    return await make_viewer(world.db, is_admin=True)


@pytest.fixture
async def project(world: World) -> Project:
    return await make_project(world.db)


@pytest.fixture
async def web() -> AsyncIterator[HostileWeb]:
    async with hostile_web() as serving:
        yield serving


async def send(db: Database, storage: LocalStorage, viewer: Viewer, upload_id: UUID) -> None:
    """What a client does that asks how far it got: the rest, request by request."""
    while (offset := (await reload(db, upload_id)).offset_bytes) < len(BYTES):
        rest = stream(*(bytes([byte]) for byte in BYTES[offset : offset + REQUEST]))
        await uploads.receive(db, storage, viewer, upload_id, offset, rest, running=RunningDigests())


async def whole(world: World, viewer: Viewer, project: Project) -> UUID:
    upload = await make_upload(world.db, project, size_bytes=len(BYTES))
    await send(world.db, world.storage, viewer, upload.id)
    return upload.id


class TestUploads:
    async def test_that_receive(self, world: World, viewer: Viewer, project: Project) -> None:
        for at in range(1, MOST_STEPS):
            upload = await make_upload(world.db, project, size_bytes=len(BYTES))
            sending = partial(send, world.fragile_db, world.fragile_storage, viewer, upload.id)

            has_died = await world.dies(at, sending)
            await send(world.db, world.storage, viewer, upload.id)

            done = await reload(world.db, upload.id)
            assert (done.status, done.content_hash) == (UploadStatus.COMPLETE, blake3(BYTES).hexdigest())
            if not has_died:
                break
        await world.later()

        assert at == 13  # two requests, each with two blocks, and before and after the bytes and the commit
        assert (stored_keys(world.storage), open_bytes(world.storage)) == (set(), set())

    async def test_that_expire(self, world: World, viewer: Viewer, project: Project) -> None:
        upload_id = await whole(world, viewer, project)
        await expire_now(world.db, upload_id)

        await dies_everywhere(world, partial(uploads.expire, world.fragile_db, world.fragile_storage, upload_id))
        await world.later()

        assert (await reload(world.db, upload_id)).status is UploadStatus.EXPIRED
        async with world.db.read() as session:
            assert list(await session.scalars(select(FileRemoval.key))) == []
        assert (stored_keys(world.storage), open_bytes(world.storage)) == (set(), set())

    @pytest.mark.parametrize("is_tried_again", [True, False], ids=["tried again", "given up"])
    async def test_that_become_a_video(
        self, world: World, viewer: Viewer, project: Project, is_tried_again: bool
    ) -> None:
        for at in range(1, MOST_STEPS):
            given = {"upload_id": await whole(world, viewer, project), "title": None, "auto_start": False}
            register = partial(videos.register_video, world.fragile_db, world.fragile_storage, viewer, **given)
            if not await world.dies(at, register):
                break
            if is_tried_again:
                await register()
                await world.assert_whole()
            await world.later()
            await world.assert_whole()

        async with world.db.read() as session:
            made = len((await session.scalars(select(Video.id))).all())
            listed = list(await session.scalars(select(FileRemoval.key)))
        assert listed == []
        assert at > 3
        assert made == (at if is_tried_again else 2)  # given up: the one that died after its commit, and the last
        assert len(stored_keys(world.storage)) == made

    async def test_bytes_with_another_hash_than_declared_are_gone(
        self, world: World, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(world.db, project, size_bytes=4, declared_sha256="0" * 64)

        with pytest.raises(CuepointError):
            await uploads.receive(world.db, world.storage, viewer, upload.id, 0, stream(b"data"))

        await world.assert_whole()
        assert open_bytes(world.storage) == set()


class TestIngest:
    @pytest.mark.parametrize("is_tried_again", [True, False], ids=["tried again", "given up"])
    async def test_that_is_cut_off(
        self, world: World, viewer: Viewer, project: Project, web: HostileWeb, is_tried_again: bool
    ) -> None:
        fetcher = build_fetcher(world.settings.model_copy(update={"fetch_allowed_hosts": ("127.0.0.1",)}))
        wish = imports.wish_of(fetcher, web.url("/file/film.mp4"), auto_start=False)
        for at in range(1, MOST_STEPS):
            async with world.db.write() as session:
                made = await imports.ingest_url(session, viewer, world.settings, project.id, wish)

            async def run(made: imports.Imported = made) -> None:
                args = {"import_id": str(made.row.id)}
                await ingest(await world.attempt(JobKind.INGEST, made.expected.video, fetcher=fetcher, args=args))

            has_died = await world.dies(at, run)
            if has_died and is_tried_again:
                await run()
            await world.sweep()
            await world.assert_whole()
            if not has_died:
                break
        await world.later()
        await world.assert_whole()

        async with world.db.read() as session:
            whole = select(Video.storage_key, Video.content_hash).where(Video.content_hash.is_not(None))
            kept = {row.storage_key: row.content_hash for row in await session.execute(whole)}
        assert at > 12
        assert set(kept.values()) == {blake3(FILE).hexdigest()}
        assert len(kept) == (at if is_tried_again else 2)
        assert (stored_keys(world.storage), open_bytes(world.storage)) == (set(kept), set())
