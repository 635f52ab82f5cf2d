"""Rows for tests of search: passages, vectors of known direction, and an embedder that answers with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from cuepoint.adapters.bundle import Adapters
from cuepoint.adapters.embedding.base import DIMENSIONS, SpaceInfo
from cuepoint.api.schema import BINDINGS, schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError
from cuepoint.features.search import service
from cuepoint.features.search.models import EmbeddingSpace
from cuepoint.features.search.repository import Passage
from cuepoint.features.videos.models import Video
from cuepoint.graphql.context import Context, Process
from cuepoint.viewer import Viewer

SPACE = SpaceInfo("test", "axes-1", DIMENSIONS, min_score=0.2)
Vector = NDArray[np.float32]


def axis(*weights: float) -> Vector:
    """The unit vector that points along the first axes with these weights."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[: len(weights)] = weights
    return vector / np.float32(np.linalg.norm(vector))


def random_units(count: int, seed: int) -> NDArray[np.float32]:
    """Unit vectors in all directions, the same for the same seed."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSIONS)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass
class AxisEmbedder:
    """An embedder that answers each text with a vector named in advance, and counts what it is asked for."""

    vectors: Mapping[str, Vector]
    info: SpaceInfo = SPACE
    error: AdapterError | None = None

    def __post_init__(self) -> None:
        self.asked: list[list[str]] = []

    def space(self) -> SpaceInfo:
        """The space that the vectors belong to."""
        return self.info

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The named vectors; a text without one points along the last axis."""
        self.asked.append(list(texts))
        if self.error is not None:
            raise self.error
        last = np.zeros(DIMENSIONS, dtype=np.float32)
        last[-1] = 1
        return np.stack([self.vectors.get(text, last) for text in texts])

    async def close(self) -> None:
        """Nothing is held."""


async def make_space(db: Database, info: SpaceInfo = SPACE) -> EmbeddingSpace:
    """The space with its partition."""
    async with db.write() as session:
        return await service.ensure_space(session, info)


def passages(video: Video, texts: Sequence[str], *, gap_ms: int = 10_000, length_ms: int = 4_000) -> list[Passage]:
    """Passages one after the other, so far apart that each is a span of its own."""
    step = gap_ms + length_ms
    return [
        Passage(uuid5(video.id, f"{text}:{index}"), index * step, index * step + length_ms, text)
        for index, text in enumerate(texts)
    ]


async def index(
    db: Database,
    space: EmbeddingSpace,
    video: Video,
    texts: Mapping[str, Vector],
    *,
    gap_ms: int = 10_000,
    language: str | None = "en",
) -> list[UUID]:
    """The texts, and no others, are findable in the video; their ids, in order."""
    found = passages(video, list(texts), gap_ms=gap_ms)
    vectors = {passage.text_id: texts[passage.text] for passage in found}
    async with db.write() as session:
        await service.sync_texts(session, video, found, language)
        await service.store_embeddings(session, space.id, vectors)
    return [passage.text_id for passage in found]


@dataclass
class Api:
    """Runs operations on the product's schema as one viewer, with this embedder as the only port."""

    db: Database
    settings: Settings
    viewer: Viewer | None
    embedder: AxisEmbedder | None = None

    async def run(self, query: str, **variables: Any) -> dict[str, Any]:
        """Data of an operation that has no errors."""
        result = await self._execute(query, variables)
        assert result.errors is None, result.errors
        return cast(dict[str, Any], result.data)

    async def refused(self, query: str, **variables: Any) -> tuple[str, str]:
        """Code and message of the only error of an operation."""
        result = await self._execute(query, variables)
        (error,) = result.errors
        return error.extensions["code"], error.message

    async def _execute(self, query: str, variables: dict[str, Any]) -> Any:
        adapters = cast(Adapters, SimpleNamespace(embedder=self.embedder))
        context = Context(Process(self.db, adapters, self.settings, BINDINGS), viewer=self.viewer, request_id="r1")
        return await schema.execute(query, variable_values=variables, context_value=context)
