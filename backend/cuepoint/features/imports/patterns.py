"""Patterns of file names: `*` and `?` within a folder, `**` across folders, letter case ignored; pure.

A name is read once, character by character, with the set of places in the pattern that could be meant so far. That
takes time in proportion to pattern times name at worst, where a regular expression could be made to take for ever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cuepoint.errors import BadInputError

MAX_PATTERN = 200
_SIGN = re.compile(r"\*\*/|\*\*|.", re.DOTALL)
_SKIPPED = frozenset({"**/", "**", "*"})  # may stand for nothing

Place = tuple[int, bool]  # a sign of the pattern, and whether some of what it stands for has been read


@dataclass(frozen=True)
class Pattern:
    """A pattern, ready to be compared with names."""

    signs: tuple[str, ...]

    def matches(self, name: str) -> bool:
        """Whether the whole name is what the pattern means."""
        places = self._reached({(0, False)})
        for character in name.casefold():
            places = self._reached({after for place in places for after in self._after(place, character)})
            if not places:
                return False
        return (len(self.signs), False) in places

    def _reached(self, places: set[Place]) -> set[Place]:
        """These places, and those behind signs that may stand for nothing more."""
        found = set(places)
        for index, is_inside in places:
            behind = index
            while behind < len(self.signs) and self.signs[behind] in _SKIPPED:
                if self.signs[behind] == "**/" and is_inside and behind == index:
                    break  # it ends at a slash only
                behind += 1
                found.add((behind, False))
        return found

    def _after(self, place: Place, character: str) -> list[Place]:
        index, _ = place
        if index == len(self.signs):
            return []
        sign = self.signs[index]
        if sign == "**/":
            return [(index, True), (index + 1, False)] if character == "/" else [(index, True)]
        if sign == "**" or (sign == "*" and character != "/"):
            return [(index, True)]
        return [(index + 1, False)] if sign == character or (sign == "?" and character != "/") else []


def compile_pattern(text: str) -> Pattern:
    """The pattern. Raises BadInputError."""
    if not 1 <= len(text) <= MAX_PATTERN or not text.isprintable():
        raise BadInputError(f"The pattern must have 1 to {MAX_PATTERN} characters.", field=("pattern",))
    return Pattern(tuple(_SIGN.findall(text.casefold())))
