"""Embeddings from the bundled static English vectors: no key, no network, no download."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cuepoint.adapters.embedding.base import DIMENSIONS, SpaceInfo

if TYPE_CHECKING:
    from cuepoint.adapters.embedding.static_model import StaticEmbedding

MODEL_DIRECTORY = Path(__file__).parent / "models" / "static-en"
# The model card: unrelated pairs have a cosine of 0.12 at their 90th percentile, right paraphrases 0.15 at their 10th.
MIN_SCORE = 0.12


class StaticEmbedder:
    """The bundled model, loaded at the first use (10 to 30 ms, 9 MB of it mapped), encoding in a thread."""

    def __init__(self, directory: Path = MODEL_DIRECTORY) -> None:
        self._directory = directory
        self._model: StaticEmbedding | None = None
        self._lock = threading.Lock()  # the model caches words, so one thread at a time

    def space(self) -> SpaceInfo:
        """See the port."""
        return SpaceInfo(provider="static", model="static-en-1", native_dimensions=DIMENSIONS, min_score=MIN_SCORE)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See the port. Never fails: a text without any word has a direction of its own."""
        return await asyncio.to_thread(self._encode, tuple(texts))

    async def close(self) -> None:
        """See the port."""
        with self._lock:
            self._model = None

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        from cuepoint.adapters.embedding.static_model import StaticEmbedding

        with self._lock:
            if self._model is None:
                self._model = StaticEmbedding(self._directory)
            return self._model.encode(texts)
