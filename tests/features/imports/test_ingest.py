from __future__ import annotations

import hashlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from blake3 import blake3
from sqlalchemy import text

from cuepoint.adapters.fetch.choose import build_fetcher
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.files.removal import remove_files
from cuepoint.features.imports import service
from cuepoint.features.imports.downloading import STEP_BYTES
from cuepoint.features.imports.models import Import
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.retrying import retry_job
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from tests.features.imports.conftest import World, working
from tests.support.builders.projects import make_member
from tests.support.builders.users import make_viewer
from tests.support.faults import FragileStorage, Fuse, Killed, stored_keys
from tests.support.graphql import api_of
from tests.support.hostile_web import FILE
from tests.support.jobs import connect, ended, row, status, until, violations
from tests.support.uploads import expire_now
from tests.support.workers import own_worker

BLAKE3, SHA256 = blake3(FILE).hexdigest(), hashlib.sha256(FILE).hexdigest()
WORKER = ("-c", "from cuepoint.cli.main import cli; cli()", "worker")
FAIL = "$$ begin raise exception 'no'; end $$"


class TestIngest:
    async def test_the_video_exists_at_once_and_the_pipeline_waits(self, world: World) -> None:
        made = await world.ingest("/file/film.mp4?token=secret")

        video = made.expected.video
        assert (video.title, video.filename, video.size_bytes, video.content_hash) == (
            "film.mp4",
            "film.mp4",
            None,
            None,
        )
        assert [job.kind for job in made.expected.jobs][:2] == [JobKind.INGEST, JobKind.PROBE]
        assert {job.status for job in made.expected.jobs[1:]} == {JobStatus.BLOCKED}
        assert (made.row.shown_url, made.row.job_id) == (world.web.url("/file/film.mp4?…"), made.expected.jobs[0].id)
        assert world.web.paths() == []

    async def test_brings_the_file_and_starts_the_pipeline(self, world: World, database_url: str) -> None:
        made = await world.ingest("/file/film.mp4?token=secret")

        async with working(world.settings), connect(database_url) as sql:
            states = await ended(sql, *[job.id for job in made.expected.jobs])
            broken = await violations(sql)

        video: Video = await world.one(Video, made.expected.video.id)
        upload: Upload = await world.one(Upload, video.upload_id)
        stored: Import = await world.one(Import, made.row.id)
        file = world.settings.storage_directory() / "objects" / video.storage_key
        assert (set(states), broken) == ({"SUCCEEDED"}, [])
        assert (video.size_bytes, video.title) == (len(FILE), "film.mp4")
        assert (video.content_hash, video.sha256) == (BLAKE3, SHA256)
        assert file.read_bytes() == FILE
        assert (upload.status, upload.storage_key) == (UploadStatus.COMPLETE, video.storage_key)
        assert stored.fetched_at is not None
        assert "secret" not in stored.address
        facts = {"sizeBytes": len(FILE), "contentHash": BLAKE3, "sha256": SHA256}
        assert (await world.jobs())[JobKind.INGEST].result == facts

    async def test_goes_on_after_connections_that_broke(self, world: World, database_url: str) -> None:
        world.web.breaks = 2
        made = await world.ingest("/file/film.mp4", auto_start=False)

        async with working(world.settings), connect(database_url) as sql:
            states = await ended(sql, made.expected.jobs[0].id)

        video: Video = await world.one(Video, made.expected.video.id)
        asked = [request.headers.get("range") for request in world.web.requests]
        assert (states, video.content_hash) == (["SUCCEEDED"], BLAKE3)
        assert asked == [None, "bytes=100000-", "bytes=200000-"]
        assert (await world.jobs())[JobKind.INGEST].attempt == 1

    async def test_begins_anew_where_the_source_cannot_go_on(self, world: World, database_url: str) -> None:
        world.web.breaks, world.web.etag = 1, None
        made = await world.ingest("/file/film.mp4", auto_start=False)

        async with working(world.settings), connect(database_url) as sql:
            states = await ended(sql, made.expected.jobs[0].id)

        video: Video = await world.one(Video, made.expected.video.id)
        assert (states, video.content_hash, video.size_bytes) == (["SUCCEEDED"], BLAKE3, len(FILE))

    @pytest.mark.parametrize(
        ("path", "code"),
        [
            ("/status/404", ErrorCode.SOURCE_GONE),
            ("/status/401", ErrorCode.SOURCE_LOGIN_REQUIRED),
            ("/status/451", ErrorCode.SOURCE_GEO_BLOCKED),
            ("/bot-wall", ErrorCode.SOURCE_BOT_CHECK),
            ("/redirect?http://10.0.0.1/", ErrorCode.URL_FORBIDDEN),
        ],
    )
    async def test_a_refusal_ends_it_with_its_cause(
        self, world: World, database_url: str, path: str, code: ErrorCode
    ) -> None:
        made = await world.ingest(path)

        async with working(world.settings), connect(database_url) as sql:
            states = await ended(sql, *[job.id for job in made.expected.jobs])

        job = (await world.jobs())[JobKind.INGEST]
        assert states == ["FAILED"] + ["CANCELLED"] * (len(states) - 1)
        assert (job.error_code, job.attempt) == (code.value, 1)

    async def test_too_large_for_this_instance(self, world: World, database_url: str) -> None:
        small = world.settings.model_copy(update={"upload_max_bytes": 100_000})
        made = await world.ingest("/endless")

        async with working(small), connect(database_url) as sql:
            states = await ended(sql, made.expected.jobs[0].id)

        assert states == ["FAILED"]
        assert (await world.jobs())[JobKind.INGEST].error_code == "SOURCE_TOO_LARGE"

    async def test_a_page_is_not_media(self, world: World, database_url: str) -> None:
        world.web.documents["/watch"] = ("text/html", b"<html><title>Film</title></html>")
        made = await world.ingest("/watch")

        async with working(world.settings), connect(database_url) as sql:
            await ended(sql, made.expected.jobs[0].id, seconds=60)

        assert (await world.jobs())[JobKind.INGEST].error_code == "UNSUPPORTED_MEDIA"


