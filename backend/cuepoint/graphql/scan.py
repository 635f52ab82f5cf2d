"""A first look at an operation's text, before the parser: what is hopelessly large is refused in a millisecond.

This pass counts with one regular expression; what it lets through is weighed exactly by `limits` afterwards. But for
its own limits of characters, lines and spreads, it refuses nothing that would pass there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.graphql.limits import MAX_ALIASES, MAX_COMMENTS, MAX_DIRECTIVES, MAX_FIELDS, MAX_TOKENS

# Ten times the longest of the example operations, comments included; lexing this much takes 5 ms at worst.
MAX_CHARACTERS = 32_768
MAX_LINES = MAX_TOKENS + MAX_COMMENTS  # one for each; where an error stands is found by counting them
# Places where a fragment is spread, be it a named one: even an empty one costs 7 µs.
MAX_SPREADS = 300

# A string or comment is one match. Each alternative that can begin also ends, at the text's end if need be, and the
# possessive quantifiers never go back: the time is linear whatever the text.
_TOKEN = re.compile(
    r'"""[^"\\]*+(?:(?:\\(?:""")?|"(?!""))[^"\\]*+)*+(?:""")?|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?'
    r"|#[^\n\r]*+|[_A-Za-z][_0-9A-Za-z]*+"
    r"|-?[0-9][0-9.eE+-]*+|\.\.\.|[!$&()@:=\[\]{|}]"
)
_PAIRS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_NOT_A_FIELD = frozenset({"...", "@", "$", "on"})


def check_text(text: str) -> None:
    """Raise CuepointError QUERY_TOO_COSTLY for text that `limits` would refuse after parsing, if that is plain to see.

    A document of several operations is only held to its length and tokens: each of them is weighed by itself.
    """
    if len(text) > MAX_CHARACTERS:
        raise _too_costly(f"The operation has {len(text)} characters; at most {MAX_CHARACTERS} are allowed.")
    lines = 1 + text.count("\n") + text.count("\r")
    if lines > MAX_LINES:
        raise _too_costly(f"The operation has {lines} lines; at most {MAX_LINES} are allowed.")
    pieces = [piece for piece in _TOKEN.findall(text) if piece[0] != "#"]
    if len(pieces) > MAX_TOKENS:
        raise _too_costly(f"The operation has {len(pieces)} tokens; at most {MAX_TOKENS} are allowed.")
    spreads = pieces.count("...")
    if spreads > MAX_SPREADS:
        raise _too_costly(f"The operation spreads {spreads} fragments; at most {MAX_SPREADS} are allowed. Split it.")
    seen = _count(pieces)
    if seen.operations > 1:
        return
    for noun, count, limit in (
        ("aliases", seen.aliases, MAX_ALIASES),
        ("fields", seen.fields, MAX_FIELDS),
        ("directives", seen.directives, MAX_DIRECTIVES),
    ):
        if count > limit:
            raise _too_costly(f"The operation uses {count} {noun}; at most {limit} are allowed. Split it.")


def _too_costly(message: str) -> CuepointError:
    return CuepointError(ErrorCode.QUERY_TOO_COSTLY, message)


@dataclass
class _Seen:
    operations: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0


def _count(pieces: list[str]) -> _Seen:
    """What stands in selections: where braces are open, and no parenthesis or bracket is."""
    seen = _Seen()
    braces = others = 0
    before = ""
    for piece in pieces:
        if piece in _PAIRS:
            if piece in "{}":
                braces += _PAIRS[piece] if others == 0 else 0
                seen.operations += piece == "{" and braces == 1 and others == 0
            else:
                others += _PAIRS[piece]
        elif others == 0:
            if braces > 0:
                _note(seen, piece, before)
            elif piece == "fragment":
                seen.operations -= 1
        before = piece
    return seen


def _note(seen: _Seen, piece: str, before: str) -> None:
    if piece == ":":
        seen.aliases += 1
        seen.fields -= 1  # the name before it was no field
    elif piece == "@":
        seen.directives += 1
    elif before not in _NOT_A_FIELD and (piece[0] == "_" or piece[0].isalpha()):
        seen.fields += 1
