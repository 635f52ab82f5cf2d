"""Quality of search on the development passages, with the bundled static vectors, through SQL."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from cuepoint.adapters.embedding.static import StaticEmbedder
from cuepoint.db.session import Database
from cuepoint.features.projects import access
from cuepoint.features.search import repository, service
from cuepoint.features.search.repository import Passage, Scope
from cuepoint.features.search.service import SearchRequest
from cuepoint.features.transcripts.chunking import chunk_ids, chunk_segments
from cuepoint.viewer import Viewer
from tests.support.builders.moments import STORIES, narration
from tests.support.builders.projects import make_project
from tests.support.builders.search import make_space, passages
from tests.support.builders.transcripts import segment_row
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video

# Recall@1 and recall@5 that were measured, rounded down to whole queries of 65 (one is 0.0154).
AT_LEAST = {
    "paraphrase": (0.646, 0.892),
    "keywords": (1.0, 1.0),
    "question": (0.984, 1.0),
    "typo": (0.953, 0.969),
    "inflected": (1.0, 1.0),
}
GOLDEN = Path(__file__).parents[2] / "support/data/golden_search.json"


@pytest.mark.models
async def test_recall_by_kind_of_query(db: Database) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    embedder = StaticEmbedder()
    info = embedder.space()
    video = await make_video(db, await make_project(db))
    space = await make_space(db, info)
    found = passages(video, [passage["text"] for passage in golden["passages"]])
    names = {passage.text_id: given["id"] for passage, given in zip(found, golden["passages"], strict=True)}
    vectors = await embedder.embed([passage.text for passage in found])
    async with db.write() as session:
        await service.sync_texts(session, video, found, "en")
        await service.store_embeddings(session, space.id, dict(zip(names, vectors, strict=True)))
    scope = Scope(access.visible_projects(Viewer(video.id, is_admin=True)))

    ranks: defaultdict[str, list[int]] = defaultdict(list)
    queries = await embedder.embed([query["text"] for query in golden["queries"]])
    async with db.read() as session:
        for query, vector in zip(golden["queries"], queries, strict=True):
            key = (info.provider, info.model)
            hits = await repository.nearest(session, key, vector, scope, k=5, min_score=info.min_score)
            order = [names[hit.text_id] for hit in hits]
            ranks[query["kind"]].append(order.index(query["relevant"][0]) if query["relevant"][0] in order else 99)

    at_1 = {kind: sum(rank < 1 for rank in found) / len(found) for kind, found in ranks.items()}
    at_5 = {kind: sum(rank < 5 for rank in found) / len(found) for kind, found in ranks.items()}
    assert {kind: len(found) for kind, found in ranks.items()} == dict.fromkeys(AT_LEAST, 65)
    short = {
        kind: (at_1[kind], at_5[kind])
        for kind, (one, five) in AT_LEAST.items()
        if at_1[kind] < one or at_5[kind] < five
    }
    assert short == {}


@pytest.mark.models
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("bad weather ruined the orchard", "A terrible storm destroyed the apple trees"),
        ("the official punished a player", "The referee shows a red card"),
        ("animals under the ship", "The whales swim under the sailing boat"),
        ("baking", "Heat the oven"),
    ],
)
async def test_searches_that_share_no_word_with_the_bundled_sample(db: Database, query: str, said: str) -> None:
    embedder = StaticEmbedder()
    video = await make_video(db, await make_project(db))
    space = await make_space(db, embedder.space())
    rows = [segment_row(segment, number) for number, segment in enumerate(narration(STORIES))]
    chunks = chunk_segments(rows)
    ids = chunk_ids(video.id, chunks)
    found = [Passage(key, chunk.start_ms, chunk.end_ms, chunk.text) for key, chunk in zip(ids, chunks, strict=True)]
    vectors = await embedder.embed([passage.text for passage in found])
    async with db.write() as session:
        await service.sync_texts(session, video, found, "en")
        await service.store_embeddings(session, space.id, dict(zip(ids, vectors, strict=True)))

    outcome = await service.search(db, await make_viewer(db, is_admin=True), embedder, SearchRequest(query))

    assert said in outcome.hits[0].text
