"""The port of moment finders: a transcript in, spans worth watching out. The scorer is one; a language model can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sentence:
    """A sentence, `[start_ms, end_ms)` from its first word to its last on the media's time line."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True)
class Passage:
    """A passage of the search index with its unit vector; its borders lie on words."""

    start_ms: int
    end_ms: int
    vector: NDArray[np.float32]


@dataclass(frozen=True)
class MomentMaterial:
    """What a finder knows: sentences in order without overlap, and passages as far as they were embedded."""

    sentences: Sequence[Sentence]
    passages: Sequence[Passage]


@dataclass(frozen=True)
class MomentLimits:
    """How many moments, and how long each may be."""

    count: int
    min_ms: int
    max_ms: int


@dataclass(frozen=True)
class MomentCandidate:
    """A span worth watching: the sentences `first` to `last`, both included. Times follow from them."""

    first: int
    last: int
    title: str
    reason: str
    score: float  # 0 to 1, comparable within one video
    signals: Mapping[str, float] = field(default_factory=dict)


class MomentFinder(Protocol):
    """Chooses sentences, never times: borders on words are so by construction.

    Raises AdapterError when it asks a third party and that fails.
    """

    @property
    def method(self) -> str:
        """Name and version, stored with each moment."""
        ...

    async def find(self, material: MomentMaterial, limits: MomentLimits) -> Sequence[MomentCandidate]:
        """Moments, best first, none overlapping another; fewer than asked for where there are no more."""
        ...
