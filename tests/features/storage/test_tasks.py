"""The job of every ten minutes: the trash, the list of removals and the counters in one go."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, text

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.files.service import enqueue_removal
from cuepoint.features.jobs.creation import NEVER_REFUSED
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.storage.tasks import remove
from cuepoint.features.videos.models import Video
from tests.support.builders.attempts import begin_attempt
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_video
from tests.support.storage import put


class TestRemove:
    async def test_empties_the_trash_and_removes_what_is_listed(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        project = await make_project(db)
        over, waiting, living = [await make_video(db, project) for _ in range(3)]
        async with db.write() as session:
            purge = text("update videos set deleted_at = now(), purge_at = now() + :age where id = :id")
            await session.execute(purge, {"age": -timedelta(seconds=1), "id": over.id})
            await session.execute(purge, {"age": timedelta(hours=1), "id": waiting.id})
            await enqueue_removal(session, ["a/gone"])
        storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
        await put(storage, "a/gone", b"data", tmp_path)
        context, _ = await begin_attempt(db, settings, JobKind.FILE_REMOVAL)

        result = await remove(context)
        again = await remove(context)

        assert result == {"videosPurged": 1, "filesRemoved": 1, "bytesFreed": 0, "failed": 0}
        assert again == {"videosPurged": 0, "filesRemoved": 0, "bytesFreed": 0, "failed": 0}
        async with db.read() as session:
            [deletion] = await session.scalars(select(Job).where(Job.kind == JobKind.VIDEO_DELETION))
            left = {row.id: row.purge_at is None for row in await session.scalars(select(Video))}
        assert (deletion.video_id, deletion.args["video_id"]) == (over.id, str(over.id))
        assert left == {over.id: True, waiting.id: False, living.id: True}

    async def test_scheduled_kinds_find_room_in_a_full_queue(self, own_database_url: str) -> None:
        from cuepoint.db.session import create_engine  # noqa: PLC0415  # the only database with its schedules

        fresh = Database(create_engine(own_database_url, pool_size=1))
        async with fresh.read() as session:
            kinds = {JobKind(kind) for kind in (await session.execute(text("select kind from schedules"))).scalars()}
        await fresh.close()

        assert kinds >= {JobKind.FILE_REMOVAL, JobKind.RETENTION}
        assert kinds <= NEVER_REFUSED