class TestPipeline:
    async def test_a_step_that_is_started_meanwhile_waits_for_the_bytes(self, world: World, database_url: str) -> None:
        made = await world.ingest("/file/film.mp4", auto_start=False)
        async with world.db.write() as session:
            _, [probe] = await videos.start_pipeline(session, world.viewer, made.expected.video.id, [JobKind.PROBE])

        async with working(world.settings), connect(database_url) as sql:
            states = await ended(sql, made.expected.jobs[0].id, probe.id)
            order = await sql.fetch("select id from jobs order by finished_at")

        assert (probe.status, states) == (JobStatus.BLOCKED, ["SUCCEEDED", "SUCCEEDED"])
        assert [row["id"].hex for row in order] == [made.expected.jobs[0].id.hex, probe.id.hex]

    async def test_a_video_whose_bytes_never_came_has_failed(self, world: World, database_url: str) -> None:
        made = await world.ingest("/status/404")
        query = "query ($id: ID!) { video(id: $id) { status problems { code job { kind } } } }"

        async with working(world.settings), connect(database_url) as sql:
            await ended(sql, *[job.id for job in made.expected.jobs])
        client = api_of(world.db, world.settings, world.viewer)
        seen = await client.data(query, {"id": encode_id("Video", made.expected.video.id)})

        problems = [{"code": "SOURCE_GONE", "job": {"kind": "INGEST"}}]
        assert seen["video"] == {"status": "FAILED", "problems": problems}

    async def test_a_retry_brings_the_pipeline_back(self, world: World, database_url: str) -> None:
        made = await world.ingest("/later.mp4")

        async with working(world.settings), connect(database_url) as sql:
            await ended(sql, *[job.id for job in made.expected.jobs])
            world.web.documents["/later.mp4"] = ("video/mp4", FILE)
            async with world.db.write() as session:
                await retry_job(session, world.viewer, made.expected.jobs[0].id)
            await until(lambda: _are(sql, made, "SUCCEEDED"))

        assert (await world.one(Video, made.expected.video.id)).content_hash == BLAKE3


async def _are(sql: Any, made: service.Imported, wanted: str) -> bool:
    return set(await status(sql, *[job.id for job in made.expected.jobs])) == {wanted}


