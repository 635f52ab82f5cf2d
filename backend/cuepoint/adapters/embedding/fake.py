"""A deterministic embedder for unit tests: texts that share words are near, nothing is loaded."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cuepoint.adapters.embedding.base import DIMENSIONS, SpaceInfo

_WORD = re.compile(r"\w+")


class FakeEmbedder:
    """A bag of words: each word is one of the dimensions, chosen by its CRC-32."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []  # the texts of every call, for asserts

    def space(self) -> SpaceInfo:
        """See the port."""
        return SpaceInfo(provider="fake", model="words-1", native_dimensions=DIMENSIONS, min_score=0.1)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See the port. A text without words lies on the last dimension."""
        self.calls.append(tuple(texts))
        out = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            for word in _WORD.findall(text.lower()):
                out[row, zlib.crc32(word.encode()) % (DIMENSIONS - 1)] += 1
            if not out[row].any():
                out[row, -1] = 1
        return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), np.float32)

    async def close(self) -> None:
        """See the port."""
