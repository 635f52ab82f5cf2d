"""Passages, the unit of retrieval: cut at sentences and pauses, with ids that follow from their content; without I/O.

Method: words are grouped into sentences (closing punctuation, or a topic pause); a sentence longer than a passage may
be is cut at its best inner borders; then the cheapest division of all sentences into passages is found by dynamic
programming. A passage costs the more the further its number of words is from the ideal, a border without a pause costs
a little, and a topic pause inside a passage costs as much as a passage of a third of the ideal length. So borders fall
into pauses, and a lone "Thank you." joins its neighbours. Passages do not overlap: one place in the video is one hit.

Limits: what a sentence is depends on the recogniser's punctuation. An abbreviation that is not in the list ends a
sentence too early, which allows a border there and does no other harm.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID, uuid5

from cuepoint.features.transcripts.models import TranscriptSegment
from cuepoint.features.transcripts.words import Word, joined, timed_words

# Vectors of bags of words blur with length (the card of static-en: 15 to 60 words). On its development passages, said
# one after the other, recall@1 of paraphrases is 65 % at 18 and 62 % at 35 words, of misspelt queries 95 % and 89 %.
IDEAL_WORDS = 18
MAX_WORDS = 60
MAX_MS = 30_000  # one hit should not be longer than a person is ready to watch to check it
TOPIC_PAUSE_MS = 1_200  # speakers leave about 0.4 s between sentences and 1.5 s between topics
TOPIC_PAUSE_COST = math.log(3) ** 2
BORDER_COST = 0.1  # enough to choose between divisions of about equal length, not to change the length
CLAUSE_BONUS_MS = 600  # inside a long sentence a comma is worth a pause of this length
WORD_CACHE = 8192  # a layout asks about each word some twenty times, and most words of a text come again

_CLOSERS = "\"'”’»)]}」』"
_OPENERS = "\"'“‘«([{「『"
_SENTENCE_END = re.compile(r"[.!?…。！？｡؟।]$")
_CLAUSE_END = re.compile(r"[,;:–—、，；：،]$")
_ABBREVIATION = re.compile(r"^(?:[A-Z]|[A-Za-z](?:\.[A-Za-z])+|Mr|Mrs|Ms|Dr|Prof|St|Mt|vs|etc|approx|Jr|Sr)\.$")


@dataclass(frozen=True)
class Chunk:
    """A passage, `[start_ms, end_ms)` from its first word to its last on the media's time line."""

    start_ms: int
    end_ms: int
    text: str


def chunk_segments(segments: Iterable[TranscriptSegment]) -> list[Chunk]:
    """The passages of a transcript, in order; every word is in exactly one."""
    parts = [part for sentence in split_sentences(timed_words(segments)) for part in _fitting(sentence)]
    return [_chunk([word for part in parts[start:end] for word in part]) for start, end in _division(parts)]


def chunk_ids(video_id: UUID, chunks: Sequence[Chunk]) -> list[UUID]:
    """The id of each passage: the same text in the same video has the same id, its second occurrence another one."""
    seen: Counter[str] = Counter()
    ids: list[UUID] = []
    for chunk in chunks:
        seen[chunk.text] += 1
        digest = hashlib.sha256(chunk.text.encode()).hexdigest()
        ids.append(uuid5(video_id, f"{digest}:{seen[chunk.text]}"))
    return ids


def split_sentences(words: Iterable[Word]) -> list[list[Word]]:
    """Words grouped into sentences: up to closing punctuation, or to a topic pause."""
    sentences: list[list[Word]] = []
    for word in words:
        if not sentences or _ends(sentences[-1][-1], word):
            sentences.append([word])
        else:
            sentences[-1].append(word)
    return sentences


@lru_cache(maxsize=WORD_CACHE)
def is_sentence_end(text: str) -> bool:
    """Whether a word with its punctuation closes a sentence."""
    bare = text.rstrip(_CLOSERS)
    return _SENTENCE_END.search(bare) is not None and _ABBREVIATION.match(bare.lstrip(_OPENERS)) is None


@lru_cache(maxsize=WORD_CACHE)
def is_clause_end(text: str) -> bool:
    """Whether a word ends in a comma or the like."""
    return _CLAUSE_END.search(text.rstrip(_CLOSERS)) is not None


def _ends(word: Word, following: Word) -> bool:
    return is_sentence_end(word.text) or following.start_ms - word.end_ms >= TOPIC_PAUSE_MS


def _chunk(words: Sequence[Word]) -> Chunk:
    return Chunk(words[0].start_ms, words[-1].end_ms, joined(words))


def _fits(words: Sequence[Word]) -> bool:
    return len(words) <= MAX_WORDS and words[-1].end_ms - words[0].start_ms <= MAX_MS


def _fitting(sentence: list[Word]) -> list[list[Word]]:
    """The sentence, or its parts where it is longer than a passage may be; a single word is never cut."""
    if _fits(sentence) or len(sentence) == 1:
        return [sentence]
    quarter = len(sentence) // 4
    borders = range(max(1, quarter), len(sentence) - quarter)

    def strength(border: int) -> tuple[int, int]:
        pause = sentence[border].start_ms - sentence[border - 1].end_ms
        bonus = CLAUSE_BONUS_MS if is_clause_end(sentence[border - 1].text) else 0
        return pause + bonus, -abs(2 * border - len(sentence))

    cut = max(borders, key=strength)
    return _fitting(sentence[:cut]) + _fitting(sentence[cut:])


def _division(parts: Sequence[Sequence[Word]]) -> list[tuple[int, int]]:
    """The cheapest division of the parts into passages, as ranges of indexes."""
    cost = [0.0] + [math.inf] * len(parts)
    begin = [0] * (len(parts) + 1)
    for end in range(1, len(parts) + 1):
        for start, own_cost in _candidates(parts, end):
            total = cost[start] + own_cost
            if total < cost[end]:
                cost[end], begin[end] = total, start
    ranges: list[tuple[int, int]] = []
    end = len(parts)
    while end:
        ranges.append((begin[end], end))
        end = begin[end]
    return ranges[::-1]


def _candidates(parts: Sequence[Sequence[Word]], end: int) -> Iterable[tuple[int, float]]:
    """Every passage that ends before part `end` and is not too long: its first part and its cost."""
    words = 0
    pauses = 0.0
    for start in range(end - 1, -1, -1):
        words += len(parts[start])
        if start < end - 1:
            duration_ms = parts[end - 1][-1].end_ms - parts[start][0].start_ms
            if words > MAX_WORDS or duration_ms > MAX_MS:
                return
            if _pause_ms(parts, start + 1) >= TOPIC_PAUSE_MS:
                pauses += TOPIC_PAUSE_COST
        yield start, math.log(words / IDEAL_WORDS) ** 2 + pauses + _border_cost(parts, start)


def _border_cost(parts: Sequence[Sequence[Word]], start: int) -> float:
    if start == 0:
        return 0.0
    return BORDER_COST * (1 - min(_pause_ms(parts, start), TOPIC_PAUSE_MS) / TOPIC_PAUSE_MS)


def _pause_ms(parts: Sequence[Sequence[Word]], start: int) -> int:
    return max(0, parts[start][0].start_ms - parts[start - 1][-1].end_ms)
