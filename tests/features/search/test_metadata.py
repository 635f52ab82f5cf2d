"""Search narrowed by what was noted of videos: what it finds, what it refuses, and how it reads."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text, update

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project
from cuepoint.features.search import service
from cuepoint.features.search.models import EmbeddingSpace
from cuepoint.features.search.service import SearchRequest
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.projects import make_project
from tests.support.builders.search import Api, AxisEmbedder, axis, index, make_space
from tests.support.builders.transcripts import member_of
from tests.support.builders.videos import make_video
from tests.support.graphql import count_statements

SEARCH = "query ($input: SemanticSearchInput!) { semanticSearch(input: $input) { hits { text video { id } } notice } }"
SEASON = {"key": "season", "value": 3}
MANY = 2_000  # videos: enough for Postgres to leave a scan of all of them alone


@pytest.fixture
async def project(db: Database) -> Project:
    return await make_project(db)


@pytest.fixture
async def space(db: Database) -> EmbeddingSpace:
    return await make_space(db)


@pytest.fixture
async def api(db: Database, settings: Settings, project: Project) -> Api:
    return Api(db, settings, await member_of(db, project), AxisEmbedder({"storm": axis(1)}))


async def noted(db: Database, space: EmbeddingSpace, project: Project, name: str, **metadata: Any) -> Video:
    """A video of these metadata in which its name is said twice."""
    video = await make_video(db, project)
    async with db.write() as session:
        await session.execute(update(Video).where(Video.id == video.id).values(custom_metadata=metadata))
    await index(db, space, video, {name: axis(1), f"{name} again": axis(2, 1)})
    return video


async def found(api: Api, *conditions: dict[str, Any], **given: Any) -> list[str]:
    """What a search finds, in order of the alphabet."""
    data = await api.run(SEARCH, input={"query": "storm", "metadata": list(conditions), **given})
    return sorted(hit["text"] for hit in data["semanticSearch"]["hits"])


class TestMetadata:
    async def test_all_conditions_must_hold(
        self, db: Database, api: Api, space: EmbeddingSpace, project: Project
    ) -> None:
        await noted(db, space, project, "a", season=3, cut={"by": "Ada"}, final=True)
        await noted(db, space, project, "b", season=3, final=False)
        await noted(db, space, project, "c", season="3")
        await noted(db, space, await make_project(db), "foreign", season=3)

        assert await found(api, SEASON) == ["a", "a again", "b", "b again"]
        assert await found(api, SEASON, {"key": "final", "value": True}) == ["a", "a again"]
        assert await found(api, {"key": "season", "value": "3"}) == ["c", "c again"]
        assert await found(api, {"key": "by", "value": "Ada"}) == []
        assert len(await found(api)) == 6

    async def test_narrows_what_projects_and_videos_leave(
        self, db: Database, api: Api, space: EmbeddingSpace, project: Project
    ) -> None:
        one = await noted(db, space, project, "a", season=3)
        await noted(db, space, project, "b", season=3)
        other = await noted(db, space, project, "c", season=4)
        ids = [encode_id("Video", video.id) for video in (one, other)]

        assert await found(api, SEASON, videoIds=ids) == ["a", "a again"]
        assert await found(api, SEASON, videoIds=ids[1:]) == []
        mine = {"projectIds": [encode_id("Project", project.id)]}
        assert await found(api, SEASON, **mine) == ["a", "a again", "b", "b again"]

    async def test_others_do_not_use_up_places(
        self, db: Database, api: Api, space: EmbeddingSpace, project: Project
    ) -> None:
        for number in range(3):
            await noted(db, space, project, f"near {number}", season=4)
        video = await make_video(db, project)
        async with db.write() as session:
            await session.execute(update(Video).where(Video.id == video.id).values(custom_metadata={"season": 3}))
        await index(db, space, video, {"far": axis(1, 2), "farther": axis(1, 3)})

        assert await found(api, SEASON, first=2) == ["far", "farther"]

    async def test_videos_in_the_trash_are_not_found(
        self, db: Database, api: Api, space: EmbeddingSpace, project: Project
    ) -> None:
        await noted(db, space, project, "gone", season=3)
        async with db.write() as session:
            await session.execute(text("update videos set deleted_at = now()"))

        assert await found(api, SEASON) == []

    async def test_nothing_found_says_of_what(self, api: Api) -> None:
        data = await api.run(SEARCH, input={"query": "storm", "metadata": [SEASON]})

        told = "There is no transcribed passage of a video with these metadata here yet."
        assert data["semanticSearch"]["notice"].startswith(told)


class TestRefusals:
    @pytest.mark.parametrize(
        ("conditions", "message"),
        [
            ([{"key": str(number), "value": 1} for number in range(11)], "At most 10 keys can be asked for."),
            ([SEASON, {"key": "season", "value": 4}], "A key of the metadata is named twice"),
            ([{"key": "", "value": 1}], "A key has 1 to 100 characters."),
            ([{"key": "k" * 101, "value": 1}], "A key has 1 to 100 characters."),
            ([{"key": "k\x00", "value": 1}], "A variable holds a null character"),
            ([{"key": "k", "value": [1]}], "Metadata are found by texts"),
            ([{"key": "k", "value": {"a": 1}}], "Metadata are found by texts"),
            ([{"key": "k", "value": "\udfff"}], "A variable holds a null character or half of a surrogate pair."),
            ([{"key": "k", "value": 1e300}], "The metadata hold a number beyond 64 bits."),
            ([{"key": "k", "value": float("nan")}], "The metadata hold a number that JSON cannot hold."),
        ],
        ids=["many", "twice", "no key", "long key", "NUL", "list", "object", "surrogate", "large", "NaN"],
    )
    async def test_bad_conditions_are_named_before_any_work(
        self, db: Database, api: Api, conditions: list[dict[str, Any]], message: str
    ) -> None:
        with count_statements(db.engine) as statements:
            code, told = await api.refused(SEARCH, input={"query": "storm", "metadata": conditions})

        assert code == "BAD_USER_INPUT"
        assert told.startswith(message)
        assert api.embedder is not None
        assert (api.embedder.asked, len(statements)) == ([], 0)


class TestStatements:
    async def test_are_those_of_a_search_without_conditions(
        self, db: Database, api: Api, space: EmbeddingSpace, project: Project
    ) -> None:
        for number in range(4):
            await noted(db, space, project, str(number), season=3)

        counts = set()
        for given in ({}, {"metadata": [SEASON]}, {"metadata": [SEASON], "first": 8}):
            with count_statements(db.engine) as statements:
                await api.run(SEARCH, input={"query": "storm", **given})
            counts.add(len(statements))

        assert counts == {2}  # the search, the videos

    async def test_go_along_the_index_of_the_metadata(
        self, db: Database, space: EmbeddingSpace, project: Project
    ) -> None:
        await noted(db, space, project, "a", season=3)
        async with db.write() as session:
            rows = "select gen_random_uuid(), project_id, title, filename, storage_key || n, content_hash, "
            rows += "jsonb_build_object('season', n + 3) from videos, generate_series(1, :many) n"
            columns = "id, project_id, title, filename, storage_key, content_hash, metadata"
            await session.execute(text(f"insert into videos ({columns}) {rows}"), {"many": MANY})
            await session.execute(text("analyze videos"))
        viewer = await member_of(db, project)
        request = SearchRequest("storm", metadata={"season": 3})

        with count_statements(db.engine) as statements:
            outcome = await service.search(db, viewer, AxisEmbedder({"storm": axis(1)}), request)

        assert [hit.text for hit in outcome.hits] == ["a", "a again"]
        assert "Bitmap Index Scan on ix_videos_metadata" in await statements.plans(db)
