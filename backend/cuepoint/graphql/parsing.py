"""graphql-core's parser, with the common tokens read by one regular expression: that halves what parsing costs.

Trees, tokens, positions and errors are graphql-core's own, as is the reading of whatever is less common.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from graphql import (
    DocumentNode,
    FieldNode,
    FloatValueNode,
    GraphQLSyntaxError,
    IntValueNode,
    Lexer,
    NameNode,
    Source,
    StringValueNode,
    Token,
    TokenKind,
    ValueNode,
)
from graphql.language.parser import Parser, nested_too_deeply_error

from cuepoint.graphql.limits import MAX_COMMENTS, MAX_TOKENS

T = TypeVar("T")
# What is ignored, then a name, a punctuator, a whole number, another number or a string without escapes.
_NEXT = re.compile(
    r"[\n\t ,\ufeff]*+(?:([_A-Za-z][_0-9A-Za-z]*+)|([!$&():=@\[\]{|}]|\.\.\.)"
    r"|(-?(?:0|[1-9][0-9]*+)(?![_0-9A-Za-z.]))"
    r"|(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++(?:[eE][+-]?[0-9]++)?|[eE][+-]?[0-9]++)(?![_0-9A-Za-z.]))"
    r'|"(?!"")([^"\\\n\r\ud800-\udfff]*+)")'
)
_PUNCTUATORS = {kind.value: kind for kind in TokenKind}
# Asking the enum for its members is a third of what a token costs.
_AT, _BRACE_L, _COLON, _COMMENT, _EOF = map(TokenKind.__getitem__, ("AT", "BRACE_L", "COLON", "COMMENT", "EOF"))
_INT, _NAME, _PAREN_L, _STRING = map(TokenKind.__getitem__, ("INT", "NAME", "PAREN_L", "STRING"))
_VALUES: dict[TokenKind, Callable[..., Any]] = {
    _INT: IntValueNode,
    TokenKind.FLOAT: FloatValueNode,
    _STRING: partial(StringValueNode, block=False),
}
_KINDS = (None, _NAME, None, _INT, TokenKind.FLOAT, _STRING)  # by the group of the expression


def parse_document(text: str) -> DocumentNode:
    """The tree of a document. Raises GraphQLSyntaxError for what is none, nests too deeply or exceeds a limit."""
    source = Source(text)
    parser = _Parser(source, lexer=_Lexer(source), max_comments=MAX_COMMENTS)
    try:
        return parser.parse_document()
    except RecursionError:
        pass
    raise nested_too_deeply_error(parser)


class _Lexer(Lexer):
    """Reads common tokens without graphql-core's functions, and joins them forwards only: trees are no cycles then."""

    def read(self, last: Token) -> Token | None:
        """The token behind the last one, joined to it; None if it is not common."""
        body = self.source.body
        match = _NEXT.match(body, last.end)
        if match is None:
            return None
        group = match.lastindex or 0
        value: str | None = match[group]
        kind = _KINDS[group]
        start, end = match.span(group)
        if kind is None:
            kind, value = _PUNCTUATORS[value or ""], None
        elif kind is _STRING:
            start, end = start - 1, end + 1
        if start != last.end and "\n" in (gap := body[last.end : start]):
            self.line += gap.count("\n")
            self.line_start = last.end + gap.rindex("\n") + 1
        token = Token(kind, start, end, self.line, 1 + start - self.line_start, value)
        last.next = token
        return token


class _Parser(Parser):
    """The most frequent steps, in fewer calls. Comments are counted by the lexer."""

    _lexer: _Lexer

    def advance_lexer(self) -> None:
        """Go on to the next token that is no comment. Raises GraphQLSyntaxError for one too many."""
        lexer = self._lexer
        last = lexer.last_token = lexer.token
        token = last.next or lexer.read(last)
        if token is None or token.kind is _COMMENT:
            token = lexer.lookahead()
        lexer.token = token
        if token.kind is _EOF:
            return
        self._token_counter += 1
        if self._token_counter > MAX_TOKENS:
            message = f"Document contains more than {MAX_TOKENS} tokens. Parsing aborted."
            raise GraphQLSyntaxError(lexer.source, token.start, message)

    def any(self, open_kind: TokenKind, parse_fn: Callable[[], T], close_kind: TokenKind) -> tuple[T, ...]:
        """Nodes between two tokens, possibly none."""
        self.expect_token(open_kind)
        lexer, nodes = self._lexer, []
        while lexer.token.kind is not close_kind:
            nodes.append(parse_fn())
        self.advance_lexer()
        return tuple(nodes)

    def parse_name(self) -> NameNode:
        """Name"""
        token = self._lexer.token
        if token.kind is not _NAME:
            return super().parse_name()
        self.advance_lexer()
        return NameNode(value=token.value or "", loc=self.loc(token))

    def parse_value_literal(self, is_const: bool) -> ValueNode:
        """Value: of which strings and numbers make the longest lists"""
        token = self._lexer.token
        kind = _VALUES.get(token.kind)
        if kind is None:
            return super().parse_value_literal(is_const)
        self.advance_lexer()
        node: ValueNode = kind(value=token.value or "", loc=self.loc(token))
        return node

    def parse_field(self) -> FieldNode:
        """Field: Alias? Name Arguments? Directives? SelectionSet?"""
        lexer = self._lexer
        start, alias, name = lexer.token, None, self.parse_name()
        if lexer.token.kind is _COLON:
            self.advance_lexer()
            alias, name = name, self.parse_name()
        return FieldNode(
            alias=alias,
            name=name,
            arguments=self.parse_arguments(False) if lexer.token.kind is _PAREN_L else None,
            directives=self.parse_directives(False) if lexer.token.kind is _AT else None,
            selection_set=self.parse_selection_set() if lexer.token.kind is _BRACE_L else None,
            loc=self.loc(start),
        )
