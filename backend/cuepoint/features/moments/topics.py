"""Where the subject of a transcript changes: TextTiling over sentences, with vectors beside words; without I/O.

Method (Hearst, "TextTiling", Computational Linguistics 23(1), 1997): at each gap between two sentences the window
before it is compared with the window after it; a gap is a border if it is a valley, that is, less similar than the gaps
to its left and right. The depth of the valley, not the similarity, is the strength. Differences from the paper: windows
are sentences (up to 20 s), not blocks of tokens; the similarity is the mean of the words' cosine and the cosine of the
passages' vectors, because two short windows on one subject often share no word.

Limits: a passage that spans the gap is in both windows and hides a border there (passages end at long pauses); a
transcript of fewer than four sentences has no inner border.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cuepoint.features.moments.finder import MomentMaterial, Passage, Sentence

WINDOW_MS = 20_000  # about 50 words of speech; Hearst's blocks have 120 to 200, but of written text
WINDOW_SENTENCES = 6
MIN_SENTENCES = 4
# Valleys shallower than this are noise, however flat the rest is (cosines of 0 to 1; chosen by eye on the samples).
FLAT_DEPTH = 0.15
# The ends of a transcript are borders, but what lies there is often a greeting.
END_STRENGTH = 0.5


def border_strengths(material: MomentMaterial, words: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Strength of the border before each sentence and after the last, 0 to 1.

    `words` are the content words of each sentence.
    """
    count = len(material.sentences)
    strengths = np.zeros(count + 1)
    strengths[0] = strengths[count] = END_STRENGTH
    if count < MIN_SENTENCES:
        return strengths
    depths = _depths([_similarity(material, words, gap) for gap in range(1, count)])
    floor = depths.mean() - depths.std() / 2  # Hearst's liberal cut-off
    peak = max(float(np.max(depths)), FLAT_DEPTH)
    if peak > floor:
        strengths[1:count] = np.clip((depths - floor) / (peak - floor), 0, 1)
    return strengths


def _similarity(material: MomentMaterial, words: Sequence[Sequence[str]], gap: int) -> float:
    before = _window(material.sentences, gap - 1, -1)
    after = _window(material.sentences, gap, 1)
    lexical = _cosine_of_counts(
        Counter(word for index in before for word in words[index]),
        Counter(word for index in after for word in words[index]),
    )
    first = _mean_vector(material.passages, [material.sentences[index] for index in before])
    second = _mean_vector(material.passages, [material.sentences[index] for index in after])
    return lexical if first is None or second is None else (lexical + float(first @ second)) / 2


def _window(sentences: Sequence[Sentence], start: int, step: int) -> list[int]:
    """Indexes of the sentences from `start` in one direction that lie within the window; at least one."""
    found: list[int] = []
    index = start
    while 0 <= index < len(sentences) and len(found) < WINDOW_SENTENCES:
        low, high = sorted((start, index))
        if found and sentences[high].end_ms - sentences[low].start_ms > WINDOW_MS:
            break
        found.append(index)
        index += step
    return found


def _cosine_of_counts(first: Counter[str], second: Counter[str]) -> float:
    lengths = sum(n * n for n in first.values()) * sum(n * n for n in second.values())
    return sum(n * second[word] for word, n in first.items()) / lengths**0.5 if lengths else 0.0


def _mean_vector(passages: Sequence[Passage], sentences: Sequence[Sentence]) -> NDArray[np.float64] | None:
    """Unit mean of the passages, each weighted by the time it shares with the sentences."""
    start_ms = min(sentence.start_ms for sentence in sentences)
    end_ms = max(sentence.end_ms for sentence in sentences)
    shared = [(min(p.end_ms, end_ms) - max(p.start_ms, start_ms), p) for p in _between(passages, start_ms, end_ms)]
    if not shared:
        return None
    mean = np.sum([time * passage.vector.astype(np.float64) for time, passage in shared], axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length else None


def _between(passages: Sequence[Passage], start_ms: int, end_ms: int) -> Sequence[Passage]:
    """Those that share time with the range; passages are in order and do not overlap."""
    low = bisect_right(passages, start_ms, key=lambda passage: passage.end_ms)
    high = bisect_left(passages, end_ms, key=lambda passage: passage.start_ms)
    return passages[low:high]


def _depths(similarities: Sequence[float]) -> NDArray[np.float64]:
    """Depth of each valley: how far the similarity rises on both sides before it falls again, as a mean."""
    values = np.asarray(similarities)
    depths = np.zeros(len(values))
    for index in range(len(values)):
        left = right = index
        while left > 0 and values[left - 1] >= values[left]:
            left -= 1
        while right < len(values) - 1 and values[right + 1] >= values[right]:
            right += 1
        depths[index] = (values[left] - values[index] + values[right] - values[index]) / 2
    return depths
