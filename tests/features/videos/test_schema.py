"""Videos as clients see them: state and problems, pages, and a number of statements that does not grow."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.uploads import service as uploads
from cuepoint.features.users.models import User
from cuepoint.features.videos.models import RenditionKind, Video
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.clips import make_clip, make_moment
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_user, make_viewer, viewer_of
from tests.support.builders.videos import make_rendition, make_upload, make_video
from tests.support.graphql import Api, api_of, count_statements
from tests.support.rows import count

READ = """query ($id: ID!) { video(id: $id) { id title status durationSeconds width
  problems { code message job { kind } }
  media { container durationSeconds bitRate tracks { index type frameRate { numerator denominator } } warnings }
  url poster { url atSeconds } createdBy { name } project { name } transcript { id } } }"""
LIST = """query ($first: Int!, $after: String, $filter: VideoFilterInput) {
  videos(first: $first, after: $after, filter: $filter) {
    nodes { title } pageInfo { hasNextPage endCursor } totalCount } }"""
REGISTER = """mutation ($input: RegisterVideoInput!) { registerVideo(input: $input) {
  video { id title status } jobs { kind } errors { code field } } }"""
DELETE = "mutation ($input: DeleteVideoInput!) { deleteVideo(input: $input) { id job { kind } errors { code field } } }"
START = """mutation ($input: StartPipelineInput!) { startPipeline(input: $input) {
  video { status } jobs { kind } errors { code field } } }"""

# Every field of a video that needs rows of another table, each with its own lists.
EVERYTHING = """query ($first: Int!) { videos(first: $first) { totalCount nodes {
  status problems { code job { id } } media { container } url
  poster { url } project { name viewerRole } createdBy { name }
  jobs(first: 5) { totalCount nodes { kind project { name } dependencies { isRequired } } }
  clips(first: 5) { totalCount nodes { title url job { kind } moment { title } video { title } } }
  moments(first: 5) { totalCount nodes { title video { title } } }
  transcript { id } } } }"""


@pytest.fixture
async def owner(db: Database) -> User:
    return await make_user(db)


@pytest.fixture
async def viewer(owner: User) -> Viewer:
    return viewer_of(owner)


@pytest.fixture
async def project(db: Database, owner: User) -> Project:
    return await make_project(db, owner_id=owner.id)


async def ten_bytes() -> AsyncIterator[bytes]:
    yield b"0123456789"


async def make_full_video(db: Database, project: Project, owner: User) -> Video:
    """A video with something behind each of its fields."""
    video = await make_video(db, project)
    async with db.write() as session:
        (await session.get_one(Video, video.id)).created_by_id = owner.id
    await make_rendition(db, video, RenditionKind.POSTER, content_type="image/jpeg")
    failed = await make_job(
        db,
        JobKind.EMBEDDING,
        video,
        status=JobStatus.FAILED,
        error={"code": "PROVIDER_REJECTED", "message": "The key is wrong.", "retryable": False},
        error_code="PROVIDER_REJECTED",
    )
    moment = await make_moment(db, video)
    for _ in range(2):
        await make_clip(db, video, is_rendered=True, moment_id=moment.id, job_id=failed.id)
    await make_transcript(db, video, "Seeds sleep.")
    return video


class TestVideo:
    async def test_shows_what_is_known(self, db: Database, api: Api, project: Project, owner: User) -> None:
        video = await make_full_video(db, project, owner)

        seen = (await api.data(READ, {"id": encode_id("Video", video.id)}))["video"]

        assert (seen["title"], seen["durationSeconds"]) == ("Four short stories", 81.5)
        assert seen["media"]["bitRate"] == 100_000
        assert seen["media"]["tracks"][0] == {
            "index": 0,
            "type": "VIDEO",
            "frameRate": {"numerator": 24, "denominator": 1},
        }
        assert seen["url"].startswith(f"https://video.example.org/media/videos/{video.id.hex}/stories.mp4?")
        assert "/media/renditions/" in seen["poster"]["url"]
        assert seen["createdBy"] == {"name": owner.name}
        assert seen["project"] == {"name": "Archive"}
        assert seen["transcript"] is not None
        assert seen["problems"] == [
            {"code": "PROVIDER_REJECTED", "message": "The key is wrong.", "job": {"kind": "EMBEDDING"}}
        ]

    async def test_a_file_that_is_no_media_is_failed_with_its_problem(
        self, db: Database, api: Api, project: Project
    ) -> None:
        video = await make_video(db, project, info=None)
        error = {"code": "UNSUPPORTED_MEDIA", "message": "This is a text file.", "retryable": False}
        await make_job(db, JobKind.PROBE, video, status=JobStatus.FAILED, error=error, error_code="UNSUPPORTED_MEDIA")

        seen = (await api.data(READ, {"id": encode_id("Video", video.id)}))["video"]

        assert (seen["status"], seen["media"], seen["durationSeconds"]) == ("FAILED", None, None)
        assert seen["problems"] == [
            {"code": "UNSUPPORTED_MEDIA", "message": "This is a text file.", "job": {"kind": "PROBE"}}
        ]

    async def test_a_clip_that_is_cut_or_failed_leaves_the_video_ready(
        self, db: Database, api: Api, project: Project
    ) -> None:
        video = await make_video(db, project)
        await make_job(db, JobKind.CLIP_EXTRACTION, video)
        await make_job(db, JobKind.CLIP_EXTRACTION, video, status=JobStatus.FAILED, error_code="RENDER_FAILED")

        seen = (await api.data(READ, {"id": encode_id("Video", video.id)}))["video"]

        assert (seen["status"], seen["problems"]) == ("READY", [])

    async def test_is_null_for_strangers_deleted_ones_and_other_ids(
        self, db: Database, settings: Settings, api: Api, project: Project
    ) -> None:
        video = await make_video(db, project)
        wanted = {"id": encode_id("Video", video.id)}
        stranger = api_of(db, settings, await make_viewer(db))

        assert await stranger.data(READ, wanted) == {"video": None}
        for other in (encode_id("Video", uuid7()), encode_id("Clip", video.id), "", "x", "video_"):
            assert await api.data(READ, {"id": other}) == {"video": None}
        await api.data(DELETE, {"input": wanted})
        assert await api.data(READ, wanted) == {"video": None}

    async def test_needs_a_credential(self, db: Database, settings: Settings) -> None:
        assert await api_of(db, settings, None).codes(READ, {"id": "x"}) == ["UNAUTHENTICATED"]
        assert await api_of(db, settings, None).codes(LIST, {"first": 1}) == ["UNAUTHENTICATED"]


class TestVideos:
    async def test_pages_through_all_newest_first(self, db: Database, api: Api, project: Project) -> None:
        for number in range(3):
            await make_video(db, project, title=f"V{number}")

        first = (await api.data(LIST, {"first": 2}))["videos"]
        second = (await api.data(LIST, {"first": 2, "after": first["pageInfo"]["endCursor"]}))["videos"]

        assert [node["title"] for node in first["nodes"] + second["nodes"]] == ["V2", "V1", "V0"]
        assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)
        assert first["totalCount"] == 3

    @pytest.mark.parametrize("first", [-1, 0, 101, 2**31 - 1])
    async def test_a_page_has_1_to_100(self, api: Api, first: int) -> None:
        assert await api.codes(LIST, {"first": first}) == ["BAD_USER_INPUT"]

    @pytest.mark.parametrize("after", ["", "x", "WzEsMl0", "W10", "bnVsbA"])
    async def test_refuses_a_forged_cursor(self, api: Api, after: str) -> None:
        assert await api.codes(LIST, {"first": 2, "after": after}) == ["BAD_USER_INPUT"]

    async def test_another_projects_id_finds_nothing(self, db: Database, api: Api) -> None:
        other = await make_project(db)
        await make_video(db, other)

        found = await api.data(LIST, {"first": 2, "filter": {"projectId": encode_id("Project", other.id)}})

        assert (found["videos"]["nodes"], found["videos"]["totalCount"]) == ([], 0)

    async def test_refuses_what_is_no_hash(self, api: Api) -> None:
        assert await api.codes(LIST, {"first": 2, "filter": {"contentHash": "\x00"}}) == ["BAD_USER_INPUT"]


class TestStatements:
    async def test_do_not_grow_with_the_page(self, db: Database, api: Api, project: Project, owner: User) -> None:
        for _ in range(5):
            await make_full_video(db, project, owner)
        await api.statements(EVERYTHING, {"first": 1})  # connections are opened by the first one

        one = await api.statements(EVERYTHING, {"first": 1})
        five = await api.statements(EVERYTHING, {"first": 5})

        assert one == five
        assert one <= 25

    async def test_nested_lists_show_each_parents_own(
        self, db: Database, api: Api, project: Project, owner: User
    ) -> None:
        videos = [await make_full_video(db, project, owner) for _ in range(2)]
        await make_moment(db, videos[1], title="Another", priority=2)

        seen = (await api.data(EVERYTHING, {"first": 5}))["videos"]["nodes"]

        assert [[m["title"] for m in v["moments"]["nodes"]] for v in seen] == [["The seed", "Another"], ["The seed"]]
        assert [v["moments"]["totalCount"] for v in seen] == [2, 1]
        assert [v["clips"]["totalCount"] for v in seen] == [2, 2]
        assert {c["moment"]["title"] for v in seen for c in v["clips"]["nodes"]} == {"The seed"}

    async def test_the_total_is_counted_only_when_selected(self, db: Database, api: Api, project: Project) -> None:
        await make_video(db, project)
        texts = []

        for selected in ("nodes { title }", "nodes { title } totalCount"):
            with count_statements(db.engine) as seen:
                await api.data(f"query {{ videos(first: 2) {{ {selected} }} }}")
            ((text, _),) = seen.seen
            texts.append(text)

        assert ["count(*)" in text for text in texts] == [False, True]

    @pytest.mark.parametrize("field", ["jobs", "clips", "moments"])
    async def test_nested_totals_too(self, db: Database, api: Api, project: Project, field: str) -> None:
        for _ in range(3):
            await make_video(db, project)
        plain = f"query {{ videos(first: 3) {{ nodes {{ {field}(first: 2) {{ nodes {{ id }} }} }} }} }}"
        texts = []

        for query in (plain, plain.replace("nodes { id }", "nodes { id } totalCount")):
            with count_statements(db.engine) as seen:
                await api.data(query)
            (page, _), (_nested, _) = seen.seen
            texts.append(page)

        assert ["count(*)" in text for text in texts] == [False, True]


class TestRegisterVideo:
    async def test_makes_a_video_and_starts_it(self, db: Database, api: Api, project: Project, viewer: Viewer) -> None:
        upload = await make_upload(db, project)
        await uploads.receive(db, api.process.adapters.storage, viewer, upload.id, 0, ten_bytes())
        given = {"uploadId": encode_id("Upload", upload.id), "title": "  A \n title "}

        first = (await api.data(REGISTER, {"input": given}))["registerVideo"]
        second = (await api.data(REGISTER, {"input": given}))["registerVideo"]

        assert (first["video"]["title"], first["video"]["status"], first["errors"]) == ("A title", "PROBING", [])
        assert [job["kind"] for job in first["jobs"]] == [kind.value for kind in PIPELINE]
        assert (second["video"]["id"], second["jobs"]) == (first["video"]["id"], [])

    async def test_an_incomplete_upload_is_a_user_error(self, db: Database, api: Api, project: Project) -> None:
        upload = await make_upload(db, project)

        payload = (await api.data(REGISTER, {"input": {"uploadId": encode_id("Upload", upload.id)}}))["registerVideo"]

        assert payload == {
            "video": None,
            "jobs": [],
            "errors": [{"code": "UPLOAD_INCOMPLETE", "field": ["uploadId"]}],
        }

    async def test_a_refused_duplicate_comes_with_the_video_that_there_is(
        self, db: Database, api: Api, project: Project, viewer: Viewer
    ) -> None:
        sent = [await make_upload(db, project) for _ in range(2)]
        for upload in sent:
            await uploads.receive(db, api.process.adapters.storage, viewer, upload.id, 0, ten_bytes())
        text = REGISTER.replace("errors {", "duplicateOf { id } errors {")
        made = (await api.data(text, {"input": {"uploadId": encode_id("Upload", sent[0].id)}}))["registerVideo"]
        second = {"uploadId": encode_id("Upload", sent[1].id)}

        refused = (await api.data(text, {"input": second | {"onDuplicate": "REJECT"}}))["registerVideo"]
        linked = (await api.data(text, {"input": second | {"onDuplicate": "LINK"}}))["registerVideo"]

        there = {"id": made["video"]["id"]}
        assert (made["duplicateOf"], refused["video"], refused["duplicateOf"]) == (None, None, there)
        assert refused["errors"] == [{"code": "DUPLICATE_VIDEO", "field": ["onDuplicate"]}]
        assert (linked["video"]["id"], linked["duplicateOf"], linked["jobs"]) == (there["id"], there, [])


class TestStartPipeline:
    async def test_runs_the_steps_asked_for(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project)
        given = {"videoId": encode_id("Video", video.id), "steps": ["MOMENT_GENERATION", "SEGMENTATION"]}

        payload = (await api.data(START, {"input": given}))["startPipeline"]

        assert [job["kind"] for job in payload["jobs"]] == ["SEGMENTATION", "MOMENT_GENERATION"]
        assert payload["video"]["status"] == "PROCESSING"

    async def test_refuses_what_is_no_step(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project)
        given = {"videoId": encode_id("Video", video.id), "steps": ["CLIP_EXTRACTION"]}

        payload = (await api.data(START, {"input": given}))["startPipeline"]

        assert payload["errors"] == [{"code": "BAD_USER_INPUT", "field": ["steps"]}]
        assert await count(db, Job) == 0


class TestDeleteVideo:
    async def test_answers_with_the_job_that_removes_it(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project)
        given = {"id": encode_id("Video", video.id)}

        first = (await api.data(DELETE, {"input": given}))["deleteVideo"]
        second = (await api.data(DELETE, {"input": given}))["deleteVideo"]

        assert first == {"id": given["id"], "job": {"kind": "VIDEO_DELETION"}, "errors": []}
        assert second == {"id": None, "job": None, "errors": [{"code": "NOT_FOUND", "field": ["id"]}]}

    async def test_a_viewer_and_a_stranger_change_nothing(
        self, db: Database, settings: Settings, api: Api, project: Project
    ) -> None:
        video = await make_video(db, project)
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        given = {"input": {"id": encode_id("Video", video.id)}}

        assert await api_of(db, settings, member).codes(DELETE, given) == ["FORBIDDEN"]
        foreign = (await api_of(db, settings, stranger).data(DELETE, given))["deleteVideo"]

        assert [error["code"] for error in foreign["errors"]] == ["NOT_FOUND"]
        assert (await api.data(READ, {"id": encode_id("Video", video.id)}))["video"] is not None
        assert await count(db, Job) == 0

    async def test_hides_what_was_made_of_it(self, db: Database, api: Api, project: Project, owner: User) -> None:
        video = await make_full_video(db, project, owner)
        clip, moment = await make_clip(db, video), await make_moment(db, video)
        query = """query ($clip: ID!, $moment: ID!, $project: ID!) {
          clip(id: $clip) { id } moment(id: $moment) { id } clips { totalCount } videos { totalCount }
          project(id: $project) { videos { totalCount nodes { id } } } }"""
        variables = {
            "clip": encode_id("Clip", clip.id),
            "moment": encode_id("Moment", moment.id),
            "project": encode_id("Project", project.id),
        }
        before = await api.data(query, variables)

        await api.data(DELETE, {"input": {"id": encode_id("Video", video.id)}})

        assert (before["clips"]["totalCount"], before["videos"]["totalCount"]) == (3, 1)
        assert await api.data(query, variables) == {
            "clip": None,
            "moment": None,
            "clips": {"totalCount": 0},
            "videos": {"totalCount": 0},
            "project": {"videos": {"totalCount": 0, "nodes": []}},
        }
