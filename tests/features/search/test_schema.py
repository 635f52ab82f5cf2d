"""Search as clients see it: fields, scope, refusals, and how many statements it costs."""

from __future__ import annotations

import pytest

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.features.projects.models import Project
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.projects import make_project
from tests.support.builders.search import Api, AxisEmbedder, axis, index, make_space
from tests.support.builders.transcripts import member_of
from tests.support.builders.videos import make_video
from tests.support.graphql import count_statements

SEARCH = """
query ($input: SemanticSearchInput!) {
  semanticSearch(input: $input) {
    hits { id score startSeconds endSeconds text video { id title } }
    groups { score hitCount video { title } hits(first: 2) { text video { title } } }
    space { provider model minScore }
    notice
  }
}
"""
BRIEF = "query ($input: SemanticSearchInput!) { semanticSearch(input: $input) { hits { text } } }"


@pytest.fixture
async def project(db: Database) -> Project:
    """A project."""
    return await make_project(db)


@pytest.fixture
async def api(db: Database, settings: Settings, project: Project) -> Api:
    """The API as a member of the project, with an embedder that knows one query."""
    return Api(db, settings, await member_of(db, project), AxisEmbedder({"storm": axis(1)}))


class TestSemanticSearch:
    async def test_all_fields(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project, title="Garden")
        await index(db, await make_space(db), video, {"A storm.": axis(1), "A gale.": axis(3, 4), "Bread.": axis(0, 1)})

        data = await api.run(SEARCH, input={"query": " storm ", "groupBy": "VIDEO"})

        result = data["semanticSearch"]
        ids = [hit.pop("id") for hit in result["hits"]]
        assert len(set(ids)) == 2
        assert all(found.startswith("searchhit_") for found in ids)
        shown = {"id": encode_id("Video", video.id), "title": "Garden"}
        assert result["hits"] == [
            {"score": 1.0, "startSeconds": 0.0, "endSeconds": 4.0, "text": "A storm.", "video": shown},
            {"score": 0.6001, "startSeconds": 14.0, "endSeconds": 18.0, "text": "A gale.", "video": shown},
        ]
        assert result["groups"] == [
            {
                "score": 1.06,
                "hitCount": 2,
                "video": {"title": "Garden"},
                "hits": [
                    {"text": "A storm.", "video": {"title": "Garden"}},
                    {"text": "A gale.", "video": {"title": "Garden"}},
                ],
            }
        ]
        assert result["space"] == {"provider": "test", "model": "axes-1", "minScore": 0.2}
        assert result["notice"] is None

    async def test_hit_ids_stay_the_same_and_belong_to_the_query(
        self, db: Database, api: Api, project: Project
    ) -> None:
        await index(db, await make_space(db), await make_video(db, project), {"A storm.": axis(1)})
        query = "query ($input: SemanticSearchInput!) { semanticSearch(input: $input) { hits { id } } }"

        first, again, other = [
            (await api.run(query, input={"query": text, "minScore": -1}))["semanticSearch"]["hits"][0]["id"]
            for text in ("storm", "storm", "gale")
        ]

        assert first == again != other

    async def test_without_grouping_there_are_no_groups(self, db: Database, api: Api, project: Project) -> None:
        await index(db, await make_space(db), await make_video(db, project), {"A storm.": axis(1)})

        data = await api.run(SEARCH, input={"query": "storm"})

        assert data["semanticSearch"]["groups"] == []
        assert len(data["semanticSearch"]["hits"]) == 1

    async def test_scope_by_ids(self, db: Database, api: Api, project: Project) -> None:
        space = await make_space(db)
        one, other = await make_video(db, project), await make_video(db, project)
        await index(db, space, one, {"one": axis(1)})
        await index(db, space, other, {"other": axis(1)})
        scope = {"projectIds": [encode_id("Project", project.id)], "videoIds": [encode_id("Video", other.id)]}

        data = await api.run(BRIEF, input={"query": "storm", **scope})

        assert data["semanticSearch"]["hits"] == [{"text": "other"}]

    async def test_nothing_found_says_why(self, api: Api) -> None:
        data = await api.run(SEARCH, input={"query": "storm"})

        assert data["semanticSearch"]["hits"] == []
        assert data["semanticSearch"]["notice"].startswith("There is no transcribed passage here yet.")

    async def test_statements_do_not_grow_with_the_page(self, db: Database, api: Api, project: Project) -> None:
        space = await make_space(db)
        for number in range(12):
            await index(db, space, await make_video(db, project), {f"{number}.{n}": axis(1, n / 9) for n in range(3)})

        counts = {}
        for first in (1, 3, 12):
            with count_statements(db.engine) as statements:
                data = await api.run(SEARCH, input={"query": "storm", "groupBy": "VIDEO", "first": first})
            assert len(data["semanticSearch"]["groups"]) == first
            counts[first] = len(statements)

        assert counts == {1: 2, 3: 2, 12: 2}  # the search, the videos


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"query": ""}, "The query must have 1 to 500 characters"),
            ({"query": "x" * 10_000}, "The query must have 1 to 500 characters"),
            ({"query": "storm", "first": -1}, "`first` must be between 1 and 100, not -1."),
            ({"query": "storm", "minScore": 2}, "minScore is a cosine"),
            ({"query": "storm", "videoIds": []}, "videoIds must hold 1 to 100 ids"),
        ],
    )
    async def test_bad_input(self, api: Api, given: dict[str, object], message: str) -> None:
        code, text = await api.refused(BRIEF, input=given)

        assert code == "BAD_USER_INPUT"
        assert text.startswith(message)

    async def test_too_many_hits_of_a_group(self, db: Database, api: Api, project: Project) -> None:
        await index(db, await make_space(db), await make_video(db, project), {"A storm.": axis(1)})

        query = BRIEF.replace("hits { text }", "groups { hits(first: 101) { text } }")
        code, _ = await api.refused(query, input={"query": "storm", "groupBy": "VIDEO"})

        assert code == "BAD_USER_INPUT"

    async def test_a_foreign_project_does_not_exist(self, db: Database, api: Api) -> None:
        foreign = encode_id("Project", (await make_project(db)).id)

        for given in (foreign, "project_0", encode_id("Video", (await make_project(db)).id)):
            code, _ = await api.refused(BRIEF, input={"query": "storm", "projectIds": [given]})
            assert code == "NOT_FOUND"

    async def test_a_credential_is_needed(self, db: Database, settings: Settings) -> None:
        code, _ = await Api(db, settings, None, AxisEmbedder({})).refused(BRIEF, input={"query": "storm"})

        assert code == "UNAUTHENTICATED"

    async def test_a_provider_that_fails_is_named(self, api: Api) -> None:
        api.embedder = AxisEmbedder(
            {}, error=AdapterError(ErrorCode.PROVIDER_UNAVAILABLE, "No answer.", retryable=True)
        )

        assert await api.refused(BRIEF, input={"query": "storm"}) == ("PROVIDER_UNAVAILABLE", "No answer.")
