"""The trash as clients see it: what is in it is nowhere else, and comes back whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.users.models import User
from cuepoint.features.videos.models import RenditionKind, Video
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.clips import make_clip, make_moment, make_reel
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_user, make_viewer, viewer_of
from tests.support.builders.videos import make_rendition, make_video
from tests.support.graphql import Api, api_of

DELETE = """mutation ($input: DeleteVideoInput!) { deleteVideo(input: $input) {
  id job { kind } restorableUntil errors { code field } } }"""
DELETE_MANY = """mutation ($input: DeleteVideosInput!) { deleteVideos(input: $input) {
  items { index id job { kind } restorableUntil error { code } } errors { code field } } }"""
RESTORE = """mutation ($input: RestoreVideoInput!) { restoreVideo(input: $input) {
  video { id title } errors { code } } }"""
TRASH = """query ($project: ID, $first: Int!, $after: String) {
  trashedVideos(projectId: $project, first: $first, after: $after) {
    totalCount nodes { id title status sizeBytes deletedAt restorableUntil project { id } }
    pageInfo { endCursor hasNextPage } } }"""
# Every way to a video and to what was made of it.
EVERYWHERE = """query ($video: ID!, $project: ID!, $hash: String!, $nodes: [ID!]!) {
  video(id: $video) { id }
  videos { totalCount nodes { id } }
  same: videos(filter: { contentHash: $hash }) { totalCount }
  project(id: $project) { videos { totalCount nodes { id } } statistics { videoCount } }
  clips(videoId: $video) { totalCount nodes { id } }
  allClips: clips { totalCount }
  nodes(ids: $nodes) { id }
}"""


WORKS = """query ($project: ID) {
  clips: trashedClips(projectId: $project) { totalCount nodes { title sizeBytes } }
  reels: trashedReels(projectId: $project) { totalCount nodes { title sizeBytes } }
}"""


@pytest.fixture
async def owner(db: Database) -> User:
    return await make_user(db)


@pytest.fixture
async def project(db: Database, owner: User) -> Project:
    return await make_project(db, owner_id=owner.id)


@pytest.fixture
def api(db: Database, settings: Settings, owner: User) -> Api:
    """A server that keeps deleted videos for a week."""
    return api_of(db, cast(Settings, settings.model_copy(update={"trash_days": 7})), viewer_of(owner))


async def delete(api: Api, video: Video) -> dict[str, Any]:
    return (await api.data(DELETE, {"input": {"id": encode_id("Video", video.id)}}))["deleteVideo"]


class TestDeleteVideo:
    async def test_says_until_when_it_can_be_restored(self, api: Api, db: Database, project: Project) -> None:
        video = await make_video(db, project)

        answer = await delete(api, video)

        assert (answer["job"], answer["errors"]) == (None, [])
        assert answer["restorableUntil"] is not None

    async def test_without_a_trash_names_the_job(
        self, db: Database, settings: Settings, owner: User, project: Project
    ) -> None:
        video = await make_video(db, project)

        answer = await delete(api_of(db, settings, viewer_of(owner)), video)

        assert (answer["job"], answer["restorableUntil"]) == ({"kind": "VIDEO_DELETION"}, None)


class TestTrashedWorks:
    async def test_lists_them_for_editors_newest_first(
        self, api: Api, db: Database, settings: Settings, owner: User, project: Project
    ) -> None:
        video, now, member = await make_video(db, project), datetime.now(UTC), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        for name, age in (("older", 2), ("newer", 1), ("over", 8)):
            at = now - timedelta(days=age)
            gone = {"title": name, "is_rendered": True, "deleted_at": at, "purge_at": at + timedelta(days=7)}
            await make_clip(db, video, **gone)
            await make_reel(db, project, **gone)
        await make_clip(db, video)
        variables = {"project": encode_id("Project", project.id)}

        seen = await api.data(WORKS, variables)
        hidden = await api_of(db, settings, member).data(WORKS, variables)

        page = {"clips": 100, "reels": 1_000}
        assert seen == {
            name: {"totalCount": 2, "nodes": [{"title": title, "sizeBytes": size} for title in ("newer", "older")]}
            for name, size in page.items()
        }
        assert hidden == {name: {"totalCount": 0, "nodes": []} for name in page}

    async def test_a_clip_of_a_deleted_video_is_not_there(self, api: Api, db: Database, project: Project) -> None:
        video, at = await make_video(db, project), datetime.now(UTC) + timedelta(days=1)
        await make_clip(db, video, deleted_at=at, purge_at=at)
        await delete(api, video)

        seen = await api.data(WORKS, {"project": encode_id("Project", project.id)})

        assert seen["clips"] == {"totalCount": 0, "nodes": []}


class TestEverywhere:
    async def test_a_deleted_video_is_nowhere_and_comes_back_whole(
        self, api: Api, db: Database, project: Project
    ) -> None:
        video = await make_video(db, project)
        await make_rendition(db, video, RenditionKind.POSTER)
        clip, moment = await make_clip(db, video, is_rendered=True), await make_moment(db, video)
        transcript = await make_transcript(db, video)
        variables = {
            "video": encode_id("Video", video.id),
            "project": encode_id("Project", project.id),
            "hash": video.content_hash,
            "nodes": [
                encode_id("Video", video.id),
                encode_id("Clip", clip.id),
                encode_id("Moment", moment.id),
                encode_id("Transcript", transcript.id),
            ],
        }
        before = await api.data(EVERYWHERE, variables)

        await delete(api, video)
        hidden = await api.data(EVERYWHERE, variables)
        restored = await api.data(RESTORE, {"input": {"id": variables["video"]}})

        assert hidden == {
            "video": None,
            "videos": {"totalCount": 0, "nodes": []},
            "same": {"totalCount": 0},
            "project": {"videos": {"totalCount": 0, "nodes": []}, "statistics": {"videoCount": 0}},
            "clips": {"totalCount": 0, "nodes": []},
            "allClips": {"totalCount": 0},
            "nodes": [None, None, None, None],
        }
        assert restored["restoreVideo"]["errors"] == []
        assert await api.data(EVERYWHERE, variables) == before
        assert None not in before["nodes"]


class TestDeleteVideos:
    async def test_refuses_all_or_only_the_bad_ones(self, api: Api, db: Database, project: Project) -> None:
        first, second = await make_video(db, project), await make_video(db, project)
        ids = [encode_id("Video", first.id), "video_nonsense", encode_id("Video", second.id)]

        refused = (await api.data(DELETE_MANY, {"input": {"ids": ids}}))["deleteVideos"]
        done = (await api.data(DELETE_MANY, {"input": {"ids": ids, "errorPolicy": "IGNORE_FAILED"}}))["deleteVideos"]

        assert refused == {"items": None, "errors": [{"code": "NOT_FOUND", "field": ["ids", "1"]}]}
        assert [(item["index"], item["id"]) for item in done["items"]] == list(enumerate(ids))
        assert [item["error"] for item in done["items"]] == [None, {"code": "NOT_FOUND"}, None]
        assert [item["restorableUntil"] is None for item in done["items"]] == [False, True, False]

    async def test_sent_twice_with_a_key_answers_the_same(self, api: Api, db: Database, project: Project) -> None:
        video = await make_video(db, project)
        given = {"ids": [encode_id("Video", video.id)], "idempotencyKey": "k1", "errorPolicy": "IGNORE_FAILED"}

        first = await api.data(DELETE_MANY, {"input": given})
        second = await api.data(DELETE_MANY, {"input": given})

        assert second == first


class TestTrashedVideos:
    async def test_are_paged_newest_first(self, api: Api, db: Database, project: Project) -> None:
        videos = [await make_video(db, project, title=f"Video {number}") for number in range(3)]
        for video in videos:
            await delete(api, video)
        variables = {"project": encode_id("Project", project.id), "first": 2}

        first = (await api.data(TRASH, variables))["trashedVideos"]
        second = (await api.data(TRASH, variables | {"after": first["pageInfo"]["endCursor"]}))["trashedVideos"]

        assert [node["title"] for node in first["nodes"] + second["nodes"]] == ["Video 2", "Video 1", "Video 0"]
        assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (3, True)
        assert {node["status"] for node in first["nodes"]} == {"DELETING"}
        assert first["nodes"][0]["sizeBytes"] == 1000
        assert first["nodes"][0]["project"] == {"id": variables["project"]}

    async def test_take_as_many_statements_for_one_as_for_many(self, api: Api, db: Database, project: Project) -> None:
        await delete(api, await make_video(db, project))
        one = await api.statements(TRASH, {"first": 10})
        for _ in range(4):
            await delete(api, await make_video(db, project))

        assert await api.statements(TRASH, {"first": 10}) == one

    async def test_of_others_are_not_seen(self, api: Api, db: Database, settings: Settings, project: Project) -> None:
        video = await make_video(db, project)
        await delete(api, video)
        stranger = api_of(db, settings, await make_viewer(db))

        assert (await stranger.data(TRASH, {"first": 10}))["trashedVideos"]["totalCount"] == 0
        refused = await stranger.data(RESTORE, {"input": {"id": encode_id("Video", video.id)}})
        assert refused["restoreVideo"]["errors"] == [{"code": "NOT_FOUND"}]
        assert await api_of(db, settings, None).codes(TRASH, {"first": 10}) == ["UNAUTHENTICATED"]
