"""The layout of captions: timed words in, cues of at most two lines out; without I/O.

Method: dynamic programming over the words. A cue costs a little by itself, more for white space it leaves (which
balances the cues of a long sentence), for a sentence's end or a long pause inside it, and for being shown too short;
a border costs nothing after a sentence, little after a clause or in a pause, most between two words. Each cue has its
words' own times: only its end is put off, where there is room, until it has been shown long enough to be read.

What holds: cues are in order, last 1 ms or more, and never overlap; lines hold 42 characters or fewer; no cue is longer
than 7 s. A cue is shorter than 0.8 s only where the next word follows too soon and does not fit into it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cuepoint.features.transcripts.chunking import is_clause_end, is_sentence_end
from cuepoint.features.transcripts.words import Word, joined

# Two lines of 42 characters and 7 s are the common limits of broadcasters; below 0.8 s a cue only flashes.
MAX_CHARACTERS_PER_LINE = 42
MAX_LINES = 2
MIN_MS = 800
MAX_MS = 7_000
PAUSE_MS = 300  # a pause of this length is as good a border as a comma
LONG_PAUSE_MS = 1_000  # text after it would be read long before it is said

_CUE_COST = 0.2
_WHITE_SPACE_COST = 0.5
_INNER_SENTENCE_COST = 1.2
_INNER_PAUSE_COST = 2.0
_TOO_SHORT_COST = 3.0
_CLAUSE_BORDER_COST = 1.0
_WORD_BORDER_COST = 3.0


@dataclass(frozen=True)
class Cue:
    """A caption: one or two lines, shown in `[start_ms, end_ms)`."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


def lay_out(words: Iterable[Word], *, media_end_ms: int | None = None) -> list[Cue]:
    """The captions of a transcript; none goes beyond the end of the media where that is known."""
    pieces = [piece for word in words for piece in _line_sized(word)]
    cost = [0.0] + [math.inf] * len(pieces)
    begin = [0] * (len(pieces) + 1)
    for start in range(len(pieces)):
        for end, own_cost in _candidates(pieces, start):
            if cost[start] + own_cost < cost[end]:
                cost[end], begin[end] = cost[start] + own_cost, start
    cues: list[Cue] = []
    end = len(pieces)
    while end:
        cues.append(_cue(pieces, begin[end], end, media_end_ms))
        end = begin[end]
    return cues[::-1]


def _line_sized(word: Word) -> list[Word]:
    """The word, or its parts where it is longer than a line; each part has its share of the time."""
    parts = math.ceil(len(word.text) / MAX_CHARACTERS_PER_LINE)
    parts = min(parts, word.end_ms - word.start_ms)
    if parts <= 1:
        return [Word(word.text[:MAX_CHARACTERS_PER_LINE], word.start_ms, word.end_ms, word.lead)]
    size = math.ceil(len(word.text) / parts)
    duration = word.end_ms - word.start_ms
    return [
        Word(
            text=word.text[index * size : (index + 1) * size][:MAX_CHARACTERS_PER_LINE],
            start_ms=word.start_ms + duration * index // parts,
            end_ms=word.start_ms + duration * (index + 1) // parts,
            lead=word.lead if index == 0 else "",
        )
        for index in range(parts)
        if word.text[index * size :]
    ]


def _candidates(pieces: Sequence[Word], start: int) -> Iterable[tuple[int, float]]:
    """Every cue that begins with piece `start` and fits: the index after its last piece, and its cost with the border
    that follows it."""
    line, column, characters = 1, 0, 0
    inner = 0.0
    for index in range(start, len(pieces)):
        piece = pieces[index]
        lead = len(piece.lead) if column else 0
        if column + lead + len(piece.text) > MAX_CHARACTERS_PER_LINE:
            line, column, lead = line + 1, 0, 0
        column += lead + len(piece.text)
        characters += lead + len(piece.text)
        if index > start:
            if line > MAX_LINES or piece.end_ms - pieces[start].start_ms > MAX_MS:
                return
            inner += _inner_cost(pieces[index - 1], piece)
        space = 1 - characters / (MAX_LINES * MAX_CHARACTERS_PER_LINE)
        missing = 1 - (_shown_until(pieces, start, index + 1, None) - pieces[start].start_ms) / MIN_MS
        short = _TOO_SHORT_COST * (1 + missing) if missing > 0 else 0.0
        yield (
            index + 1,
            _CUE_COST + _WHITE_SPACE_COST * space**2 + inner + short + _border_cost(pieces, index + 1),
        )


def _inner_cost(before: Word, after: Word) -> float:
    cost = _INNER_SENTENCE_COST if is_sentence_end(before.text) else 0.0
    return cost + (_INNER_PAUSE_COST if after.start_ms - before.end_ms >= LONG_PAUSE_MS else 0.0)


def _border_cost(pieces: Sequence[Word], index: int) -> float:
    """What it costs to begin a cue with piece `index`."""
    if index == len(pieces) or is_sentence_end(pieces[index - 1].text):
        return 0.0
    pause_ms = pieces[index].start_ms - pieces[index - 1].end_ms
    if is_clause_end(pieces[index - 1].text) or pause_ms >= PAUSE_MS:
        return _CLAUSE_BORDER_COST
    return _WORD_BORDER_COST


def _shown_until(pieces: Sequence[Word], start: int, end: int, media_end_ms: int | None) -> int:
    """End of the cue of pieces `start` to `end`: its last word's, later where it would be too short to read."""
    begin = pieces[start].start_ms
    until = min(max(pieces[end - 1].end_ms, begin + MIN_MS), begin + MAX_MS)
    if end < len(pieces):
        until = min(until, pieces[end].start_ms)
    if media_end_ms is not None:
        until = min(until, media_end_ms)
    return max(until, begin + 1)


def _cue(pieces: Sequence[Word], start: int, end: int, media_end_ms: int | None) -> Cue:
    return Cue(
        start_ms=pieces[start].start_ms,
        end_ms=_shown_until(pieces, start, end, media_end_ms),
        lines=_lines(pieces[start:end]),
    )


def _lines(words: Sequence[Word]) -> tuple[str, ...]:
    """One line where the text fits; else two, cut after punctuation if that leaves them about equally long."""
    whole = joined(words)
    if len(whole) <= MAX_CHARACTERS_PER_LINE:
        return (whole,)
    choices: list[tuple[int, tuple[str, ...]]] = []
    for cut in range(1, len(words)):
        lines = joined(words[:cut]), joined(words[cut:])
        if max(map(len, lines)) <= MAX_CHARACTERS_PER_LINE:
            text = words[cut - 1].text
            bonus = MAX_CHARACTERS_PER_LINE // 3 if is_sentence_end(text) or is_clause_end(text) else 0
            choices.append((abs(len(lines[0]) - len(lines[1])) - bonus, lines))
    return min(choices)[1]
