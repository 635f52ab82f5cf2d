"""Moments by a scoring of the transcript: no model, no network, the same answer every time; without I/O.

Method: every run of whole sentences between the shortest and the longest duration is a candidate. Its score is the
weighted mean of five signals, each 0 to 1:

- topic (0.30): begins and ends where the subject changes, and does not change it inside (`topics.py`);
- emphasis (0.25): the speaker stresses it (`language.py`): 0.7 of its strongest sentence + 0.3 of the mean, without an
  announcement at its end, whose matter is missing;
- density (0.20): different content words a second, between the slow and the dense sentences of this video;
- question (0.15): asks and goes on to answer; 1 when it begins with the question;
- pause (0.10): silence before it (0.6) and after it (0.4) beyond the usual gap between sentences, up to 1.5 s more.

Then the best candidate is taken, all that overlap it are dropped (non-maximum suppression), and so on. Extracts by
weighted surface signals: Edmundson, "New Methods in Automatic Extracting", JACM 16(2), 1969. The weights were chosen by
hand on the two bundled narrations; they are not fitted. Limits: it knows the transcript only, neither faces nor
applause, and its word lists are English.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cuepoint.features.moments.finder import MomentCandidate, MomentLimits, MomentMaterial, Sentence
from cuepoint.features.moments.language import (
    announcing_phrase,
    content_words,
    emphasis,
    is_announcement,
    is_question,
)
from cuepoint.features.moments.topics import border_strengths

METHOD = "transcript-signals-1"
WEIGHTS = {"topic": 0.30, "emphasis": 0.25, "density": 0.20, "question": 0.15, "pause": 0.10}
LATER_QUESTION = 0.6  # a question in the middle of a run, not at its start
LONG_PAUSE_MS = 1_500  # beyond the usual gap; speakers leave about this between two stories
NAMED_SIGNAL = 0.35  # a signal below it is not named in the reason
NAMED_SIGNALS = 3
TITLE_LENGTH = 60
# Ends that are tried for each start, evenly spread: bounds the work where the longest duration is minutes.
MAX_ENDS = 24


@dataclass(frozen=True)
class _Profile:
    """What each sentence contributes; gaps and borders have one entry more: before each sentence and after the last."""

    sentences: Sequence[Sentence]
    words: Sequence[Sequence[str]]
    emphasis: Sequence[float]
    announces: Sequence[bool]
    asks: Sequence[bool]
    pauses: NDArray[np.float64]
    borders: NDArray[np.float64]
    slow: float  # content words a second
    dense: float


@dataclass(frozen=True)
class _Run:
    first: int
    last: int
    signals: dict[str, float]
    score: float


class TranscriptScorer:
    """The `MomentFinder` of this module."""

    method = METHOD

    async def find(self, material: MomentMaterial, limits: MomentLimits) -> Sequence[MomentCandidate]:
        """In a thread: ten hours of speech take seconds."""
        return await asyncio.to_thread(find_moments, material, limits)


def find_moments(material: MomentMaterial, limits: MomentLimits) -> list[MomentCandidate]:
    """At most `count` moments, best first, none overlapping another; none for a transcript without sentences.

    Where no run fits between the durations, the one nearest to them is taken: a sentence is never cut.
    """
    if not material.sentences:
        return []
    profile = _profile(material)
    chosen: list[_Run] = []
    taken = np.zeros(len(profile.sentences), dtype=bool)
    for run in sorted(_runs(profile, limits), key=lambda run: (-run.score, run.first, run.last)):
        if len(chosen) == limits.count:
            break
        if not taken[run.first : run.last + 1].any():
            taken[run.first : run.last + 1] = True
            chosen.append(run)
    spread = Counter(word for words in profile.words for word in set(words))
    return [
        MomentCandidate(
            run.first, run.last, _title(profile, run, spread), _reason(profile, run), run.score, run.signals
        )
        for run in chosen
    ]


def _profile(material: MomentMaterial) -> _Profile:
    sentences = material.sentences
    words = [content_words(sentence.text) for sentence in sentences]
    gaps = [max(0, after.start_ms - before.end_ms) for before, after in pairwise(sentences)]
    usual = float(np.median(gaps)) if gaps else 0.0
    pauses = np.zeros(len(sentences) + 1)
    pauses[1:-1] = np.clip((np.asarray(gaps) - usual) / LONG_PAUSE_MS, 0, 1)
    rates = [
        len(set(found)) * 1000 / (sentence.end_ms - sentence.start_ms)
        for sentence, found in zip(sentences, words, strict=True)
    ]
    slow, dense = np.percentile(rates, [10, 90])
    return _Profile(
        sentences,
        words,
        [emphasis(sentence.text) for sentence in sentences],
        [is_announcement(sentence.text) for sentence in sentences],
        [is_question(sentence.text) for sentence in sentences],
        pauses,
        border_strengths(material, words),
        float(slow),
        float(dense),
    )


def _runs(profile: _Profile, limits: MomentLimits) -> Iterator[_Run]:
    spans = list(_spans(profile.sentences, limits.min_ms, limits.max_ms)) or [_nearest_span(profile.sentences, limits)]
    for first, last in spans:
        signals = {
            "topic": _topic(profile, first, last),
            "emphasis": _emphasis(profile, first, last),
            "density": _density(profile, first, last),
            "question": _question(profile, first, last),
            "pause": 0.6 * float(profile.pauses[first]) + 0.4 * float(profile.pauses[last + 1]),
        }
        signals = {name: round(value, 3) for name, value in signals.items()}
        score = sum(WEIGHTS[name] * value for name, value in signals.items())
        yield _Run(first, last, signals, round(score, 4))


def _spans(sentences: Sequence[Sentence], min_ms: int, max_ms: int) -> Iterator[tuple[int, int]]:
    for first, begin in enumerate(sentences):
        low = bisect_left(sentences, begin.start_ms + min_ms, lo=first, key=lambda sentence: sentence.end_ms)
        high = bisect_right(sentences, begin.start_ms + max_ms, lo=first, key=lambda sentence: sentence.end_ms)
        for last in range(low, high, max(1, -(-(high - low) // MAX_ENDS))):
            yield first, last


def _nearest_span(sentences: Sequence[Sentence], limits: MomentLimits) -> tuple[int, int]:
    """All of a transcript that is too short; else the shortest of sentences that are too long."""
    if sentences[-1].end_ms - sentences[0].start_ms < limits.min_ms:
        return 0, len(sentences) - 1
    shortest = min(range(len(sentences)), key=lambda index: sentences[index].end_ms - sentences[index].start_ms)
    return shortest, shortest


def _topic(profile: _Profile, first: int, last: int) -> float:
    inside = max((float(strength) for strength in profile.borders[first + 1 : last + 1]), default=0.0)
    around = (float(profile.borders[first]) + float(profile.borders[last + 1])) / 2
    return max(0.0, around - inside)


def _emphasis(profile: _Profile, first: int, last: int) -> float:
    end = last if last > first and profile.announces[last] else last + 1
    found = profile.emphasis[first:end]
    return 0.7 * max(found) + 0.3 * sum(found) / len(found)


def _density(profile: _Profile, first: int, last: int) -> float:
    if profile.dense <= profile.slow:  # all alike: nothing can be told apart
        return 0.0
    different = len({word for words in profile.words[first : last + 1] for word in words})
    spoken_ms = sum(s.end_ms - s.start_ms for s in profile.sentences[first : last + 1])
    return min(1.0, max(0.0, (different * 1000 / spoken_ms - profile.slow) / (profile.dense - profile.slow)))


def _question(profile: _Profile, first: int, last: int) -> float:
    if not any(profile.asks[first:last]):  # a question at the very end has no answer here
        return 0.0
    return 1.0 if profile.asks[first] else LATER_QUESTION


def _title(profile: _Profile, run: _Run, spread: Counter[str]) -> str:
    """The sentence with most of what is said here and not elsewhere, shortened at a word."""
    here = Counter(word for words in profile.words[run.first : run.last + 1] for word in words)
    count = len(profile.sentences)

    def weight(index: int) -> float:
        words = set(profile.words[index])
        told = sum(here[word] * math.log(1 + count / spread[word]) for word in words)
        plain = 0.5 if profile.asks[index] or profile.announces[index] else 1.0
        return plain * (1 + profile.emphasis[index]) * told / (len(words) + 3)

    best = max(range(run.first, run.last + 1), key=lambda index: (weight(index), -index))
    return shortened(profile.sentences[best].text)


def shortened(text: str) -> str:
    """The text without its final full stop, cut after a word where it is longer than a title may be."""
    text = text.strip().rstrip(".,;:")
    if len(text) <= TITLE_LENGTH:
        return text
    cut = text[: TITLE_LENGTH + 1].rfind(" ")
    return text[: cut if cut > 0 else TITLE_LENGTH].rstrip(" .,;:-–—") + "…"


def _reason(profile: _Profile, run: _Run) -> str:
    """One sentence that names the strongest signals, in order of their weight in the score."""
    strong = [name for name, value in run.signals.items() if value >= NAMED_SIGNAL]
    strong.sort(key=lambda name: -WEIGHTS[name] * run.signals[name])
    phrases = [_phrase(profile, run, name) for name in strong[:NAMED_SIGNALS]]
    if not phrases:
        return "The best of a transcript in which nothing stands out."
    text = phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
    return text[0].upper() + text[1:] + "."


def _phrase(profile: _Profile, run: _Run, name: str) -> str:
    texts = [sentence.text for sentence in profile.sentences[run.first : run.last + 1]]
    announced = next((phrase for text in texts if (phrase := announcing_phrase(text))), None)
    phrases = {
        "topic": "keeps to one subject",
        "density": "says much in little time",
        "question": "asks a question and goes on to the answer",
        "pause": f"is set apart by a pause of {_pause_ms(profile.sentences, run) / 1000:.1f} s",
        "emphasis": f"is stressed by “{announced.lower()}”" if announced else "is told with emphasis",
    }
    return phrases[name]


def _pause_ms(sentences: Sequence[Sentence], run: _Run) -> int:
    """The longer of the pauses before and after the run."""
    before = sentences[run.first].start_ms - sentences[run.first - 1].end_ms if run.first else 0
    is_end = run.last + 1 == len(sentences)
    after = 0 if is_end else sentences[run.last + 1].start_ms - sentences[run.last].end_ms
    return max(before, after)
