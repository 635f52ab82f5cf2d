"""kill -9 of the API and the worker at random moments of uploads, imports, clips and deletions: all of them go on, and
afterwards each row has its file, and each file its row."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx2
import pytest
from blake3 import blake3
from sqlalchemy import func, select, text

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.client import CuepointClient, upload_file
from cuepoint.client.errors import GraphQLFailure, RequestFailure
from cuepoint.db.session import Database, create_engine
from cuepoint.embedded.running import read_file
from cuepoint.features.clips.models import Clip
from cuepoint.features.files.models import FileRemoval
from cuepoint.features.files.removal import remove_files
from cuepoint.features.imports.models import Import
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import decode_id
from tests.support.faults import open_bytes, stored_keys
from tests.support.hostile_web import HostileWeb, hostile_web
from tests.support.product import RunningProduct, call, finish, running_product, send
from tests.support.speech import VIDEO

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("killed files")]

MEBI = 1 << 20
ROUNDS = 2
KILLS = 3  # in each round: whoever dies often is started again later and later
LONGEST = 1.0  # seconds until the next one: a round takes about two where nobody dies
PATIENCE = 60.0
FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}
T = TypeVar("T")


@pytest.fixture
def product(tmp_path: Path) -> Iterator[RunningProduct]:
    settings = {"lease_seconds": "1", "retry_base_seconds": "0.2", "fetch_allowed_hosts": "127.0.0.1"}
    with running_product(tmp_path / "home", **settings) as running:
        yield running


async def persist(act: Callable[[], Awaitable[T]]) -> T:
    """Try until somebody answers, as a client does whose server is restarted."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await act()
            except (RequestFailure, httpx2.TransportError):
                await asyncio.sleep(0.1)


class Round:
    """A file that is sent, one that is given up half-way, one that is fetched, one that is cut, and a video that is
    deleted."""

    def __init__(self, client: CuepointClient, project_id: str, web: HostileWeb, folder: Path, number: int) -> None:
        self._client = client
        self._project_id = project_id
        self._web = web
        self._folder = folder
        self._number = number
        self.jobs: list[str] = []
        self.clips: list[str] = []

    async def _call(self, name: str, **given: Any) -> dict[str, Any]:
        variables = {"input": given} if name != "Job" else given
        return await persist(lambda: call(self._client, name, variables))

    def _file(self, name: str, size: int) -> Path:
        path = self._folder / f"{self._number}-{name}.mp4"
        path.write_bytes(random.Random(f"{name}{self._number}").randbytes(size))
        return path

    async def send(self, name: str) -> str:
        """The file is a video."""
        path = self._file(name, 20 * MEBI)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        given = {"projectId": self._project_id, "filename": path.name, "sizeBytes": 20 * MEBI, "sha256": sha256}
        upload = (await self._call("CreateUpload", **given))["upload"]
        await persist(lambda: upload_file(self._client, upload["url"], path))
        made = await self._call("RegisterVideo", uploadId=upload["id"], autoStart=False)
        return str(made["video"]["id"])

    async def give_up(self) -> None:
        """The first half of a file, and nobody sends the rest."""
        path = self._file("half", 6 * MEBI)
        given = {"projectId": self._project_id, "filename": path.name, "sizeBytes": 12 * MEBI}
        upload = (await self._call("CreateUpload", **given))["upload"]
        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        with suppress(httpx2.TransportError):
            await self._client.http.patch(upload["url"], content=path.read_bytes(), headers=headers)

    async def fetch(self) -> None:
        """A file comes by its URL."""
        name = f"/{self._number}.mp4"
        self._web.documents[name] = ("video/mp4", random.Random(name).randbytes(20 * MEBI))
        given = {"projectId": self._project_id, "url": self._web.url(name), "autoStart": False}
        asked = await self._call("IngestUrl", **given, idempotencyKey=name)
        self.jobs.append(asked["jobs"][0]["id"])

    async def clip(self, film_id: str) -> None:
        """A part of the film is rendered."""
        given = {"videoId": film_id, "start": self._number % 10, "end": self._number % 10 + 20, "mode": "RENDER"}
        asked = await self._call("CreateClip", **given, idempotencyKey=f"clip {self._number}")
        self.jobs.append(asked["job"]["id"])
        self.clips.append(asked["job"]["id"])

    async def delete(self, video_id: str) -> None:
        """A video that was there goes."""
        try:
            deleted = await self._call("DeleteVideo", id=video_id)
        except GraphQLFailure as failure:
            if failure.codes != ("NOT_FOUND",):  # the answer that it was deleted was lost
                raise
        else:
            self.jobs.append(deleted["job"]["id"])

    async def over(self) -> set[str]:
        """How its jobs end."""

        async def end(job_id: str) -> str:
            status = str((await self._call("Job", id=job_id))["status"])
            if status == "FAILED" and job_id in self.clips:  # its worker died more often than it may
                await self._call("RetryJob", id=job_id)
            if status not in FINAL or (status == "FAILED" and job_id in self.clips):
                raise RequestFailure(f"it is {status}")
            return status

        return {await persist(partial(end, job_id)) for job_id in self.jobs}


