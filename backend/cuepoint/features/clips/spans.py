"""Where to cut, by what is said: words found, borders moved to words or sentences, silences left out; pure.

Times are milliseconds on the media's time line, ranges half-open. A silence that is left out means that nobody speaks:
a stretch between two words of the transcript, music as well. One that a border is moved into is quiet indeed.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from cuepoint.features.transcripts.chunking import split_sentences
from cuepoint.features.transcripts.words import Word

Range = tuple[int, int]

MIN_CLIP_MS = 100
MAX_CLIP_MS = 3600 * 1000  # an hour: longer cuts are renditions, not clips
# How far a border may go for a silence or out of black: recognisers place words to about 0.2 s, the map of sound to
# 50 ms, and pauses between sentences last 0.3 s and more. So it reaches the pause beside a word, and not the next one.
BORDER_MS = 300
_EDGE_MS = 50  # a silence is known to that


class ClipSnap(Enum):
    """What the borders of a clip are moved to. Values are the names clients see."""

    NONE = "NONE"
    WORD = "WORD"
    SENTENCE = "SENTENCE"


@dataclass(frozen=True)
class Maps:
    """Where it is quiet, and where the screen is black, in media of this length; empty where nobody has looked."""

    silences: Sequence[Range] = ()
    black: Sequence[Range] = ()
    length_ms: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to move a border by."""
        return not self.silences and not self.black


@dataclass(frozen=True)
class SilenceRule:
    """Silences of `min_silence_ms` or more are left out but for `margin_ms` beside the words around them."""

    min_silence_ms: int = 700
    margin_ms: int = 150


@dataclass(frozen=True)
class AutoRule:
    """Pieces of about `length_ms` that overlap by `overlap_ms`, at most `max_clips` and at least `min_clips`."""

    length_ms: int = 30_000
    overlap_ms: int = 2_000
    max_clips: int = 10
    min_clips: int = 1
    respects_sentences: bool = True


