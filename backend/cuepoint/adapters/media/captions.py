"""Captions as an ASS file for libass: styles, safe areas, word highlighting; hostile text stays text.

What a transcript says is foreign: braces would begin override codes, a backslash an escape, a line break another line
of the file. Braces are escaped, a word joiner after a backslash takes its meaning, control characters are dropped.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from cuepoint.adapters.media.forms import (
    CaptionCue,
    CaptionForm,
    CaptionPosition,
    CaptionStyle,
)
from cuepoint.adapters.media.glyphs import Font, font_for, is_invisible

_WORD_JOINER = "\u2060"
_JOINERS = "\u200c\u200d"  # without them Arabic and Indic text is spelt wrong
# ASS colours are alpha, blue, green, red; alpha 0 is opaque.
_WHITE, _YELLOW, _BLACK, _SHADE = "&H00FFFFFF", "&H0000D7FF", "&H00000000", "&H40000000"
_ALIGNMENT = {CaptionPosition.BOTTOM: 2, CaptionPosition.MIDDLE: 5, CaptionPosition.TOP: 8}


@dataclass(frozen=True)
class SafeArea:
    """Shares of width and height that stay free of captions, and the size of the letters as a share of the height.

    Wide frames: EBU R 95 (graphics 5 % from the sides and edges). Upright frames: the apps that show them lay their
    buttons and texts over the lowest fifth, the uppermost eighth and the sides.
    """

    side: float
    top: float
    bottom: float
    letters: float


def safe_area(size: tuple[int, int]) -> SafeArea:
    """That of a frame of this size."""
    ratio = Fraction(*size)
    if ratio < Fraction(3, 4):
        return SafeArea(side=0.08, top=0.12, bottom=0.20, letters=0.05)
    if ratio <= Fraction(5, 4):
        return SafeArea(side=0.07, top=0.08, bottom=0.10, letters=0.06)
    return SafeArea(side=0.05, top=0.05, bottom=0.05, letters=0.07)


def line_em(size: tuple[int, int], style: CaptionStyle, font: Font) -> float:
    """How many em fit into a line of a frame of this size."""
    area = safe_area(size)
    return size[0] * (1 - 2 * area.side) / (_letters(size, style) * font.em)


def plain(text: str) -> str:
    """The text without what is not text: control characters, marks that turn the direction, line breaks."""
    shown = (" " if c.isspace() else c for c in text)
    return "".join(c for c in shown if unicodedata.category(c) not in {"Cc", "Cs", "Cf"} or c in _JOINERS)


def escaped(text: str) -> str:
    """Text in which libass finds no codes."""
    return plain(text).replace("\\", "\\" + _WORD_JOINER).replace("{", "\\{").replace("}", "\\}")


def to_ass(cues: Sequence[CaptionCue], form: CaptionForm, size: tuple[int, int], fonts: Sequence[Font]) -> str:
    """The whole file, for a frame of this size."""
    events = "".join(
        f"Dialogue: 0,{_time(cue.start_ms)},{_time(cue.end_ms)},Caption,,0,0,0,,{_text(cue, form, fonts)}\n"
        for cue in cues
        if cue.end_ms - cue.start_ms >= 10  # the format counts hundredths
    )
    return (
        "[Script Info]\nScriptType: v4.00+\n"
        f"PlayResX: {size[0]}\nPlayResY: {size[1]}\nWrapStyle: 2\nScaledBorderAndShadow: yes\nYCbCr Matrix: None\n\n"
        "[V4+ Styles]\n"
        "Format: Name,Fontname,Fontsize,PrimaryColour,SecondaryColour,OutlineColour,BackColour,Bold,Italic,Underline,"
        "StrikeOut,ScaleX,ScaleY,Spacing,Angle,BorderStyle,Outline,Shadow,Alignment,MarginL,MarginR,MarginV,Encoding\n"
        f"{_style(form, size, fonts[0])}\n\n"
        "[Events]\nFormat: Layer,Start,End,Style,Name,MarginL,MarginR,MarginV,Effect,Text\n"
        f"{events}"
    )


def _letters(size: tuple[int, int], style: CaptionStyle) -> float:
    return size[1] * safe_area(size).letters * (1.25 if style is CaptionStyle.BOLD else 1.0)


def _style(form: CaptionForm, size: tuple[int, int], font: Font) -> str:
    area = safe_area(size)
    letters = _letters(size, form.style)
    # A karaoke code paints from the secondary colour (not said yet) to the primary one (said).
    primary, secondary = (_YELLOW, _WHITE) if form.highlights_words else (_WHITE, _WHITE)
    is_box = form.style is CaptionStyle.BOX
    outline = letters * (0.18 if is_box else 0.07 if form.style is CaptionStyle.OUTLINE else 0.11)
    shadow = 0.0 if is_box else letters * 0.03
    margin = area.top if form.position is CaptionPosition.TOP else area.bottom
    back = _SHADE if is_box else _BLACK
    colours = f"{primary},{secondary},{back},{back}"
    place = f"{_ALIGNMENT[form.position]},{round(size[0] * area.side)},{round(size[0] * area.side)}"
    look = f"-1,0,0,0,100,100,0,0,{3 if is_box else 1},{outline:.2f},{shadow:.2f}"
    return f"Style: Caption,{font.family},{letters:.2f},{colours},{look},{place},{round(size[1] * margin)},1"


def _text(cue: CaptionCue, form: CaptionForm, fonts: Sequence[Font]) -> str:
    parts: list[str] = []
    at = round(cue.start_ms / 10)  # in hundredths: each code is added to the ones before, and so would its rounding be
    for number, line in enumerate(cue.lines):
        for place, word in enumerate(line):
            lead = "\\N" if place == 0 and number else "" if place == 0 else plain(word.lead)
            codes = ""
            if form.highlights_words:
                begin = max(at, round(word.start_ms / 10))
                end = max(begin + 1, round(word.end_ms / 10))
                codes = (f"{{\\k{begin - at}}}" if begin > at else "") + f"{{\\k{end - begin}}}"
                at = end
            parts.append(lead + codes + _in_fonts(word.text, fonts))
    return "".join(parts)


def _in_fonts(text: str, fonts: Sequence[Font]) -> str:
    """The text with a change of font where the first one lacks a character."""
    shown = plain(text)
    chosen = [_font_of(c, shown, fonts) for c in shown]
    runs = groupby(zip(shown, chosen, strict=True), key=lambda pair: pair[1].family)
    found = [(family, escaped("".join(c for c, _ in run))) for family, run in runs]
    return "".join(
        piece if family == fonts[0].family else f"{{\\fn{family}}}{piece}{{\\fn{fonts[0].family}}}"
        for family, piece in found
    )


def _font_of(character: str, word: str, fonts: Sequence[Font]) -> Font:
    """A joiner, or a sign that several fonts have, stays in the font of its word's letters."""
    if is_invisible(character) or not character.isalpha():
        letters = (font_for(c, fonts) for c in word if c.isalpha())
        near = next((font for font in letters if font is not None), None)
        if near is not None and near.has(character):
            return near
    return font_for(character, fonts) or fonts[0]


def _time(ms: int) -> str:
    hours, rest = divmod(round(ms / 10), 360_000)
    minutes, rest = divmod(rest, 6000)
    return f"{hours}:{minutes:02}:{rest // 100:02}.{rest % 100:02}"