async def kill(product: RunningProduct, chance: random.Random) -> None:
    """One of the two processes dies now and then."""
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.0, LONGEST))
        with suppress(ProcessLookupError):
            os.kill(product.pid_of(chance.choice(["api", "worker"])), signal.SIGKILL)


async def sweep(db: Database, storage: LocalStorage) -> None:
    """What happens by itself once every promise has run out."""
    async with db.write() as session:
        await session.execute(text("update file_removals set due_at = now(), claimed_until = null"))
        await session.execute(text("update uploads set expires_at = now() - interval '1 second'"))
    async with db.read() as session:
        expired = await uploads.expired_uploads(session)
    for upload_id in expired:
        await uploads.expire(db, storage, upload_id)
    await remove_files(db, storage)


async def disagreements(db: Database, storage: LocalStorage) -> dict[str, set[Any]]:
    """Between rows, counters and files, both ways; empty sets where there is none."""
    async with db.read() as session:
        rows = await session.execute(text("select key, size_bytes from owned_files"))
        owned = {str(key): int(size) for key, size in rows}
        tracked = {tuple(row) for row in await session.execute(text("select key, size_bytes from stored_files"))}
        hashes = {tuple(row) for row in await session.execute(select(Video.storage_key, Video.content_hash))}
        sums = text("select coalesce(sum(files), 0), coalesce(sum(bytes), 0) from storage_tallies")
        counted = tuple((await session.execute(sums)).one())
        listed = set(await session.scalars(select(FileRemoval.key)))
        living = Upload.status.in_([UploadStatus.WAITING, UploadStatus.RECEIVING])
        open_rows = set(await session.scalars(select(Upload.id).where(living)))
    there = {key: (storage._objects / key).read_bytes() for key in stored_keys(storage)}
    found = {(key, blake3(data).hexdigest()) for key, data in there.items()}
    return {
        "sizes": set(owned.items()) ^ {(key, len(data)) for key, data in there.items()},
        "hashes": hashes - found,  # of originals; other files without a row are among the sizes
        "tracked": set(owned.items()) ^ tracked,
        "counters": {counted} ^ {(len(owned), sum(owned.values()))},
        "removals": listed,
        "open uploads": open_rows | open_bytes(storage),
    }


async def videos_of(db: Database, project_id: UUID, sent: list[str]) -> list[int]:
    """How many of those videos are there, how many were fetched, and how many others there are."""
    async with db.read() as session:
        living = (Video.project_id == project_id, Video.deleted_at.is_(None), Video.content_hash.is_not(None))
        keys = set(await session.scalars(select(Video.id).where(*living)))
        fetched = set(await session.scalars(select(Import.video_id).where(Import.project_id == project_id)))
    known = {decode_id("Video", one) for one in sent}
    return [len(keys & known), len(keys & fetched), len(keys - known - fetched)]


class TestKilledFiles:
    @pytest.mark.parametrize("seed", range(4))
    async def test_rows_and_files_agree_and_all_went_on(
        self, product: RunningProduct, tmp_path: Path, seed: int
    ) -> None:
        chance, running = random.Random(seed), read_file(product.home)
        assert running is not None
        assert running.database_url is not None
        db = Database(create_engine(running.database_url))
        storage = LocalStorage(product.home / "storage", min_free_bytes=0)
        async with product.client() as client, hostile_web() as web:
            project = (await call(client, "CreateProject", {"input": {"name": f"Killed {seed}"}}))["project"]["id"]
            before = Round(client, project, web, tmp_path, seed * 100)
            victim = await before.send("victim")
            registered = await send(client, project, VIDEO, options={"steps": ["PROBE"]})
            await finish(client, registered["jobs"][0]["id"])
            film = registered["video"]["id"]
            kept, ends = [film], set()
            for number in range(ROUNDS):
                one = Round(client, project, web, tmp_path, seed * 100 + number)
                killing = asyncio.create_task(kill(product, chance))
                sent, *_ = await asyncio.gather(
                    one.send("film"), one.give_up(), one.fetch(), one.clip(film), one.delete(victim)
                )
                await killing
                ends |= await one.over()
                kept.append(sent)
                victim = await one.send("victim")
            await sweep(db, storage)
            wrong = await disagreements(db, storage)
            made = await videos_of(db, decode_id("Project", project), kept)
            async with db.read() as session:
                clips = await session.scalar(select(func.count(Clip.storage_key)))
        await db.engine.dispose()

        assert ends == {"SUCCEEDED"}
        assert made == [1 + ROUNDS, ROUNDS, 1]  # sent, fetched, and the last victim
        assert clips == ROUNDS
        assert wrong == {name: set() for name in wrong}
