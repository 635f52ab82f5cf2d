"""The tokens of a text, found by one regular expression, where graphql-core's lexer takes a turn of a loop for each
character. It is asked only what is wrong with a text.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from functools import cached_property, lru_cache
from itertools import accumulate
from operator import add

from graphql import GraphQLError, GraphQLSyntaxError, Lexer, Source, SourceLocation, TokenKind
from graphql.language.block_string import dedent_block_string_lines

from cuepoint.db.base import is_storable
from cuepoint.graphql.limits import MAX_COMMENTS, MAX_TOKENS

NUMERIC = frozenset("-0123456789")  # how numbers begin
MAX_DIGITS = 400  # more than any float has; Python reads integers of 4,300, and fails at longer ones
_IGNORED = " \t\n\r,\ufeff"
# Possessive quantifiers never go back: the time is linear whatever the text. Surrogates are characters in pairs only.
_PAIR = "[\ud800-\udbff][\udc00-\udfff]"
_HEX = "[0-9A-Fa-f]"
_ESCAPE = (
    rf'\\(?:["\\/bfnrt]|u(?:[0-9A-CE-Fa-ce-f]{_HEX}|[Dd][0-7]){_HEX}{{2}}'
    rf"|u[Dd][89ABab]{_HEX}{{2}}\\u[Dd][C-Fc-f]{_HEX}{{2}}"
    rf"|u\{{(?={_HEX}{{1,8}}\}})0*+(?:10{_HEX}{{4}}|[1-9A-Fa-f]{_HEX}{{4}}|[1-9A-CE-Fa-ce-f]{_HEX}{{3}}"
    rf"|[Dd][0-7]{_HEX}{{2}}|{_HEX}{{0,3}})\}})"
)
_IN_STRING = rf'[^"\\\n\r\ud800-\udfff]*+(?:(?:{_ESCAPE}|{_PAIR})[^"\\\n\r\ud800-\udfff]*+)*+'
_IN_BLOCK = rf'[^"\\\ud800-\udfff]*+(?:(?:\\(?:""")?|"(?!"")|{_PAIR})[^"\\\ud800-\udfff]*+)*+'
_IN_COMMENT = rf"[^\n\r\ud800-\udfff]*+(?:{_PAIR}[^\n\r\ud800-\udfff]*+)*+"
_TOKEN = (
    r"(?:[_A-Za-z][_0-9A-Za-z]*+|[!$&():=@\[\]{|}]|\.\.\."
    r"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+(?![_0-9A-Za-z.])"
    rf'|"(?!""){_IN_STRING}"|"""{_IN_BLOCK}"""|\#{_IN_COMMENT})'
)
_PIECE = re.compile(rf"{_TOKEN}[{_IGNORED}]*+|[\s\S]++")  # and what is ignored behind it; or all from a wrong one on
_RIGHT = re.compile(_TOKEN)
_BRACED = re.compile(rf"((?<!\\)(?:\\\\)*)\\u\{{({_HEX}+)\}}")
_TOO_LONG = re.compile(rf"-?[0-9]{{{MAX_DIGITS}}}")
_LINE_END = re.compile(r"\r\n|\n|\r")


class Text(Source):
    """A source that finds the line of a position without a search from its beginning."""

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(end.end() for end in _LINE_END.finditer(self.body))]

    def get_location(self, position: int) -> SourceLocation:
        """Line and column of a character, from 1."""
        line = bisect_right(self._lines, position)
        return SourceLocation(line, position + 1 - self._lines[line - 1])


