"""Captions that came with a video, SubRip or WebVTT, as segments of a transcript; without I/O.

What is read is what people see: text without markup, in the order of its times. Cues of the same moment are one; a cue
ends where the next one begins, after 30 s at the latest. What is not a cue with an end behind its start is left out, as
is one that is longer than any screen. Segments have no words: where each word is said, a caption does not tell.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from cuepoint.adapters.asr.base import AsrSegment
from cuepoint.features.transcripts.chunking import MAX_MS

FORMATS = ("vtt", "srt")
MAX_CUES = 20_000  # one a second for five hours and a half
MAX_CHARACTERS = 1_000  # a screen has two lines of 42
_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{3})"
_TIMES = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?!\d)", re.ASCII)
_MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")  # <i>, <v Ada>, <00:01.000>; {\an8}
_LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)


@dataclass(frozen=True)
class Captions:
    """What captions say, with the times of their file; `offset_ms` moves them to the media's, which end at
    `media_end_ms`. `language` is a tag, `origin` says for people whose they are."""

    cues: Sequence[AsrSegment]
    language: str
    origin: str
    offset_ms: int
    media_end_ms: int

    @property
    def iso_language(self) -> str | None:
        """The language as transcripts name it; None where the tag begins with no such code."""
        code = primary_language(self.language)
        return code if _LANGUAGE.fullmatch(code) else None


def primary_language(tag: str) -> str:
    """The language of a tag such as pt-BR or en_GB, without the variant."""
    return re.split("[-_.]", tag, maxsplit=1)[0].lower()


def read_cues(text: str) -> list[AsrSegment]:
    """The cues of a file, in order, none over another; empty for what is no file of captions."""
    cues: list[AsrSegment] = []
    for cue in sorted(_cues(text), key=lambda cue: cue.start_ms):
        if not cues or cue.start_ms != cues[-1].start_ms:
            cues.append(cue)
        elif len(cues[-1].text) + len(cue.text) < MAX_CHARACTERS:
            end_ms = max(cue.end_ms, cues[-1].end_ms)
            cues[-1] = replace(cues[-1], end_ms=end_ms, text=f"{cues[-1].text} {cue.text}")
    until = [after.start_ms for _, after in pairwise(cues)] + [cue.end_ms for cue in cues[-1:]]
    return [
        replace(cue, end_ms=min(cue.end_ms, end_ms, cue.start_ms + MAX_MS))
        for cue, end_ms in zip(cues, until, strict=True)
    ]


def _cues(text: str) -> Iterator[AsrSegment]:
    found = 0
    lines = iter(text.splitlines())
    for line in lines:
        times = _TIMES.match(line.strip())
        if times is None:
            continue
        said = " ".join(iter(lambda: next(lines, "").strip(), ""))
        start_ms, end_ms = _milliseconds(*times.groups()[:4]), _milliseconds(*times.groups()[4:])
        said = "" if len(said) > MAX_CHARACTERS else " ".join(html.unescape(_MARKUP.sub("", said)).split())
        if said and start_ms < end_ms and found < MAX_CUES:
            found += 1
            yield AsrSegment(start_ms, end_ms, said, (), avg_logprob=0.0, no_speech_prob=0.0, compression_ratio=1.0)


def _milliseconds(hours: str | None, minutes: str, seconds: str, thousandths: str) -> int:
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(thousandths)
