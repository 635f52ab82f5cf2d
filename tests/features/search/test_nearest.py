"""The SQL function `nearest` on real Postgres: exact and approximate path, scope, spaces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.session import Database, create_engine
from cuepoint.features.projects.models import Project
from cuepoint.features.search import service
from cuepoint.features.search.models import EmbeddingSpace, RetrievableTextEmbedding
from cuepoint.features.videos.models import Video
from tests.support.builders.projects import make_project
from tests.support.builders.search import AxisEmbedder, axis, index, make_space, passages, random_units
from tests.support.builders.videos import make_video
from tests.support.database import create_database, drop_database
from tests.support.stack import SharedStack

ROWS = 1500
NEAREST = text(
    "select text_id, distance from nearest(:q, cast(:space as smallint), cast(:projects as uuid[]), :k, null, "
    "cast(:videos as uuid[]), cast(:hidden as uuid[]), :probes, :cut)"
)
EXACT, INDEXED = 20_000, 0
# On so few rows a scan and a sort are as cheap; on the 20,000 of the real border the index wins by itself.
PREFER_INDEX = text("set local enable_sort = off")


@dataclass
class Corpus:
    """Random vectors of two projects, in a database of their own; project B has one row in fifty."""

    db: Database
    space: EmbeddingSpace
    projects: tuple[Project, Project]
    videos: tuple[Video, Video, Video]
    ids: list[UUID]
    owners: NDArray[np.int64]  # index into `videos` of each row
    vectors: NDArray[np.float32]

    def truth(self, query: NDArray[np.float32], owners: Sequence[int], k: int) -> list[UUID]:
        stored = self.vectors.astype(np.float16).astype(np.float64)
        scores = stored @ query.astype(np.float16).astype(np.float64)
        order = sorted(np.flatnonzero(np.isin(self.owners, owners)), key=lambda row: (-scores[row], self.ids[row]))
        return [self.ids[row] for row in order[:k]]

    @asynccontextmanager
    async def session(self, lists: int | None = None) -> AsyncIterator[tuple[AsyncSession, str]]:
        """A transaction that is undone, and the name of the index, with so many lists or those of the migration."""
        table = f"retrievable_text_embeddings_{self.space.id}"
        name = f"ix_{table}_ivfflat"
        async with AsyncSession(self.db.engine) as session:
            if lists is not None:
                index_on = f"on {table} using ivfflat (embedding halfvec_ip_ops) with (lists = {lists})"
                for statement in (f"drop index {name}", f"create index {name} {index_on}", f"analyze {table}"):
                    await session.execute(text(statement))
            yield session, name


@pytest.fixture(scope="module")
async def corpus(template: SharedStack) -> AsyncIterator[Corpus]:
    name = await create_database(template)
    db = Database(create_engine(template.database_server_url(name), pool_size=1))
    yield await corpus_in(db)
    await db.close()
    await drop_database(template, name)


async def corpus_in(db: Database) -> Corpus:
    space = await make_space(db)
    projects = (await make_project(db), await make_project(db))
    videos = (await make_video(db, projects[0]), await make_video(db, projects[0]), await make_video(db, projects[1]))
    owners = np.array([2 if row % 50 == 0 else row % 2 for row in range(ROWS)])
    vectors = random_units(ROWS, seed=7)
    ids: list[UUID] = [UUID(int=0)] * ROWS
    for number, video in enumerate(videos):
        rows = np.flatnonzero(owners == number)
        found = passages(video, [f"text {row}" for row in rows])
        for row, passage in zip(rows, found, strict=True):
            ids[row] = passage.text_id
        async with db.write() as session:
            await service.sync_texts(session, video, found, "en")
            await service.store_embeddings(session, space.id, {ids[row]: vectors[row] for row in rows})
    return Corpus(db, space, projects, videos, ids, owners, vectors)


async def nearest(
    session: AsyncSession,
    corpus: Corpus,
    query: NDArray[np.float32],
    *,
    k: int = 10,
    cut: int,
    projects: Sequence[Project] | None = None,
    videos: Sequence[Video] | None = None,
    hidden: Sequence[Video] | None = None,
) -> list[UUID]:
    values = {
        "q": HalfVector(query),
        "space": corpus.space.id,
        "projects": [project.id for project in (corpus.projects if projects is None else projects)],
        "k": k,
        "videos": None if videos is None else [video.id for video in videos],
        "hidden": None if hidden is None else [video.id for video in hidden],
        "probes": 4,
        "cut": cut,
    }
    rows = (await session.execute(NEAREST, values)).all()
    assert [row.distance for row in rows] == sorted(row.distance for row in rows)
    return [UUID(str(row.text_id)) for row in rows]


async def scans(session: AsyncSession, index_name: str) -> int:
    """Scans of that index in this transaction."""
    statement = text("select pg_stat_get_xact_numscans(cast(cast(:name as text) as regclass))")
    return int((await session.execute(statement, {"name": index_name})).scalar_one())


class TestExactPath:
    async def test_is_the_truth_and_leaves_the_approximate_index_alone(self, corpus: Corpus) -> None:
        async with corpus.session(lists=30) as (session, index_name):
            for query in random_units(5, seed=8):
                assert await nearest(session, corpus, query, cut=EXACT) == corpus.truth(query, [0, 1, 2], 10)
            assert await scans(session, index_name) == 0

    async def test_a_scope_of_one_video_holds_no_other(self, corpus: Corpus) -> None:
        (query,) = random_units(1, seed=9)

        async with corpus.session() as (session, _):
            found = await nearest(session, corpus, query, cut=EXACT, videos=[corpus.videos[1]])

        assert found == corpus.truth(query, [1], 10)

    async def test_a_scope_smaller_than_k_is_answered_whole(self, corpus: Corpus) -> None:
        (query,) = random_units(1, seed=10)

        async with corpus.session() as (session, _):
            found = await nearest(session, corpus, query, k=100, cut=EXACT, projects=[corpus.projects[1]])

        assert found == corpus.truth(query, [2], 100)
        assert len(found) == 30

    async def test_hidden_videos_do_not_use_up_places(self, corpus: Corpus) -> None:
        (query,) = random_units(1, seed=11)

        async with corpus.session() as (session, _):
            found = await nearest(session, corpus, query, cut=EXACT, hidden=[corpus.videos[0], corpus.videos[2]])

        assert found == corpus.truth(query, [1], 10)


class TestIndexedPath:
    async def test_uses_the_index_and_finds_the_truth(self, corpus: Corpus) -> None:
        async with corpus.session(lists=30) as (session, index_name):
            await session.execute(PREFER_INDEX)
            for query in corpus.vectors[[3, 141, 592]]:
                noisy = query + 0.3 * random_units(1, seed=12)[0]
                found = await nearest(session, corpus, noisy, cut=INDEXED)
                assert found[0] == corpus.truth(noisy, [0, 1, 2], 1)[0]
                assert len(found) == len(set(found)) == 10
            assert await scans(session, index_name) >= 3

    async def test_with_all_lists_probed_recall_is_one(self, corpus: Corpus) -> None:
        async with corpus.session(lists=4) as (session, _):
            await session.execute(PREFER_INDEX)
            for query in random_units(5, seed=13):
                assert await nearest(session, corpus, query, cut=INDEXED) == corpus.truth(query, [0, 1, 2], 10)

    async def test_the_index_of_the_migration_is_exact(self, corpus: Corpus) -> None:
        async with corpus.session() as (session, _):
            await session.execute(PREFER_INDEX)
            for query in random_units(5, seed=14):
                assert await nearest(session, corpus, query, cut=INDEXED) == corpus.truth(query, [0, 1, 2], 10)

    async def test_a_narrow_scope_is_filled_by_the_iterative_scan(self, corpus: Corpus) -> None:
        (query,) = random_units(1, seed=15)

        async with corpus.session(lists=30) as (session, index_name):
            await session.execute(PREFER_INDEX)
            for k in (10, 100):
                found = await nearest(session, corpus, query, k=k, cut=INDEXED, projects=[corpus.projects[1]])
                assert found == corpus.truth(query, [2], k)
                found = await nearest(session, corpus, query, k=k, cut=INDEXED, videos=[corpus.videos[2]])
                assert found == corpus.truth(query, [2], k)
            assert await scans(session, index_name) == 4

    async def test_hidden_videos_do_not_use_up_places(self, corpus: Corpus) -> None:
        (query,) = random_units(1, seed=16)

        async with corpus.session(lists=4) as (session, _):
            await session.execute(PREFER_INDEX)
            found = await nearest(session, corpus, query, cut=INDEXED, hidden=[corpus.videos[0], corpus.videos[2]])

        assert found == corpus.truth(query, [1], 10)


class TestSpaces:
    async def test_two_spaces_never_mix(self, db: Database) -> None:
        project = await make_project(db)
        video = await make_video(db, project)
        first = await make_space(db)
        other_info = AxisEmbedder({}).info.__class__("test", "axes-2", 1536, 0.2)
        second = await make_space(db, other_info)
        ids = await index(db, first, video, {"one": axis(1), "two": axis(0, 1)})
        async with db.write() as session:
            await service.store_embeddings(session, second.id, {ids[0]: axis(0, 1)})

        async with db.write() as session:
            statement = text("select text_id, distance from nearest(:q, cast(:s as smallint), cast(:p as uuid[]), 10)")
            found = {
                space.model: [
                    (UUID(str(row.text_id)), row.distance)
                    for row in await session.execute(
                        statement, {"q": HalfVector(axis(1)), "s": space.id, "p": [project.id]}
                    )
                ]
                for space in (first, second)
            }

        assert found == {"axes-1": [(ids[0], -1.0), (ids[1], 0.0)], "axes-2": [(ids[0], 0.0)]}

    async def test_each_space_has_a_partition_with_its_own_index(self, db: Database) -> None:
        space = await make_space(db)

        async with db.write() as session:
            row = (
                await session.execute(
                    text(
                        "select a.attstorage::text, pg_get_indexdef(cast(:index as text)::regclass) "
                        "from pg_attribute a "
                        "where a.attrelid = cast(:part as text)::regclass and a.attname = 'embedding'"
                    ),
                    {
                        "index": f"ix_retrievable_text_embeddings_{space.id}_ivfflat",
                        "part": f"retrievable_text_embeddings_{space.id}",
                    },
                )
            ).one()

        assert row[0] == "p"
        assert "USING ivfflat (embedding halfvec_ip_ops) WITH (lists='1')" in row[1]

    async def test_a_text_that_goes_takes_its_vectors_along(self, db: Database) -> None:
        space = await make_space(db)
        video = await make_video(db, await make_project(db))
        await index(db, space, video, {"one": axis(1), "two": axis(0, 1)})

        async with db.write() as session:
            await service.sync_texts(session, video, [], None)

        async with db.write() as session:
            assert (await session.scalars(select(RetrievableTextEmbedding.text_id))).all() == []