class TestInterruptions:
    async def test_a_cancel_stops_the_download_at_once(self, world: World, database_url: str) -> None:
        world.web.holds = 1
        made = await world.ingest("/file/film.mp4")
        job_id = made.expected.jobs[0].id

        async with working(world.settings), connect(database_url) as sql:
            await world.web.reached.wait()
            async with world.db.write() as session:
                await jobs.cancel_job(session, world.viewer, job_id)
            states = await ended(sql, *[job.id for job in made.expected.jobs], seconds=3)

        assert set(states) == {"CANCELLED"}
        assert (await world.one(Video, made.expected.video.id)).content_hash is None

    async def test_a_worker_that_is_killed_costs_one_step(self, world: World, database_url: str) -> None:
        world.web.file = b"film" * ((STEP_BYTES + (2 << 20)) // 4)
        world.web.holds, world.web.break_after = 1, STEP_BYTES + (1 << 20)
        made = await world.ingest("/file/film.mp4", auto_start=False)
        upload_id = made.expected.video.upload_id

        async def has_a_step() -> bool:
            upload: Upload = await world.one(Upload, upload_id)
            return upload.offset_bytes == STEP_BYTES

        async with connect(database_url) as sql:
            async with own_worker(world.settings, WORKER) as first:
                await until(has_a_step, seconds=60)
                first.signal(signal.SIGKILL)
                await first.wait()
            async with working(world.settings):
                states = await ended(sql, made.expected.jobs[0].id, seconds=30)

        video: Video = await world.one(Video, made.expected.video.id)
        assert (states, video.content_hash) == (["SUCCEEDED"], blake3(world.web.file).hexdigest())
        assert [request.headers.get("range") for request in world.web.requests] == [None, f"bytes={STEP_BYTES}-"]
        assert world.files() == [len(world.web.file)]

    async def test_a_crash_after_the_bytes_were_moved_is_made_good(self, world: World, database_url: str) -> None:
        made = await world.ingest("/file/film.mp4", auto_start=False)
        async with world.db.write() as session:
            await session.execute(text(f"create function fail() returns trigger language plpgsql as {FAIL}"))
            await session.execute(
                text("create trigger fail before update of content_hash on videos for each row execute function fail()")
            )
        try:
            async with working(world.settings), connect(database_url) as sql:
                await until(lambda: _has_failed(sql, made.expected.jobs[0].id))
                async with world.db.write() as session:
                    await session.execute(text("drop function fail cascade"))
                states = await ended(sql, made.expected.jobs[0].id)
        finally:
            async with world.db.write() as session:
                await session.execute(text("drop function if exists fail cascade"))

        video: Video = await world.one(Video, made.expected.video.id)
        assert (states, video.content_hash) == (["SUCCEEDED"], BLAKE3)
        assert len(world.web.requests) == 1

    async def test_what_a_former_attempt_left_to_be_removed_never_takes_the_new_bytes(
        self, world: World, database_url: str
    ) -> None:
        made = await world.ingest("/file/film.mp4", auto_start=False)
        job_id, upload_id = made.expected.jobs[0].id, made.expected.video.upload_id
        assert upload_id is not None
        storage = LocalStorage(world.settings.storage_directory(), min_free_bytes=0)

        async def is_moved() -> bool:
            return len(stored_keys(storage)) == 1

        async def is_whole_again() -> bool:
            upload: Upload = await world.one(Upload, upload_id)
            return upload.status is UploadStatus.COMPLETE

        async with connect(database_url) as sql, held_before_the_end(sql) as held:
            async with own_worker(world.settings, WORKER) as first:
                await until(is_moved, seconds=60)
                first.signal(signal.SIGKILL)
                await first.wait()
            await held.let_dead_one_go()
            await expire_now(world.db, upload_id)
            with pytest.raises(Killed):  # the sweep dies as well, right after it has claimed what it removes
                await uploads.expire(world.db, FragileStorage(world.settings.storage_directory(), Fuse(1)), upload_id)
            async with working(world.settings):
                await until(lambda: _has_failed(sql, job_id), seconds=30)
                refused, kept = await row(sql, job_id), stored_keys(storage)
                await sql.execute("update file_removals set claimed_until = null")
                await until(is_whole_again, seconds=30)
                await until(is_moved, seconds=30)
                in_between = await remove_files(world.db, storage)
                await held.let_all_go()
                states = await ended(sql, job_id, seconds=30)

        await remove_files(world.db, storage)
        video: Video = await world.one(Video, made.expected.video.id)
        assert (refused["error_code"], len(kept)) == ("STORAGE_UNAVAILABLE", 1)
        assert (in_between.files, states) == (0, ["SUCCEEDED"])
        assert stored_keys(storage) == {video.storage_key}
        assert world.files() == [len(FILE)]


class Held:
    """Attempts that have moved their bytes wait before they write their row."""

    def __init__(self, sql: Any) -> None:
        self._sql = sql

    async def let_dead_one_go(self) -> None:
        """The one whose process is gone, if it waits, finds that out; the next one waits again."""
        await self.let_all_go()
        await self._sql.execute("select pg_advisory_lock(7)")

    async def let_all_go(self) -> None:
        """Nobody waits."""
        await self._sql.execute("select pg_advisory_unlock_all()")


@asynccontextmanager
async def held_before_the_end(sql: Any) -> AsyncIterator[Held]:
    await sql.execute("select pg_advisory_lock(7)")
    body = "$$ begin perform pg_advisory_xact_lock(7); return new; end $$"
    await sql.execute(f"create function hold() returns trigger language plpgsql as {body}")
    await sql.execute("create trigger hold before update on videos for each row execute function hold()")
    try:
        yield Held(sql)
    finally:
        await sql.execute("select pg_advisory_unlock_all()")
        await sql.execute("drop function hold cascade")


async def _has_failed(sql: Any, job_id: UUID) -> bool:
    return bool((await row(sql, job_id))["failures"])


class TestDuplicates:
    async def bring(self, world: World, database_url: str, **options: Any) -> tuple[service.Imported, Video]:
        """The file as a video, and an import of the same file after it."""
        first = await world.ingest("/file/one.mp4", auto_start=False)
        async with working(world.settings), connect(database_url) as sql:
            await ended(sql, first.expected.jobs[0].id)
            second = await world.ingest("/file/two.mp4", **options)
            await ended(sql, *[job.id for job in second.expected.jobs])
        return second, first.expected.video

    async def test_keep_makes_a_second_video(self, world: World, database_url: str) -> None:
        second, _ = await self.bring(world, database_url, on_duplicate=OnDuplicate.KEEP)

        video: Video = await world.one(Video, second.expected.video.id)
        assert (video.content_hash, video.deleted_at) == (BLAKE3, None)

    async def test_link_finds_the_first_and_leaves_nothing(self, world: World, database_url: str) -> None:
        second, first = await self.bring(world, database_url, on_duplicate=OnDuplicate.LINK)

        async with working(world.settings), connect(database_url) as sql:
            deletion = (await world.jobs())[JobKind.VIDEO_DELETION]
            await ended(sql, deletion.id)
            states = await status(sql, *[job.id for job in second.expected.jobs])
            broken = await violations(sql)
        stored: Import = await world.one(Import, second.row.id)
        video: Video = await world.one(Video, second.expected.video.id)
        assert states == ["SUCCEEDED"] + ["CANCELLED"] * (len(states) - 1)
        assert (stored.duplicate_of_id, stored.video_id, broken) == (first.id, None, [])
        assert video.deleted_at is not None
        assert world.files().count(len(FILE)) <= 2  # the list of removals takes the second

    async def test_reject_fails_and_drops_the_bytes(self, world: World, database_url: str) -> None:
        second, _ = await self.bring(world, database_url, on_duplicate=OnDuplicate.REJECT)

        made = await world.jobs()
        video: Video = await world.one(Video, second.expected.video.id)
        assert (made[JobKind.INGEST].status, made[JobKind.INGEST].error_code) == (JobStatus.FAILED, "DUPLICATE_VIDEO")
        assert video.content_hash is None
        assert world.files() == [len(FILE)]


class TestAccess:
    async def test_viewers_and_strangers_change_nothing(self, world: World, db: Database) -> None:
        stranger = await make_viewer(db)
        reader = await make_viewer(db)
        await make_member(db, world.project, reader.user_id, ProjectRole.VIEWER)
        wish = service.wish_of(build_fetcher(world.settings), world.web.url("/file"))

        for viewer, code in ((stranger, ErrorCode.NOT_FOUND), (reader, ErrorCode.FORBIDDEN)):
            with pytest.raises(CuepointError) as refused:
                async with db.write() as session:
                    await service.ingest_url(session, viewer, world.settings, world.project.id, wish)
            assert refused.value.code is code

        assert [await world.all(model) for model in (Import, Video, Upload, Job)] == [[], [], [], []]