def normalized(text: str) -> list[str]:
    """Words as they are compared: letters and digits alone, without case, width or accents' forms."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (c if unicodedata.category(c)[0] in "LNM" else " " if c.isspace() else "" for c in folded)
    return "".join(kept).split()


def find_text(words: Sequence[Word], text: str) -> list[Range]:
    """Every place where these words are said in this order, first word to last; places do not overlap."""
    wanted = "".join(normalized(text))
    pieces = ["".join(normalized(word.text)) for word in words]
    if not wanted:
        return []
    starts: list[int] = []  # where each word begins in the text without spaces
    length = 0
    for piece in pieces:
        starts.append(length)
        length += len(piece)
    said = "".join(pieces)
    first_at = {start: index for index, start in reversed(list(enumerate(starts))) if pieces[index]}
    last_at = {starts[index] + len(pieces[index]): index for index in range(len(pieces)) if pieces[index]}
    found: list[Range] = []
    at = said.find(wanted)
    while at >= 0:
        first, last = first_at.get(at), last_at.get(at + len(wanted))
        if first is not None and last is not None:  # whole words: "art" is not found in "party"
            found.append((words[first].start_ms, words[last].end_ms))
        at = said.find(wanted, at + (len(wanted) if first is not None and last is not None else 1))
    return found


def snapped(words: Sequence[Word], start_ms: int, end_ms: int, snap: ClipSnap) -> Range:
    """The range grown to whole words or sentences: what it touches is inside it. Without speech it stays."""
    if snap is ClipSnap.NONE:
        return start_ms, end_ms
    groups = [[word] for word in words] if snap is ClipSnap.WORD else split_sentences(words)
    touched = [g for g in groups if g[0].start_ms < end_ms and g[-1].end_ms > start_ms]
    if not touched:
        return start_ms, end_ms
    first, last = touched[0][0].start_ms, touched[-1][-1].end_ms
    if snap is ClipSnap.WORD:  # a border in a pause stays where it is
        return min(start_ms, first), max(end_ms, last)
    return first, last


def settled(words: Sequence[Word], maps: Maps, start_ms: int, end_ms: int) -> Range:
    """The range with each border in a silence beside it, and not in black; never across a word, and by no more than
    `BORDER_MS`. A border stays that has no such place, or lies inside a word."""
    if maps.is_empty:
        return start_ms, end_ms
    start = _settled(words, maps, start_ms, is_start=True)
    end = _settled(words, maps, end_ms, is_start=False)
    return (start, end) if MIN_CLIP_MS <= end - start <= MAX_CLIP_MS else (start_ms, end_ms)


def _settled(words: Sequence[Word], maps: Maps, at: int, *, is_start: bool) -> int:
    following = bisect_left(words, at, key=lambda word: word.start_ms)
    before = words[following - 1].end_ms if following else 0
    if before > at:
        return at
    behind = words[following].start_ms if following < len(words) else maps.length_ms
    low, high = max(before, at - BORDER_MS), min(behind, at + BORDER_MS)
    for first, until in maps.black:  # a clip does not begin before it ends, nor end behind where it begins
        if is_start:
            low, high = (max(low, until), high) if first <= at else (low, min(high, first - 1))
        else:
            low, high = (low, min(high, first)) if at <= until else (max(low, until + 1), high)
    if low > high:
        return at
    inside = [(max(low, first + _EDGE_MS), min(high, until - _EDGE_MS)) for first, until in maps.silences]
    places = [(first, last) for first, last in inside if first <= last] or [(low, high)]
    return min((min(max(at, first), last) for first, last in places), key=lambda place: abs(place - at))


def without_silences(words: Sequence[Word], start_ms: int, end_ms: int, rule: SilenceRule) -> list[Range]:
    """What is left of the range; empty where nobody speaks in it."""
    kept: list[list[int]] = []
    for word in words:
        if word.start_ms >= end_ms or word.end_ms <= start_ms:
            continue
        if kept and word.start_ms - kept[-1][1] < rule.min_silence_ms:
            kept[-1][1] = max(kept[-1][1], word.end_ms)
        else:
            kept.append([word.start_ms, word.end_ms])
    grown: list[list[int]] = []
    for first, last in kept:
        begin, end = max(start_ms, first - rule.margin_ms), min(end_ms, last + rule.margin_ms)
        if grown and begin <= grown[-1][1]:
            grown[-1][1] = end
        else:
            grown.append([begin, end])
    return [(begin, end) for begin, end in grown]


def divided(words: Sequence[Word], duration_ms: int, rule: AutoRule) -> list[Range]:
    """Pieces of the whole media in order, no longer than 1.5 times their length; sentences stay whole where they can.

    A piece ends with the end of a sentence that is nearest to its length, and the next one begins with the first
    sentence from `overlap_ms` before that on. A sentence that is too long for that goes on in the next piece. Without
    speech, pieces are as long as asked.
    """
    sentences = [(s[0].start_ms, s[-1].end_ms) for s in split_sentences(words)] if rule.respects_sentences else []
    longest = min(rule.length_ms * 3 // 2, MAX_CLIP_MS)
    pieces: list[Range] = []
    at = sentences[0][0] if sentences else 0
    while at < duration_ms and len(pieces) < rule.max_clips:
        limit = min(at + rule.length_ms, duration_ms)
        inside = [end for _, end in sentences if at + rule.length_ms // 2 <= end <= at + longest]
        end = min(min(inside, key=lambda e: abs(e - limit)), duration_ms) if inside else limit
        pieces.append((at, end))
        following = end - rule.overlap_ms
        if sentences and not any(begin < end < last for begin, last in sentences):
            later = [begin for begin, _ in sentences if begin >= following and begin > at]
            if not later:
                break
            following = later[0]
        if following <= at or end >= duration_ms:
            break
        at = following
    return pieces