class Tokens:
    """What the tokens of a text are, where they start and where they end, without comments.

    They go as far as a text is right and within its limits. Behind them there is one more that is empty.
    """

    def __init__(self, source: Source) -> None:
        self._source, text = source, source.body
        self._limit: str | None = None
        self._has_odd_strings = "\\" in text or not is_storable(text)
        begin = len(text) - len(text.lstrip(_IGNORED))
        pieces: list[str] = _PIECE.findall(text, begin)
        starts = list(accumulate(map(len, pieces), initial=begin))
        if pieces and _RIGHT.match(text, starts[-2]) is None:
            del pieces[-1], starts[-1]
        if "#" in text:
            self._leave_out_comments(pieces, starts)
        if len(pieces) > MAX_TOKENS:
            self._limit = f"Document contains more than {MAX_TOKENS} tokens. Parsing aborted."
            del pieces[MAX_TOKENS:], starts[MAX_TOKENS + 1 :]
        self.texts = [*(piece.rstrip(_IGNORED) for piece in pieces), ""]
        self.starts = starts
        self.ends = list(map(add, starts, map(len, self.texts)))

    def _leave_out_comments(self, pieces: list[str], starts: list[int]) -> None:
        comments = [place for place, piece in enumerate(pieces) if piece[0] == "#"]
        if len(comments) > MAX_COMMENTS:
            self._limit = f"Document contains more than {MAX_COMMENTS} comments. Parsing aborted."
            end = comments[MAX_COMMENTS]
            del pieces[end:], starts[end + 1 :], comments[MAX_COMMENTS:]
        for place in reversed(comments):
            del pieces[place], starts[place]

    @property
    def are_all(self) -> bool:
        """Whether the text ends behind them."""
        return self._limit is None and self.starts[-1] == len(self._source.body)

    def value(self, at: int) -> str:
        """What a string says. Raises GraphQLError for one that Postgres cannot store."""
        text = self.texts[at]
        value = text[1:-1]
        if text.startswith('"""'):
            lines = _LINE_END.split(text[3:-3].replace('\\"""', '"""'))
            value = "\n".join(dedent_block_string_lines(lines))
        elif "\\" in text:
            parts = _BRACED.split(text)
            parts[2::3] = map(_as_json, parts[2::3])
            value = json.loads("".join(parts), strict=False)
        if self._has_odd_strings and not is_storable(value):
            raise GraphQLError("A string holds a null character or half of a surrogate pair.")
        return value

    def describe(self, at: int) -> str:
        """A token as errors name it. Raises GraphQLSyntaxError where there is a wrong one, or one too many."""
        text = self.texts[at]
        if not text:
            self._refuse_what_follows()
            return TokenKind.EOF.value
        if text[0] == '"':
            kind = TokenKind.BLOCK_STRING if text.startswith('"""') else TokenKind.STRING
            return f"{kind.value} '{self.value(at)}'"
        if text[0] in NUMERIC:
            return f"{(TokenKind.INT if is_whole(text) else TokenKind.FLOAT).value} '{text}'"
        return f"{TokenKind.NAME.value} '{text}'" if text.isidentifier() else f"'{text}'"

    def too_long(self, start: int) -> GraphQLSyntaxError:
        """The error for a number that begins there."""
        return GraphQLSyntaxError(self._source, start, f"Numbers have {MAX_DIGITS} characters at most.")

    def _refuse_what_follows(self) -> None:
        text, start = self._source.body, self.starts[-1]
        if self._limit is not None:
            raise GraphQLSyntaxError(self._source, start, self._limit)
        if _TOO_LONG.match(text, start):
            raise self.too_long(start)
        lexer = Lexer(self._source)
        for quotes, inside, read in (('"""', _IN_BLOCK, lexer.read_block_string), ('"', _IN_STRING, lexer.read_string)):
            right = re.compile(quotes + inside).match(text, start)
            if right is not None:
                read(right.end() - len(quotes))  # without what is right: it reads slowly
        lexer.read_next_token(start)


def is_whole(number: str) -> bool:
    """Whether a number has neither a fraction nor an exponent."""
    return number.lstrip("-").isdecimal()


@lru_cache(1_000)
def _as_json(number: str) -> str:
    """A character by its number, as JSON escapes it."""
    code = int(number, 16)
    return f"\\u{code:04x}" if code < 0x10000 else chr(code)
