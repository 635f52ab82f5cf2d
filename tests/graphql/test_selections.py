"""Nothing is read that nobody selects: a connection's length alone reads no page, segments without words no words."""

from __future__ import annotations

from typing import Any

import pytest

from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.shares.service import Target, create_link
from cuepoint.features.shares.visits import visitor_by
from cuepoint.features.videos.models import Video
from cuepoint.graphql.context import Context
from tests.support.builders.clips import make_clip, make_moment
from tests.support.builders.jobs import make_job
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_audio_file, make_video
from tests.support.graphql import Api, api_of, count_statements

SEGMENTS = "query ($id: ID!) { video(id: $id) { transcript { segments { nodes { %s } } } } }"
BOOLEANS = {"no": "false", "yes": "true"}
VIDEOS = """query ($after: String) { page: videos(first: 1, after: $after) { edges { cursor
  node { title jobs { totalCount } clips { totalCount } moments { totalCount } audioFiles { totalCount } } } } }"""
PROJECTS = """query ($after: String) { page: projects(first: 1, after: $after) { edges { cursor
  node { title: name jobs { totalCount } videos { totalCount } members { totalCount } } } } }"""


@pytest.fixture
async def api(db: Database, settings: Settings) -> Api:
    viewer = await make_viewer(db)
    video = await make_video(db, await make_project(db, owner_id=viewer.user_id))
    await make_clip(db, video)
    await make_transcript(db, video, "One two.", "Three.")
    return api_of(db, settings, viewer)


async def video_id(api: Api) -> str:
    return (await api.data("{ videos { nodes { id } } }"))["videos"]["nodes"][0]["id"]


async def make_full_video(
    db: Database, project: Project, title: str, *, jobs: int, clips: int, moments: int, audio: int
) -> Video:
    """A video with that many of everything."""
    video = await make_video(db, project, title=title)
    for _ in range(jobs):
        await make_job(db, project_id=project.id, video_id=video.id)
    for _ in range(clips):
        await make_clip(db, video)
    for number in range(moments):
        await make_moment(db, video, start_ms=number * 1_000)
    for _ in range(audio):
        await make_audio_file(db, video)
    return video


async def lengths(api: Api, query: str) -> dict[str, list[int]]:
    """The lengths that come along with each object, by its title; every object is a page of its own."""
    found: dict[str, list[int]] = {}
    after = None
    while True:
        edges = (await api.data(query, {"after": after}))["page"]["edges"]
        if not edges:
            return found
        [edge] = edges
        after, node = edge["cursor"], edge["node"]
        title = node.pop("title")
        found[title] = [one["totalCount"] for one in node.values()]


async def first_and_rest(api: Api, query: str) -> tuple[str, Any, Any]:
    """The SQL of the first piece of the answer, that piece, and what follows."""
    context = Context(
        api.process, viewer=api.viewer, request_id="r1", base_url="https://video.example.org", takes_increments=True
    )
    with count_statements(api.process.db.engine) as seen:
        result: Any = await schema.execute(query, variable_values={}, context_value=context)
        sql = " ".join(statement for statement, _ in seen.seen)
    rest = [piece async for later in result.subsequent_results for piece in later.incremental or ()]
    return sql, result.initial_result.data, [piece.data for piece in rest]


class TestLengthsOfMany:
    """Two projects with three videos, of which each has other numbers of everything."""

    @pytest.fixture
    async def seen_by(self, db: Database, settings: Settings) -> dict[str, Api]:
        owner, member = await make_viewer(db), await make_viewer(db)
        one = await make_project(db, owner_id=owner.user_id, name="One")
        two = await make_project(db, owner_id=member.user_id, name="Two")
        await make_member(db, two, owner.user_id, ProjectRole.VIEWER)
        await make_full_video(db, one, "A", jobs=1, clips=3, moments=2, audio=4)
        await make_full_video(db, one, "B", jobs=2, clips=1, moments=4, audio=0)
        await make_full_video(db, two, "C", jobs=4, clips=2, moments=1, audio=3)
        async with db.write() as session:
            link = await create_link(
                session, owner, Target(one.id, None), expires_at=None, may_download=False, password=None
            )
        people = {"owner": owner, "member": member, "visitor": visitor_by(link.link)}
        return {name: api_of(db, settings, viewer) for name, viewer in people.items()}

    async def test_of_videos_page_by_page(self, seen_by: dict[str, Api]) -> None:
        a, b, c = [1, 3, 2, 4], [2, 1, 4, 0], [4, 2, 1, 3]

        assert await lengths(seen_by["owner"], VIDEOS) == {"A": a, "B": b, "C": c}
        assert await lengths(seen_by["member"], VIDEOS) == {"C": c}
        assert await lengths(seen_by["visitor"], VIDEOS) == {"A": [0, *a[1:]], "B": [0, *b[1:]]}  # no work is shown

    async def test_of_projects_page_by_page(self, seen_by: dict[str, Api]) -> None:
        assert await lengths(seen_by["owner"], PROJECTS) == {"One": [3, 2, 1], "Two": [4, 1, 2]}
        assert await lengths(seen_by["member"], PROJECTS) == {"Two": [4, 1, 2]}
        assert await lengths(seen_by["visitor"], PROJECTS) == {"One": [0, 2, 0]}  # nor are people


class TestLeftOut:
    @pytest.mark.parametrize(
        "selection",
        [
            "... @defer { clips { totalCount } }",
            "...C @defer",
            "... { ...C @defer }",
            "clips { ... @defer { totalCount } }",
        ],
        ids=["inline", "fragment", "within", "length"],
    )
    async def test_deferred_lengths_are_counted_later(self, api: Api, selection: str) -> None:
        fragment = "fragment C on Video { clips { totalCount } }" if "...C" in selection else ""

        sql, first, rest = await first_and_rest(api, f"{{ videos {{ nodes {{ title {selection} }} }} }} {fragment}")

        assert "clips" not in sql
        assert first["videos"]["nodes"][0]["title"] == "Four short stories"
        assert rest in ([{"clips": {"totalCount": 1}}], [{"totalCount": 1}])

    async def test_a_length_that_is_also_selected_at_once_comes_along(self, api: Api) -> None:
        query = (
            "{ videos { nodes { ...C @defer ...C ... @defer { id } } } } fragment C on Video { clips { totalCount } }"
        )

        sql, first, rest = await first_and_rest(api, query)

        assert "clips" in sql
        assert first == {"videos": {"nodes": [{"clips": {"totalCount": 1}}]}}
        assert len(rest) == 1

    @pytest.mark.parametrize("condition", ["@skip(if: true)", "@include(if: $no)", "@skip(if: $yes)"])
    @pytest.mark.parametrize("selection", ["clips %s { totalCount }", "clips { totalCount %s __typename }", "...C %s"])
    async def test_what_is_skipped_is_not_counted(self, api: Api, selection: str, condition: str) -> None:
        fragment = "fragment C on Video { clips { totalCount } }" if "...C" in selection else ""
        variables = "".join(
            f"${name}: Boolean! = {value}" for name, value in BOOLEANS.items() if f"${name}" in condition
        )
        head = f"query ({variables})" if variables else "query"
        query = f"{head} {{ videos {{ nodes {{ id {selection % condition} }} }} }} {fragment}"

        with count_statements(api.process.db.engine) as seen:
            await api.data(query)

        assert "clips" not in " ".join(sql for sql, _ in seen.seen)


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
