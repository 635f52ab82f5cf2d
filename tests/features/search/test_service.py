"""Use cases of search on real Postgres."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import func, select, text, update

from cuepoint.adapters.embedding.base import DIMENSIONS
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.search import service
from cuepoint.features.search.models import EmbeddingSpace, RetrievableText, RetrievableTextEmbedding
from cuepoint.features.search.service import SearchRequest
from cuepoint.features.videos.models import Video
from tests.support.builders.projects import make_project
from tests.support.builders.search import SPACE, AxisEmbedder, axis, index, make_space, passages
from tests.support.builders.transcripts import member_of
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video

EMBEDDER = AxisEmbedder({"storm": axis(1)})


async def texts_of(db: Database, video: Video) -> list[tuple[str, int]]:
    async with db.read() as session:
        statement = select(RetrievableText).where(RetrievableText.video_id == video.id)
        rows = await session.scalars(statement.order_by(RetrievableText.start_ms))
        return [(row.text, row.start_ms) for row in rows]


async def vector_count(db: Database) -> int:
    async with db.read() as session:
        return (await session.execute(select(func.count()).select_from(RetrievableTextEmbedding))).scalar_one()


class TestEnsureSpace:
    async def test_five_at_once_make_one_space(self, db: Database) -> None:
        spaces = await asyncio.gather(*(make_space(db) for _ in range(5)))

        assert len({space.id for space in spaces}) == 1
        async with db.read() as session:
            assert (await session.execute(select(func.count()).select_from(EmbeddingSpace))).scalar_one() == 1
            partitions = await session.execute(
                text("select count(*) from pg_inherits where inhparent = 'retrievable_text_embeddings'::regclass")
            )
            assert partitions.scalar_one() == 1

    async def test_the_threshold_follows_the_model(self, db: Database) -> None:
        await make_space(db)

        await make_space(db, replace(SPACE, min_score=0.4))

        assert (await make_space(db, replace(SPACE, min_score=0.4))).min_score == 0.4

    async def test_other_dimensions_under_one_name_are_refused(self, db: Database) -> None:
        await make_space(db)

        with pytest.raises(CuepointError) as refused:
            await make_space(db, replace(SPACE, native_dimensions=768))

        assert refused.value.code is ErrorCode.MISCONFIGURED


class TestSyncTexts:
    async def test_what_is_gone_is_deleted_and_the_rest_keeps_its_vector(self, db: Database) -> None:
        space = await make_space(db)
        video = await make_video(db, await make_project(db))
        kept, _ = await index(db, space, video, {"one": axis(1), "two": axis(0, 1)})
        found = passages(video, ["one", "three"])

        async with db.write() as session:
            await service.sync_texts(session, video, found, "en")
        async with db.read() as session:
            missing = await service.passages_without_vector(session, space.id, found)

        assert await texts_of(db, video) == [("one", 0), ("three", 14_000)]
        assert [passage.text for passage in missing] == ["three"]
        assert found[0].text_id == kept

    async def test_a_second_run_writes_nothing(self, db: Database) -> None:
        space = await make_space(db)
        video = await make_video(db, await make_project(db))
        versions = text("select id, xmin::text from retrievable_texts order by id")
        await index(db, space, video, {"one": axis(1), "two": axis(0, 1)})
        async with db.read() as session:
            before = (await session.execute(versions)).all()

        await index(db, space, video, {"one": axis(1), "two": axis(0, 1)})

        async with db.read() as session:
            assert (await session.execute(versions)).all() == before
        assert await vector_count(db) == 2

    async def test_moved_times_and_language_are_taken_over(self, db: Database) -> None:
        space = await make_space(db)
        video = await make_video(db, await make_project(db))
        await index(db, space, video, {"one": axis(1)})
        moved = [replace(passage, start_ms=500) for passage in passages(video, ["one"])]

        async with db.write() as session:
            await service.sync_texts(session, video, moved, "de")

        async with db.read() as session:
            row = (await session.scalars(select(RetrievableText))).one()
            assert (row.start_ms, row.language) == (500, "de")
        assert await vector_count(db) == 1

    async def test_other_videos_are_left_alone(self, db: Database) -> None:
        space = await make_space(db)
        project = await make_project(db)
        one, other = await make_video(db, project), await make_video(db, project)
        await index(db, space, other, {"one": axis(1)})

        await index(db, space, one, {})

        assert await texts_of(db, other) == [("one", 0)]

    async def test_a_deleted_video_is_not_indexed(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))
        async with db.write() as session:
            await session.execute(update(Video).values(deleted_at=datetime.now(UTC)))

        with pytest.raises(NotFoundError):
            async with db.write() as session:
                await service.sync_texts(session, video, passages(video, ["one"]), "en")

        assert await texts_of(db, video) == []

    async def test_two_jobs_of_one_video_at_once_agree(self, db: Database) -> None:
        space = await make_space(db)
        video = await make_video(db, await make_project(db))
        many = {f"text {number}": axis(1, number) for number in range(50)}

        await asyncio.gather(*(index(db, space, video, many) for _ in range(4)))

        assert len(await texts_of(db, video)) == 50
        assert await vector_count(db) == 50


class TestStoreEmbeddings:
    async def test_a_second_run_replaces(self, db: Database) -> None:
        space = await make_space(db)
        video = await make_video(db, await make_project(db))
        (text_id,) = await index(db, space, video, {"one": axis(1)})

        async with db.write() as session:
            await service.store_embeddings(session, space.id, {text_id: axis(0, 1)})
            await service.store_embeddings(session, space.id, {text_id: axis(0, 0, 1)})

        async with db.read() as session:
            found = await service.vectors_of(session, SPACE, [text_id])
        assert np.array_equal(found[text_id], axis(0, 0, 1))

    async def test_a_text_that_is_gone_is_skipped(self, db: Database) -> None:
        space = await make_space(db)

        async with db.write() as session:
            await service.store_embeddings(session, space.id, {uuid7(): axis(1)})

        assert await vector_count(db) == 0

    @pytest.mark.parametrize(
        "vector",
        [axis(1) * 2, axis(1) * 0, axis(1)[:768], axis(1) * np.float32("nan"), axis(1)[np.newaxis]],
        ids=["too long", "zero", "768 numbers", "not a number", "a matrix"],
    )
    async def test_anything_but_a_unit_vector_is_refused(self, db: Database, vector: np.ndarray) -> None:
        space = await make_space(db)
        video = await make_video(db, await make_project(db))

        with pytest.raises(AdapterError) as refused:
            await index(db, space, video, {"one": axis(1), "two": vector})

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.PROVIDER_BAD_RESPONSE, False)
        assert await texts_of(db, video) == []

    async def test_half_precision_is_what_comes_back(self, db: Database) -> None:
        space = await make_space(db)
        video = await make_video(db, await make_project(db))
        vector = axis(*np.linspace(0.1, 1, DIMENSIONS))

        (text_id,) = await index(db, space, video, {"one": vector})

        async with db.read() as session:
            found = await service.vectors_of(session, SPACE, [text_id])
        assert np.array_equal(found[text_id], vector.astype(np.float16).astype(np.float32))

    async def test_a_space_that_was_never_used_has_no_vectors(self, db: Database) -> None:
        async with db.read() as session:
            assert await service.vectors_of(session, SPACE, [uuid7()]) == {}


class TestSearch:
    async def test_hits_are_nearest_first_with_their_cosine(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        video = await make_video(db, project)
        ids = await index(
            db,
            await make_space(db),
            video,
            {"far": axis(1, 2), "same": axis(1), "near": axis(2, 1), "none": axis(0, 1)},
        )

        outcome = await service.search(db, viewer, EMBEDDER, SearchRequest("  storm\n"))

        assert [(hit.text, hit.text_id) for hit in outcome.hits] == [
            ("same", ids[1]),
            ("near", ids[2]),
            ("far", ids[0]),
        ]
        assert [hit.score for hit in outcome.hits] == pytest.approx([1, 2 / 5**0.5, 1 / 5**0.5], abs=0.001)
        assert (outcome.hits[0].video_id, outcome.hits[0].start_ms, outcome.hits[0].end_ms) == (
            video.id,
            14_000,
            18_000,
        )
        assert (outcome.space, outcome.min_score, outcome.notice, outcome.groups) == (SPACE, 0.2, None, [])

    async def test_min_score_and_first_cut_the_list(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        space = await make_space(db)
        await index(db, space, await make_video(db, project), {"far": axis(1, 2), "same": axis(1), "none": axis(0, 1)})

        strict = await service.search(db, viewer, EMBEDDER, SearchRequest("storm", min_score=0.9))
        one = await service.search(db, viewer, EMBEDDER, SearchRequest("storm", first=1, min_score=-1))
        loose = await service.search(db, viewer, EMBEDDER, SearchRequest("storm", min_score=-1))

        assert [hit.text for hit in strict.hits] == ["same"]
        assert [hit.text for hit in one.hits] == ["same"]
        assert [hit.text for hit in loose.hits] == ["same", "far", "none"]

    async def test_equal_scores_go_by_id(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        ids = await index(db, await make_space(db), await make_video(db, project), {str(n): axis(1) for n in range(20)})

        outcome = await service.search(db, viewer, EMBEDDER, SearchRequest("storm", first=7))

        assert [hit.text_id for hit in outcome.hits] == sorted(ids)[:7]

    async def test_strangers_see_nothing_and_administrators_all(self, db: Database) -> None:
        mine, theirs = await make_project(db), await make_project(db)
        space = await make_space(db)
        await index(db, space, await make_video(db, mine), {"mine": axis(1)})
        await index(db, space, await make_video(db, theirs), {"theirs": axis(1)})
        member, stranger = await member_of(db, mine), await make_viewer(db)
        admin = await make_viewer(db, is_admin=True)

        found = [
            {hit.text for hit in (await service.search(db, viewer, EMBEDDER, SearchRequest("storm"))).hits}
            for viewer in (member, stranger, admin)
        ]

        assert found == [{"mine"}, set(), {"mine", "theirs"}]

    async def test_scope_by_project_and_video(self, db: Database) -> None:
        projects = [await make_project(db), await make_project(db)]
        viewer = await member_of(db, *projects)
        space = await make_space(db)
        videos = [
            await make_video(db, projects[0]),
            await make_video(db, projects[0]),
            await make_video(db, projects[1]),
        ]
        for number, video in enumerate(videos):
            await index(db, space, video, {f"video {number}": axis(1)})

        async def texts(request: SearchRequest) -> set[str]:
            return {hit.text for hit in (await service.search(db, viewer, EMBEDDER, request)).hits}

        assert await texts(SearchRequest("storm", project_ids=[projects[0].id])) == {"video 0", "video 1"}
        assert await texts(SearchRequest("storm", video_ids=[videos[1].id, videos[2].id])) == {"video 1", "video 2"}
        both = SearchRequest("storm", project_ids=[projects[0].id], video_ids=[videos[1].id, videos[2].id])
        assert await texts(both) == {"video 1"}

    @pytest.mark.parametrize("field", ["project_ids", "video_ids"])
    async def test_a_foreign_scope_is_not_found_and_costs_no_embedding(self, db: Database, field: str) -> None:
        mine, theirs = await make_project(db), await make_project(db)
        ids = {
            "project_ids": [mine.id, theirs.id],
            "video_ids": [(await make_video(db, mine)).id, (await make_video(db, theirs)).id],
        }
        viewer = await member_of(db, mine)
        embedder = AxisEmbedder({})

        with pytest.raises(NotFoundError):
            await service.search(db, viewer, embedder, replace(SearchRequest("storm"), **{field: ids[field]}))

        assert embedder.asked == []

    async def test_deleted_videos_are_not_found_and_leave_their_places(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        space = await make_space(db)
        gone, here = await make_video(db, project), await make_video(db, project)
        await index(db, space, gone, {f"gone {n}": axis(1) for n in range(10)})
        await index(db, space, here, {"here": axis(2, 1)})
        async with db.write() as session:
            await session.execute(update(Video).where(Video.id == gone.id).values(deleted_at=datetime.now(UTC)))

        outcome = await service.search(db, viewer, EMBEDDER, SearchRequest("storm", first=2))

        assert [hit.text for hit in outcome.hits] == ["here"]
        with pytest.raises(NotFoundError):
            await service.search(db, viewer, EMBEDDER, SearchRequest("storm", video_ids=[gone.id]))

    async def test_groups_hold_the_hits_of_each_video(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        space = await make_space(db)
        often, once = await make_video(db, project), await make_video(db, project)
        await index(db, space, often, {f"again {n}": axis(9, 1) for n in range(5)})
        await index(db, space, once, {"once": axis(1)})

        outcome = await service.search(db, viewer, EMBEDDER, SearchRequest("storm", by_video=True, first=1))

        (group,) = outcome.groups
        assert (group.video_id, len(group.hits)) == (often.id, 5)
        assert group.score == pytest.approx(0.9939 * 1.4, abs=0.001)
        assert [hit.text for hit in outcome.hits] == ["once"]

    @pytest.mark.parametrize(
        "request_",
        [
            SearchRequest(""),
            SearchRequest("  \n\t "),
            SearchRequest("x" * 501),
            SearchRequest("x" * 10_000),
            SearchRequest("half \ud800"),
            SearchRequest("storm", first=0),
            SearchRequest("storm", first=-1),
            SearchRequest("storm", first=101),
            SearchRequest("storm", min_score=1.5),
            SearchRequest("storm", project_ids=[]),
            SearchRequest("storm", video_ids=[UUID(int=1)] * 101),
        ],
    )
    async def test_bad_input_is_refused_before_any_work(self, db: Database, request_: SearchRequest) -> None:
        embedder = AxisEmbedder({})

        with pytest.raises(BadInputError):
            await service.search(db, await make_viewer(db), embedder, request_)

        assert embedder.asked == []

    async def test_a_refused_query_names_the_limits(self, db: Database) -> None:
        with pytest.raises(BadInputError, match=r"1 to 500 characters.*this one has 10000"):
            await service.search(db, await make_viewer(db), EMBEDDER, SearchRequest("x" * 10_000))

    async def test_five_hundred_characters_are_accepted(self, db: Database) -> None:
        outcome = await service.search(db, await make_viewer(db), EMBEDDER, SearchRequest(" " + "ä" * 500 + " "))

        assert outcome.hits == []

    async def test_a_provider_that_fails_is_a_typed_error(self, db: Database) -> None:
        broken = AxisEmbedder({}, error=AdapterError(ErrorCode.PROVIDER_RATE_LIMITED, "Slow down.", retryable=True))

        with pytest.raises(AdapterError) as failed:
            await service.search(db, await make_viewer(db), broken, SearchRequest("storm"))

        assert (failed.value.code, failed.value.retryable) == (ErrorCode.PROVIDER_RATE_LIMITED, True)


class TestNotice:
    async def test_an_empty_scope_says_so(self, db: Database) -> None:
        outcome = await service.search(db, await make_viewer(db), EMBEDDER, SearchRequest("storm"))

        assert outcome.notice is not None
        assert outcome.notice.startswith("There is no transcribed passage here yet.")

    async def test_another_model_is_named(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        await index(db, await make_space(db), await make_video(db, project), {"one": axis(1)})
        other = AxisEmbedder({"storm": axis(1)}, info=replace(SPACE, model="axes-2"))

        outcome = await service.search(db, viewer, other, SearchRequest("storm"))

        assert outcome.hits == []
        assert outcome.notice is not None
        assert "another model than test/axes-2" in outcome.notice

    async def test_a_threshold_that_nothing_reaches_is_named(self, db: Database) -> None:
        project = await make_project(db)
        viewer = await member_of(db, project)
        await index(db, await make_space(db), await make_video(db, project), {"one": axis(0, 1)})

        outcome = await service.search(db, viewer, EMBEDDER, SearchRequest("storm"))

        assert outcome.notice == ("No passage is as near as minScore (0.2). Say it in other words, or lower minScore.")
