"""The words of a clip's captions, with the times of the clip: a stretch of a transcript, or several in a row; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from cuepoint.adapters.media.forms import CaptionMode, CaptionText, CaptionWord
from cuepoint.features.clips.spans import Range
from cuepoint.features.transcripts.chunking import split_sentences
from cuepoint.features.transcripts.cues import lay_out
from cuepoint.features.transcripts.subtitles import to_srt, to_vtt
from cuepoint.features.transcripts.words import Word


@dataclass(frozen=True)
class Stretch:
    """`[start_ms, end_ms)` of a transcript begins at `at_ms` of the clip."""

    words: Sequence[Word]
    start_ms: int
    end_ms: int
    at_ms: int

    @property
    def until_ms(self) -> int:
        """When it ends in the clip."""
        return self.at_ms + self.end_ms - self.start_ms


def stretches(words: Sequence[Word], ranges: Sequence[Range], begins_ms: Sequence[int] = ()) -> list[Stretch]:
    """Ranges of one transcript that begin in the clip at these times; without them each where the one before ends."""
    ends = accumulate(end_ms - start_ms for start_ms, end_ms in ranges)
    return [Stretch(words, *cut, at_ms) for cut, at_ms in zip(ranges, begins_ms or (0, *ends), strict=False)]


def said_in(parts: Iterable[Stretch]) -> list[Word]:
    """The words of which the greater part is heard, with the times of the clip."""
    said: list[Word] = []
    for part in parts:
        shift = part.at_ms - part.start_ms
        for word in part.words:
            start, end = max(word.start_ms, part.start_ms), min(word.end_ms, part.end_ms)
            if end - start > 0 and (end - start) * 2 >= word.end_ms - word.start_ms:
                said.append(Word(word.text, start + shift, end + shift, word.lead))
    return said


def caption_text(scenes: Iterable[tuple[Sequence[Word], int]], mode: CaptionMode) -> CaptionText:
    """What the renderer needs, of the words of each scene and when it ends. No caption goes on from one scene into the
    next: they need not belong together."""
    if mode is CaptionMode.EMBED:
        cues = [cue for words, end_ms in scenes for cue in lay_out(words, media_end_ms=end_ms)]
        return CaptionText(vtt=to_vtt(cues) if cues else "")
    sentences = [(sentence, end_ms) for words, end_ms in scenes if words for sentence in split_sentences(words)]
    return CaptionText(
        sentences=tuple(
            tuple(CaptionWord(word.text, word.start_ms, word.end_ms, word.lead) for word in sentence)
            for sentence, _ in sentences
        ),
        ends_ms=tuple(end_ms for _, end_ms in sentences),
    )


def caption_files(words: Sequence[Word], duration_ms: int) -> tuple[str, str]:
    """The same as SubRip and as WebVTT."""
    cues = lay_out(words, media_end_ms=duration_ms)
    return to_srt(cues), to_vtt(cues)
