"""Deleting clips and reels: hidden everywhere at once, restored within their time, gone with their files after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from sqlalchemy import func, select

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.audit.models import AuditEvent
from cuepoint.features.clips import reels, service
from cuepoint.features.clips.deletion import purge_due
from cuepoint.features.clips.models import Clip, Reel
from cuepoint.features.files.models import FileRemoval
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.clips import make_clip, make_reel
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of

DELETE_CLIP = """mutation ($id: ID!, $permanently: Boolean! = false) {
  deleteClip(input: { id: $id, permanently: $permanently }) { id restorableUntil errors { code field } } }"""
DELETE_REEL = """mutation ($id: ID!, $permanently: Boolean! = false) {
  deleteReel(input: { id: $id, permanently: $permanently }) { id restorableUntil errors { code field } } }"""
RESTORE_CLIP = "mutation ($id: ID!) { restoreClip(input: { id: $id }) { clip { title url } errors { code } } }"
RESTORE_REEL = "mutation ($id: ID!) { restoreReel(input: { id: $id }) { reel { title url } errors { code } } }"
EVERYWHERE = """query ($clip: ID!, $reel: ID!, $video: ID!) {
  clip(id: $clip) { id } reel(id: $reel) { id } nodes(ids: [$clip, $reel]) { id }
  clips { totalCount nodes { id } } reels { totalCount nodes { id } } clipCounts(videoId: $video) { count }
  video(id: $video) { clips { totalCount nodes { id } } } }"""
NOWHERE = {
    "clip": None,
    "reel": None,
    "nodes": [None, None],
    "clips": {"totalCount": 0, "nodes": []},
    "reels": {"totalCount": 0, "nodes": []},
    "clipCounts": [],
    "video": {"clips": {"totalCount": 0, "nodes": []}},
}


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    return await make_project(db, owner_id=viewer.user_id)


@pytest.fixture
async def video(db: Database, project: Project) -> Video:
    return await make_video(db, project)


def server(db: Database, settings: Settings, viewer: Viewer, days: int) -> Api:
    """One that keeps deleted works for so many days."""
    return api_of(db, cast(Settings, settings.model_copy(update={"trash_days": days})), viewer)


@pytest.fixture
def api(db: Database, settings: Settings, viewer: Viewer) -> Api:
    return server(db, settings, viewer, 7)


async def rows(db: Database) -> tuple[int, int]:
    """Of clips and of reels."""
    async with db.read() as session:
        counts = [await session.scalar(select(func.count()).select_from(kind)) for kind in (Clip, Reel)]
    return counts[0] or 0, counts[1] or 0


async def removals(db: Database) -> set[str]:
    async with db.read() as session:
        return set(await session.scalars(select(FileRemoval.key)))


class TestDelete:
    async def test_hides_them_everywhere_and_keeps_their_files(self, db: Database, api: Api, video: Video) -> None:
        clip = await make_clip(db, video, is_rendered=True)
        reel = await make_reel(db, await _project_of(db, video), is_rendered=True)
        ids = {"clip": encode_id("Clip", clip.id), "reel": encode_id("Reel", reel.id)}

        first = (await api.data(DELETE_CLIP, {"id": ids["clip"]}))["deleteClip"]
        second = (await api.data(DELETE_REEL, {"id": ids["reel"]}))["deleteReel"]

        for made in (first, second):
            left = datetime.fromisoformat(made["restorableUntil"]) - datetime.now(UTC)
            assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
        assert await api.data(EVERYWHERE, {**ids, "video": encode_id("Video", video.id)}) == NOWHERE
        async with db.read() as session:
            files = (await service.media_file(session, clip.id), await reels.media_file(session, reel.id))
        assert files == (None, None)
        assert (await rows(db), await removals(db)) == ((1, 1), set())

    async def test_without_a_trash_row_and_file_go_at_once(
        self, db: Database, settings: Settings, viewer: Viewer, video: Video
    ) -> None:
        clip = await make_clip(db, video, is_rendered=True)

        found = await server(db, settings, viewer, 0).data(DELETE_CLIP, {"id": encode_id("Clip", clip.id)})

        assert found["deleteClip"]["restorableUntil"] is None
        assert (await rows(db), await removals(db)) == ((0, 0), {clip.storage_key})

    @pytest.mark.parametrize("is_deleted", [False, True], ids=["there", "in the trash"])
    async def test_for_good_row_and_file_go_at_once(
        self, db: Database, api: Api, video: Video, is_deleted: bool
    ) -> None:
        clip = await make_clip(db, video, is_rendered=True)
        reel = await make_reel(db, await _project_of(db, video), is_rendered=True)
        works = ((DELETE_CLIP, encode_id("Clip", clip.id)), (DELETE_REEL, encode_id("Reel", reel.id)))
        for query, key in works if is_deleted else ():
            await api.data(query, {"id": key})

        made = [await api.data(query, {"id": key, "permanently": True}) for query, key in works]

        gone = {"restorableUntil": None, "errors": []}
        assert made == [
            {"deleteClip": {"id": works[0][1], **gone}},
            {"deleteReel": {"id": works[1][1], **gone}},
        ]
        assert (await rows(db), await removals(db)) == ((0, 0), {clip.storage_key, reel.storage_key})

    async def test_its_job_is_cancelled(self, db: Database, api: Api, video: Video) -> None:
        job = await make_job(db, JobKind.CLIP_EXTRACTION, video)
        clip = await make_clip(db, video, job_id=job.id)

        await api.data(DELETE_CLIP, {"id": encode_id("Clip", clip.id)})

        async with db.read() as session:
            assert (await session.get_one(Job, job.id)).status is JobStatus.CANCELLED

    async def test_who_may_only_look_is_refused_and_nothing_changes(
        self, db: Database, settings: Settings, project: Project, video: Video
    ) -> None:
        clip, guest = await make_clip(db, video, is_rendered=True), await make_viewer(db)
        await make_member(db, project, guest.user_id, ProjectRole.VIEWER)

        codes = await server(db, settings, guest, 7).codes(DELETE_CLIP, {"id": encode_id("Clip", clip.id)})

        assert codes == ["FORBIDDEN"]
        async with db.read() as session:
            assert (await session.get_one(Clip, clip.id)).deleted_at is None

    async def test_is_in_the_audit_log(self, db: Database, api: Api, video: Video) -> None:
        clip = await make_clip(db, video)
        key = encode_id("Clip", clip.id)

        await api.data(DELETE_CLIP, {"id": key})
        await api.data(RESTORE_CLIP, {"id": key})

        async with db.read() as session:
            told = await session.execute(select(AuditEvent.action, AuditEvent.before).order_by(AuditEvent.id))
        assert [tuple(row) for row in told] == [
            ("DELETED", {"title": "First second"}),
            ("RESTORED", {"title": "First second"}),
        ]


class TestRestore:
    async def test_they_are_there_again_with_their_files(self, db: Database, api: Api, video: Video) -> None:
        clip = await make_clip(db, video, is_rendered=True)
        reel = await make_reel(db, await _project_of(db, video), is_rendered=True)
        for query, key in ((DELETE_CLIP, encode_id("Clip", clip.id)), (DELETE_REEL, encode_id("Reel", reel.id))):
            await api.data(query, {"id": key})

        again = (await api.data(RESTORE_CLIP, {"id": encode_id("Clip", clip.id)}))["restoreClip"]["clip"]
        joined = (await api.data(RESTORE_REEL, {"id": encode_id("Reel", reel.id)}))["restoreReel"]["reel"]

        assert (again["title"], joined["title"]) == ("First second", "Best of")
        assert again["url"]
        assert joined["url"]

    async def test_when_its_time_is_over_it_is_not_there(self, db: Database, api: Api, video: Video) -> None:
        clip = await make_clip(db, video, deleted_at=datetime.now(UTC), purge_at=datetime.now(UTC))

        made = (await api.data(RESTORE_CLIP, {"id": encode_id("Clip", clip.id)}))["restoreClip"]

        assert made["errors"] == [{"code": "NOT_FOUND"}]


class TestPurgeDue:
    async def test_takes_those_whose_time_is_over_and_lists_their_files(self, db: Database, video: Video) -> None:
        project = await _project_of(db, video)
        over, later = datetime.now(UTC) - timedelta(seconds=1), datetime.now(UTC) + timedelta(hours=1)
        clip = await make_clip(db, video, is_rendered=True, deleted_at=over, purge_at=over)
        reel = await make_reel(db, project, is_rendered=True, deleted_at=over, purge_at=over)
        await make_clip(db, video, is_rendered=True, deleted_at=over, purge_at=later)
        await make_reel(db, project, is_rendered=True)

        async with db.write() as session:
            assert await purge_due(session) == 2
        async with db.write() as session:
            assert await purge_due(session) == 0

        assert (await rows(db), await removals(db)) == ((1, 1), {clip.storage_key, reel.storage_key})


async def _project_of(db: Database, video: Video) -> Project:
    async with db.read() as session:
        return await session.get_one(Project, video.project_id)
