"""What people say of videos: cleaned, bounded, changed by version, tagged in bulk, and found again by index."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.videos import changes, service
from cuepoint.features.videos.details import TagMode, VideoDetails, changed_tags
from cuepoint.features.videos.lists import VideoFilter
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import count_statements


async def change(db: Database, viewer: Viewer, video: Video, version: int = 1, **values: Any) -> changes.ChangedVideo:
    async with db.write() as session:
        return await changes.update_video(session, viewer, video.id, version=version, details=VideoDetails(**values))


async def reload(db: Database, video: Video) -> Video:
    async with db.read() as session:
        return await session.get_one(Video, video.id)


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels - 1):
        found = {"a": found}
    return found


class TestVideoDetails:
    def test_are_cleaned(self) -> None:
        given = VideoDetails(title=" a  b ", tags=["b", " a  x ", "b"], external_id=" 7 ", metadata={"k": [1, "x"]})

        assert given.columns() == {
            "title": "a b",
            "tags": ["a x", "b"],
            "external_id": "7",
            "custom_metadata": {"k": [1, "x"]},
        }

    def test_say_nothing_of_what_is_left_out_and_empty_takes_away(self) -> None:
        assert VideoDetails().columns() == {}
        assert VideoDetails(external_id=" ", tags=[], metadata={}).columns() == {
            "external_id": None,
            "tags": [],
            "custom_metadata": {},
        }

    @pytest.mark.parametrize(
        "values",
        [
            {"title": ""},
            {"title": "x" * 301},
            {"title": "a\x00"},
            {"tags": [""]},
            {"tags": ["x" * 51]},
            {"tags": ["\ud800"]},
            {"tags": [str(number) for number in range(51)]},
            {"external_id": "x" * 256},
            {"external_id": "a\x00"},
            {"metadata": []},
            {"metadata": "x"},
            {"metadata": {"": 1}},
            {"metadata": {"k" * 101: 1}},
            {"metadata": {"k": "\x00"}},
            {"metadata": {"k": ["\udfff"]}},
            {"metadata": {"k": float("nan")}},
            {"metadata": {"k": 2**64}},
            {"metadata": {"k": [-1e19]}},
            {"metadata": nested(6)},
            {"metadata": {"k": "x" * 16_400}},
        ],
        ids=[
            "no-title", "long-title", "nul", "empty-tag", "long-tag", "surrogate-tag", "51-tags", "long-id", "nul-id",
            "list", "text", "empty-key", "long-key", "nul-value", "surrogate", "nan", "big-number", "rounded", "deep",
            "large",
        ],
    )  # fmt: skip
    def test_have_limits(self, values: dict[str, Any]) -> None:
        with pytest.raises(BadInputError):
            VideoDetails(**values).columns()

    def test_the_limits_themselves_are_allowed(self) -> None:
        at_most = {"k": "x" * (16 * 1024 - len('{"k":""}'))}

        assert VideoDetails(metadata=at_most).columns()["custom_metadata"] == at_most
        assert VideoDetails(metadata=nested(5)).columns()["custom_metadata"] == nested(5)

    @pytest.mark.parametrize(
        ("mode", "after"), [(TagMode.SET, ["b", "c"]), (TagMode.ADD, ["a", "b", "c"]), (TagMode.REMOVE, ["a"])]
    )
    def test_tags_change_by_mode(self, mode: TagMode, after: list[str]) -> None:
        assert changed_tags(["a", "b"], mode, ["c", "b"]) == after


class TestUpdateVideo:
    async def test_changes_what_is_named(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)

        changed = await change(db, viewer, video, title="New", tags=["x"], external_id="e1", metadata={"take": 2})

        row = await reload(db, video)
        assert (row.title, row.tags, row.external_id, row.custom_metadata) == ("New", ["x"], "e1", {"take": 2})
        assert (row.version, changed.is_conflict) == (2, False)

    async def test_of_two_on_one_version_the_second_changes_nothing(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        video = await make_video(db, project)

        both = await asyncio.gather(*[change(db, viewer, video, title=f"T{number}") for number in range(2)])

        assert sorted(one.is_conflict for one in both) == [False, True]
        assert {one.video.title for one in both} == {(await reload(db, video)).title}

    async def test_an_external_id_names_one_video_of_a_project(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        first, second = await make_video(db, project), await make_video(db, project)
        elsewhere = await make_video(db, await make_project(db, owner_id=viewer.user_id))
        await change(db, viewer, first, external_id="e1")

        with pytest.raises(CuepointError) as taken:
            await change(db, viewer, second, external_id="e1", title="not this either")
        await change(db, viewer, elsewhere, external_id="e1")
        async with db.write() as session:
            await service.delete_video(session, viewer, first.id)
        await change(db, viewer, second, external_id="e1")

        assert taken.value.code is ErrorCode.EXTERNAL_ID_TAKEN
        row = await reload(db, second)
        assert (row.title, row.external_id, row.version) == ("Four short stories", "e1", 2)

    async def test_a_viewer_and_a_stranger_may_not(self, db: Database, project: Project) -> None:
        video = await make_video(db, project)
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)

        with pytest.raises(ForbiddenError):
            await change(db, member, video, title="x")
        with pytest.raises(NotFoundError):
            await change(db, stranger, video, title="x")

        assert (await reload(db, video)).version == 1


class TestChangeTags:
    async def test_each_video_for_itself(self, db: Database, viewer: Viewer, project: Project) -> None:
        mine, tagged = await make_video(db, project), await make_video(db, project)
        foreign = await make_video(db, await make_project(db))
        await change(db, viewer, tagged, tags=["a"])

        items = await changes.change_tags(db, viewer, [mine.id, foreign.id, None, tagged.id], TagMode.ADD, ["a"])

        assert [item.error and item.error.code for item in items] == [
            None,
            ErrorCode.NOT_FOUND,
            ErrorCode.NOT_FOUND,
            None,
        ]
        assert [item.video and (item.video.tags, item.video.version) for item in items] == [
            (["a"], 2),
            None,
            None,
            (["a"], 2),  # had it already: nothing was changed
        ]
        assert (await reload(db, foreign)).tags == []

    async def test_too_many_tags_refuse_one_video_only(self, db: Database, viewer: Viewer, project: Project) -> None:
        full, empty = await make_video(db, project), await make_video(db, project)
        await change(db, viewer, full, tags=[f"t{number}" for number in range(50)])

        items = await changes.change_tags(db, viewer, [full.id, empty.id], TagMode.ADD, ["new"])

        assert [item.error and item.error.code for item in items] == [ErrorCode.BAD_USER_INPUT, None]

    @pytest.mark.parametrize("ids", [0, 101])
    async def test_refuses_none_and_too_many(self, db: Database, viewer: Viewer, ids: int) -> None:
        with pytest.raises(BadInputError, match="1 to 100"):
            await changes.change_tags(db, viewer, [None] * ids, TagMode.ADD, ["a"])


class TestListVideos:
    async def test_finds_by_tags_external_id_and_metadata(self, db: Database, viewer: Viewer, project: Project) -> None:
        one, two = await make_video(db, project), await make_video(db, project)
        await change(
            db, viewer, one, tags=["a", "b"], external_id="e1", metadata={"n": 1, "s": "x", "b": True, "z": None}
        )
        await change(db, viewer, two, tags=["b"], external_id="e2", metadata={"n": 2, "s": "x", "deep": {"n": 1}})

        async with db.read() as session:

            async def found(wanted: VideoFilter) -> list[Any]:
                page = await service.list_videos(session, viewer, PageRequest(5), wanted)
                assert await service.count_videos(session, viewer, wanted) == len(page.rows)
                return [row.id for row in page.rows]

            assert await found(VideoFilter(tags=["b"])) == [two.id, one.id]
            assert await found(VideoFilter(tags=["b", " a "])) == [one.id]
            assert await found(VideoFilter(external_id="e2")) == [two.id]
            assert await found(VideoFilter(metadata={"s": "x", "n": 2})) == [two.id]
            assert await found(VideoFilter(metadata={"n": 1})) == [one.id]
            assert await found(VideoFilter(metadata={"b": True})) == [one.id]
            assert await found(VideoFilter(metadata={"z": None})) == [one.id]
            assert await found(VideoFilter(metadata={"n": "1"})) == []

    @pytest.mark.parametrize(
        "wanted",
        [
            VideoFilter(tags=["x" * 51]),
            VideoFilter(external_id=""),
            VideoFilter(external_id="\x00"),
            VideoFilter(metadata={"a": {}}),
            VideoFilter(metadata={"a": "\x00"}),
            VideoFilter(metadata={"\ud800": 1}),
            VideoFilter(metadata={str(number): 1 for number in range(11)}),
        ],
        ids=["tag", "no-id", "nul-id", "object", "nul", "surrogate", "many"],
    )
    async def test_refuses_what_no_video_can_have(self, db: Database, viewer: Viewer, wanted: VideoFilter) -> None:
        async with db.read() as session:
            with pytest.raises(BadInputError):
                await service.list_videos(session, viewer, PageRequest(5), wanted)

    async def test_reads_the_indexes(self, db: Database, viewer: Viewer, project: Project) -> None:
        async with db.write() as session:
            rows = [
                {
                    "id": uuid7(),
                    "project_id": project.id,
                    "title": "t",
                    "filename": "f",
                    "storage_key": f"k{number}",
                    "size_bytes": 1,
                    "content_hash": f"{number:064x}",
                    "tags": [f"tag{number % 500}"],
                    "external_id": f"e{number}",
                    "custom_metadata": {"number": number},
                }
                for number in range(3_000)
            ]
            await session.execute(insert(Video), rows)
        async with db.write() as session:
            await (await session.connection()).exec_driver_sql("analyze videos")

        wanted = {
            "ix_videos_tags": VideoFilter(tags=["tag7"]),
            "ix_videos_metadata": VideoFilter(metadata={"number": 7}),
            "uq_videos_project_id_external_id": VideoFilter(project_id=project.id, external_id="e7"),
        }
        for index, condition in wanted.items():
            with count_statements(db.engine) as seen:
                async with db.read() as session:
                    page = await service.list_videos(session, viewer, PageRequest(5), condition)
            plan = await seen.plans(db)
            assert page.rows
            assert index in plan, plan
            assert "Seq Scan on videos" not in plan, plan
