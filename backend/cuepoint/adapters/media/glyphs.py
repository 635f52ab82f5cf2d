"""Which fonts captions can be drawn with, and which characters none of them has: known before a picture is rendered."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cuepoint.errors import CuepointError, ErrorCode

BUNDLED_FONTS = Path(__file__).parent / "fonts"
_FIRST = "NotoSans-Bold.ttf"  # drawn with wherever it has the character
_SUFFIXES = (".ttf", ".otf")
_NAMED = 12  # characters that a message names


@dataclass(frozen=True)
class Font:
    """A font file: the family that libass knows it by, its characters, and their widths in em.

    `em` is the em as a share of the line height that libass is told (it counts the ascent and descent of Windows).
    """

    path: Path
    family: str
    characters: frozenset[int] = field(repr=False)
    em: float
    widths: dict[int, float] = field(repr=False, hash=False)

    def has(self, character: str) -> bool:
        """Whether it can draw the character, or need not."""
        return ord(character) in self.characters or is_invisible(character)


def is_invisible(character: str) -> bool:
    """Whether nothing is drawn for it: spaces, joiners, and marks of direction."""
    return character.isspace() or unicodedata.category(character) in {"Cf", "Cc", "Zs"} or "︀" <= character <= "️"


@cache
def fonts_in(directory: Path | None = None) -> tuple[Font, ...]:
    """The bundled fonts, the one for Latin, Greek and Cyrillic first; then those of the directory, by name."""
    bundled = sorted(BUNDLED_FONTS.glob("*.ttf"), key=lambda path: (path.name != _FIRST, path.name))
    further = sorted(p for p in directory.iterdir() if p.suffix.lower() in _SUFFIXES) if directory is not None else []
    return tuple(_read(path) for path in [*bundled, *further])


def _read(path: Path) -> Font:
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with path.open("rb") as file, TTFont(file, lazy=True) as font:
            names = font.getBestCmap()
            upem, metrics, os2 = font["head"].unitsPerEm, font["hmtx"], font["OS/2"]
            return Font(
                path=path,
                family=str(font["name"].getDebugName(1)),
                characters=frozenset(names),
                em=upem / max(1, os2.usWinAscent + os2.usWinDescent),
                widths={code: metrics[name][0] / upem for code, name in names.items()},
            )
    except (TTLibError, KeyError) as error:
        raise CuepointError(
            ErrorCode.MISCONFIGURED,
            f"The font {path.name} of CUEPOINT_CAPTION_FONTS cannot be read; remove it or replace it.",
        ) from error


def font_for(character: str, fonts: Sequence[Font]) -> Font | None:
    """The first font that has the character."""
    return next((font for font in fonts if font.has(character)), None)


def check_glyphs(texts: Iterable[str], fonts: Sequence[Font]) -> None:
    """Raises FONT_MISSING_GLYPHS that names the characters no font has."""
    missing = [c for c in dict.fromkeys("".join(texts)) if font_for(c, fonts) is None]
    if missing:
        named = ", ".join(f"{c} (U+{ord(c):04X})" for c in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise CuepointError(
            ErrorCode.FONT_MISSING_GLYPHS,
            f"No caption font has {named}{more}. Put a font that does into the directory of CUEPOINT_CAPTION_FONTS, or "
            "ask for captions as SIDECAR or EMBED, which need no font.",
        )


def width_in_em(text: str, fonts: Sequence[Font]) -> float:
    """How wide a line is, in em of its fonts; kerning and ligatures, which make it narrower, are left out."""
    width = 0.0
    for character in text:
        font = font_for(character, fonts) or fonts[0]
        width += font.widths.get(ord(character), 0.0 if is_invisible(character) and character != " " else 1.0)
    return width
