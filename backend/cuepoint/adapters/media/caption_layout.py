"""Sentences laid out as captions of at most two lines that fit the frame; pure.

Method: a sentence that is wider than two lines becomes several captions of about equal width, cut at pauses where there
are some; inside a caption the lines are filled in order. A caption stays until the next one where that follows soon,
else a little longer than its last word. A word wider than a line is cut into parts that share its time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat

from cuepoint.adapters.media.forms import CaptionCue, CaptionWord
from cuepoint.adapters.media.glyphs import Font, width_in_em

MAX_LINES = 2
_PAUSE_MS = 700  # text after it would be read before it is said
_LINGER_MS = 300  # a caption that goes with its last sound is felt to be cut off
_BRIDGE_MS = 500  # a gap shorter than this only flickers


def lay_out(
    sentences: Sequence[Sequence[CaptionWord]], em: float, fonts: Sequence[Font], ends_ms: Sequence[int] = ()
) -> list[CaptionCue]:
    """The captions, in order and without overlap; `em` is how wide a line may be, `ends_ms` when each sentence is gone
    at the latest."""
    groups = [
        (group, limit)
        for sentence, limit in zip(sentences, ends_ms or repeat(math.inf, len(sentences)), strict=True)
        for group in _groups(list(_parts(sentence, em, fonts)), em, fonts)
    ]
    starts: list[float] = [*(group[0][0].start_ms for group, _ in groups), math.inf]
    cues = []
    for (group, limit), following in zip(groups, starts[1:], strict=True):
        begin, end = group[0][0].start_ms, group[-1][-1].end_ms
        until = following if following - end < _BRIDGE_MS else end + _LINGER_MS
        cues.append(CaptionCue(begin, max(begin + 1, int(min(until, following, limit))), group))
    return cues


def _parts(words: Sequence[CaptionWord], em: float, fonts: Sequence[Font]) -> Iterator[CaptionWord]:
    for word in words:
        count = max(1, math.ceil(width_in_em(word.text, fonts) / em))
        size = math.ceil(len(word.text) / count) or 1
        length = word.end_ms - word.start_ms
        pieces = [word.text[at : at + size] for at in range(0, len(word.text), size)]
        for number, piece in enumerate(pieces):
            begin = word.start_ms + length * number // len(pieces)
            end = word.start_ms + length * (number + 1) // len(pieces)
            yield CaptionWord(piece, begin, end, word.lead if number == 0 else "")


def _groups(words: list[CaptionWord], em: float, fonts: Sequence[Font]) -> list[tuple[tuple[CaptionWord, ...], ...]]:
    """Captions of one sentence, each as its lines."""
    widths = [width_in_em(word.lead + word.text, fonts) for word in words]
    captions = max(1, math.ceil(sum(widths) / (MAX_LINES * em)))
    share = sum(widths) / captions
    found: list[list[list[CaptionWord]]] = []
    line_width = width = 0.0
    for word, own in zip(words, widths, strict=True):
        is_new = not found or width >= share or word.start_ms - found[-1][-1][-1].end_ms >= _PAUSE_MS
        if not is_new and line_width + own > em:
            is_new = len(found[-1]) == MAX_LINES
            if not is_new:
                found[-1].append([])
                line_width = 0.0
        if is_new:
            found.append([[]])
            line_width = width = 0.0
        found[-1][-1].append(word)
        line_width, width = line_width + own, width + own
    return [tuple(tuple(line) for line in caption) for caption in found]
