"""Triggers keep `stored_files`, the counters and the list of removals, whatever is written to the owners' tables."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from sqlalchemy import delete, select, text, update

from cuepoint.db.base import Base, uuid7
from cuepoint.db.session import Database
from cuepoint.features.clips.models import Clip, Reel
from cuepoint.features.files.models import FileArea, FileRemoval, StoredFile
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos.models import AudioFile, Rendition, RenditionKind, Video
from cuepoint.tables import MODELS
from tests.support.builders.clips import make_clip, make_reel
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_audio_file, make_rendition, make_upload, make_video

LOADED = MODELS
# Keys that name no object of their own: what is on the way in, and this feature's own tables.
NOT_FILES = {"uploads", "stored_files", "file_removals", "storage_findings"}
SUMS = text(
    "select project_id::text, area, month::text, sum(files), sum(bytes) from storage_tallies"
    " group by 1, 2, 3 having sum(files) <> 0 or sum(bytes) <> 0 order by 1, 2, 3"
)
TRUTH = text(
    "select project_id::text, file_area(key), date_trunc('month', created_at at time zone 'UTC')::date::text,"
    " count(*), sum(size_bytes) from owned_files group by 1, 2, 3 order by 1, 2, 3"
)
SEEN = text("select owner_id, slot, key, project_id, video_id, size_bytes, created_at from {} order by 1, 2")


async def rows(db: Database, statement: Any) -> list[tuple[Any, ...]]:
    async with db.read() as session:
        return [tuple(row) for row in await session.execute(statement)]


async def assert_exact(db: Database) -> None:
    """What the triggers kept is what the tables hold."""
    kept, truth = [await rows(db, text(str(SEEN).format(name))) for name in ("stored_files", "owned_files")]
    assert kept == truth
    assert await rows(db, SUMS) == await rows(db, TRUTH)


async def removals(db: Database) -> set[str]:
    async with db.read() as session:
        return set(await session.scalars(select(FileRemoval.key)))


class TestEveryTable:
    async def test_whose_rows_name_a_file_has_the_triggers(self, database_url: str) -> None:
        tables = {name for name, table in Base.metadata.tables.items() if "storage_key" in table.columns}

        connection = await asyncpg.connect(database_url)
        try:
            found = await connection.fetch(
                "select relname, count(*) as n from pg_trigger join pg_class c on c.oid = tgrelid"
                " where tgfoid = 'track_file'::regproc group by 1"
            )
            view = await connection.fetchval("select pg_get_viewdef('owned_files')")
        finally:
            await connection.close()

        tracked = tables - NOT_FILES
        assert {row["relname"]: row["n"] for row in found} == dict.fromkeys(tracked, 2)
        assert {name for name in tracked if f"'{name}.storage_key'" not in view} == set()


class TestStoredFiles:
    async def test_follow_a_video_and_what_was_made_of_it(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        await make_clip(db, video, is_rendered=True)
        await make_clip(db, video)
        await make_rendition(db, video, RenditionKind.POSTER, storage_key=f"projects/{project.id.hex}/thumbnails/a/b")

        async with db.read() as session:
            found = {file.slot: file for file in await session.scalars(select(StoredFile))}
        assert {slot: (file.area, file.size_bytes) for slot, file in found.items()} == {
            "videos.storage_key": (FileArea.UPLOADS, 1000),
            "clips.storage_key": (FileArea.EXPORTS, 100),
            "renditions.storage_key": (FileArea.THUMBNAILS, 10),
        }
        assert {file.video_id for file in found.values()} == {video.id}
        await assert_exact(db)

    async def test_of_a_project_that_is_deleted_are_all_listed(self, db: Database) -> None:
        project, other = await make_project(db), await make_project(db)
        kept = await make_video(db, other)
        video = await make_video(db, project)
        clip = await make_clip(db, video, is_rendered=True)
        upload = await make_upload(db, project, status=UploadStatus.RECEIVING)
        await make_upload(db, project, status=UploadStatus.COMPLETE, storage_key=video.storage_key)

        async with db.write() as session:
            await session.execute(delete(Project).where(Project.id == project.id))

        assert await removals(db) == {video.storage_key, clip.storage_key, upload.storage_key}
        async with db.read() as session:
            assert list(await session.scalars(select(StoredFile.owner_id))) == [kept.id]
            assert list(await session.scalars(select(Upload.id))) == []
        await assert_exact(db)

    async def test_with_two_owners_stay_until_the_last_one_goes(self, db: Database) -> None:
        project = await make_project(db)
        first, second = await make_video(db, project), await make_video(db, project)
        async with db.write() as session:
            await session.execute(update(Video).values(storage_key="a/shared"))
        listed_before = await removals(db)

        async with db.write() as session:
            await session.execute(delete(Video).where(Video.id == first.id))
        between = await removals(db)
        async with db.write() as session:
            await session.execute(delete(Video).where(Video.id == second.id))

        assert listed_before == {first.storage_key, second.storage_key}
        assert "a/shared" not in between
        assert "a/shared" in await removals(db)

    async def test_of_a_video_whose_files_were_given_up_are_listed(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))

        async with db.write() as session:
            await session.execute(text("update videos set files_removed_at = now()"))

        assert await removals(db) == {video.storage_key}
        await assert_exact(db)

    async def test_of_a_video_without_bytes_do_not_exist_yet(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))
        async with db.write() as session:
            await session.execute(text("update videos set content_hash = null"))
        before = await rows(db, select(StoredFile.key))

        async with db.write() as session:
            await session.execute(text("update videos set content_hash = repeat('a', 64), size_bytes = 7"))

        assert before == []
        assert await rows(db, select(StoredFile.key, StoredFile.size_bytes)) == [(video.storage_key, 7)]


class TestCounters:
    @pytest.mark.parametrize("seed", range(4))
    async def test_are_the_sums_after_any_sequence(self, db: Database, seed: int) -> None:
        chance = random.Random(seed)
        projects = [await make_project(db) for _ in range(2)]
        done: Counter[str] = Counter()

        for _ in range(60):
            done[await self.step(db, chance, projects)] += 1
            await assert_exact(db)

        assert len(done) == 9

    async def step(self, db: Database, chance: random.Random, projects: list[Project]) -> str:
        async with db.read() as session:
            videos = list(await session.scalars(select(Video).order_by(Video.id)))
            clips = list(await session.scalars(select(Clip).order_by(Clip.id)))
        action = chance.choice(["video", "clip", "rendition", "audio", "reel", "resize", "replace", "delete", "undone"])
        video = chance.choice(videos) if videos else None
        if action == "video" or video is None:
            await make_video(db, chance.choice(projects))
        elif action == "clip":
            made = datetime(2026, chance.randrange(1, 13), 15, tzinfo=UTC)
            await make_clip(db, video, is_rendered=chance.random() < 0.7, created_at=made)
        elif action == "rendition":
            await self.replace_rendition(db, video, chance)
        elif action == "audio":
            await make_audio_file(db, video, is_written=chance.random() < 0.7)
        elif action == "reel":
            await make_reel(db, chance.choice(projects), is_rendered=chance.random() < 0.7)
        elif action == "resize":
            async with db.write() as session:
                size = chance.randrange(10_000)
                await session.execute(update(Video).where(Video.id == video.id).values(size_bytes=size))
                await session.execute(update(Clip).values(size_bytes=size // 2))
        elif action == "replace" and clips:
            async with db.write() as session:
                key = chance.choice([None, f"projects/{video.project_id.hex}/music/{uuid7().hex}"])
                await session.execute(update(Clip).where(Clip.id == chance.choice(clips).id).values(storage_key=key))
        elif action == "delete":
            async with db.write() as session:
                model = chance.choice([Video, Clip, Reel, AudioFile])
                oldest = select(model.id).order_by(model.id).limit(1).scalar_subquery()
                await session.execute(delete(model).where(model.id == (video.id if model is Video else oldest)))
        elif action == "undone":
            with pytest.raises(ZeroDivisionError):
                await self.undone(db)
        return action

    async def undone(self, db: Database) -> None:
        async with db.write() as session:
            await session.execute(delete(Video))
            raise ZeroDivisionError

    async def replace_rendition(self, db: Database, video: Video, chance: random.Random) -> None:
        async with db.write() as session:
            await session.execute(delete(Rendition).where(Rendition.video_id == video.id))
        key = f"projects/{video.project_id.hex}/{chance.choice(['audio', 'thumbnails', 'odd'])}/{uuid7().hex}"
        await make_rendition(db, video, chance.choice(list(RenditionKind)), storage_key=key)
