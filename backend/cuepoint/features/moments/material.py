"""What a finder is given, made of a stored transcript; and how many moments of what length a video should have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from cuepoint.features.moments.finder import MomentLimits, MomentMaterial, Passage, Sentence
from cuepoint.features.transcripts.chunking import split_sentences
from cuepoint.features.transcripts.models import TranscriptChunk, TranscriptSegment
from cuepoint.features.transcripts.words import Word, joined, timed_words

# Speech without punctuation would be one endless sentence: longer ones are cut where passages were.
LONGEST_SENTENCE_MS = 30_000

DEFAULT_MIN_MS, DEFAULT_MAX_MS = 8_000, 60_000
# Short media: a moment is at most a third of them, or 10 s, and at least an eighth of them.
SHORT_MAX_MS = 10_000
LEAST_COUNT, MOST_COUNT = 3, 10
MS_PER_EXTRA_MOMENT = 120_000


def material_of(
    segments: Iterable[TranscriptSegment],
    chunks: Sequence[TranscriptChunk],
    vectors: Mapping[UUID, NDArray[np.float32]],
) -> MomentMaterial:
    """Sentences and passages in order; a passage without a vector is left out."""
    starts = {chunk.start_ms for chunk in chunks}
    parts = [part for sentence in split_sentences(timed_words(segments)) for part in _parts(sentence, starts)]
    return MomentMaterial(
        sentences=[Sentence(words[0].start_ms, _end_ms(words), joined(words)) for words in parts],
        passages=[Passage(chunk.start_ms, chunk.end_ms, vectors[chunk.id]) for chunk in chunks if chunk.id in vectors],
    )


def default_limits(
    duration_ms: int, *, count: int | None = None, min_ms: int | None = None, max_ms: int | None = None
) -> MomentLimits:
    """Limits for media of that length; what is given stands, and the rest follows it."""
    if count is None:
        count = min(MOST_COUNT, LEAST_COUNT + -(-duration_ms // MS_PER_EXTRA_MOMENT))
    if max_ms is None:
        max_ms = max(min(DEFAULT_MAX_MS, max(SHORT_MAX_MS, duration_ms // 3)), min_ms or 0)
    if min_ms is None:
        min_ms = min(DEFAULT_MIN_MS, max(1, duration_ms // 8), max_ms)
    return MomentLimits(count, min_ms, max_ms)


def _parts(sentence: list[Word], starts: set[int]) -> list[list[Word]]:
    if sentence[-1].end_ms - sentence[0].start_ms <= LONGEST_SENTENCE_MS:
        return [sentence]
    parts: list[list[Word]] = [[]]
    for word in sentence:
        if parts[-1] and word.start_ms in starts:
            parts.append([])
        parts[-1].append(word)
    return parts


def _end_ms(words: Sequence[Word]) -> int:
    return max(words[-1].end_ms, words[0].start_ms + 1)  # a recogniser may give a word no length
