"""Nothing is read that nobody selects: a connection's length alone reads no page, segments without words no words."""

from __future__ import annotations

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.builders.clips import make_clip
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of, count_statements

SEGMENTS = "query ($id: ID!) { video(id: $id) { transcript { segments { nodes { %s } } } } }"


@pytest.fixture
async def api(db: Database, settings: Settings) -> Api:
    viewer = await make_viewer(db)
    video = await make_video(db, await make_project(db, owner_id=viewer.user_id))
    await make_clip(db, video)
    await make_transcript(db, video, "One two.", "Three.")
    return api_of(db, settings, viewer)


async def video_id(api: Api) -> str:
    return (await api.data("{ videos { nodes { id } } }"))["videos"]["nodes"][0]["id"]


class TestCounts:
    @pytest.mark.parametrize(
        "selection",
        [
            "clips { totalCount }",
            "clips { total: totalCount __typename }",
            "clips { ...C }",
            "clips { ... on ClipConnection { totalCount } }",
        ],
        ids=["plain", "alias", "fragment", "inline"],
    )
    async def test_a_length_alone_reads_no_page(self, api: Api, selection: str) -> None:
        fragment = "fragment C on ClipConnection { totalCount }" if "...C " in selection else ""

        assert await api.statements(f"{{ videos {{ nodes {{ {selection} }} }} }} {fragment}") == 1

    @pytest.mark.parametrize(
        "selection", ["edges { node { ...V } }", "nodes { ...V }", "edges { cursor } nodes { ... { ...V } }"], ids=str
    )
    async def test_lengths_of_lists_come_along_with_the_page(self, api: Api, selection: str) -> None:
        fragment = "fragment V on Video { clips { totalCount } jobs { totalCount } moments { n: totalCount } }"

        assert await api.statements(f"{{ videos {{ totalCount {selection} }} }} {fragment}") == 1

    async def test_lengths_of_one_object_are_those_that_come_along(self, api: Api) -> None:
        lengths = "{ clips { totalCount } jobs { totalCount } audioFiles { totalCount } }"
        alone = await api.data(f"query ($id: ID!) {{ video(id: $id) {lengths} }}", {"id": await video_id(api)})
        along = await api.data(f"{{ videos {{ nodes {lengths} }} }}")

        assert along["videos"]["nodes"] == [alone["video"]]
        assert alone["video"] == {
            "clips": {"totalCount": 1},
            "jobs": {"totalCount": 1},
            "audioFiles": {"totalCount": 0},
        }

    async def test_with_a_node_the_page_is_read(self, api: Api) -> None:
        assert await api.statements("{ videos { nodes { clips { totalCount nodes { id } } } } }") == 2

    async def test_the_length_is_that_of_the_list(self, api: Api) -> None:
        found = await api.data("{ videos { nodes { clips { totalCount } } } }")

        assert found["videos"]["nodes"] == [{"clips": {"totalCount": 1}}]


class TestWords:
    @pytest.mark.parametrize(
        ("selection", "is_read"), [("text", False), ("text words { text }", True)], ids=["without", "with"]
    )
    async def test_are_read_only_where_selected(self, db: Database, api: Api, selection: str, is_read: bool) -> None:
        variables = {"id": await video_id(api)}
        with count_statements(db.engine) as seen:
            data = await api.data(SEGMENTS % selection, variables)

        nodes = data["video"]["transcript"]["segments"]["nodes"]
        assert [node["text"] for node in nodes] == ["One two.", "Three."]
        # The inner select of the lateral join names every column; what is sent to us is the outer one.
        outer = next(sql for sql, _ in seen.seen if "transcript_segments" in sql).split("FROM", 1)[0]
        assert ("word_texts" in outer) is is_read
