"""The port of text embeddings: texts in, unit vectors of 1536 dimensions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 1536


@dataclass(frozen=True)
class SpaceInfo:
    """Which vector space an embedder fills. Vectors of two spaces are never compared."""

    provider: str  # "static", "openai", or the host of a compatible server
    model: str  # e.g. "static-en-1", "text-embedding-3-small"
    native_dimensions: int  # before padding to 1536
    min_score: float  # cosine below which a hit is noise in this space; thresholds belong to the space


class Embedder(Protocol):
    """Raises AdapterError PROVIDER_UNAVAILABLE / PROVIDER_RATE_LIMITED (retryable), PROVIDER_REJECTED (not retryable),
    PROVIDER_BAD_RESPONSE (not retryable, unless the body was cut off)."""

    def space(self) -> SpaceInfo:
        """The space of every vector this embedder returns."""
        ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (len(texts), 1536), in the order of `texts`."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
