"""A parser of executable documents: graphql-core's trees in a third of its time.

Nodes, places and errors are its own, but that places name no tokens, for which nothing asks, and that a definition of
types is refused where it begins, in the words of the validation that would refuse it in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DefinitionNode,
    DirectiveNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    Location,
    NamedTypeNode,
    NameNode,
    Node,
    NonNullTypeNode,
    NullValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    TokenKind,
    TypeNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
)
from graphql.language.parser import MAX_NESTING_DEPTH

from cuepoint.errors import ErrorCode
from cuepoint.graphql.limits import MAX_FRAGMENTS, LimitExceededError
from cuepoint.graphql.tokens import MAX_DIGITS, NUMERIC, Text, Tokens, is_whole

N = TypeVar("N", bound=Node)

_OPERATIONS = {"{": OperationType.QUERY, **{one.value: one for one in OperationType}}
_TYPES = frozenset({"schema", "scalar", "type", "interface", "union", "enum", "input", "directive", "extend"})
_BOOLEANS = frozenset({"true", "false"})
_new = object.__new__


def parse_document(text: str) -> DocumentNode:
    """The tree of a document. Raises GraphQLError for one that cannot run, nests too deeply or exceeds a limit."""
    return _Parser(text).document()


def _node(kind: type[N], **fields: Any) -> N:
    """A node, without a call for each of its fields."""
    node = _new(kind)
    node.__dict__.update(fields)
    return node


class _Parser:
    """Each method reads what it is named for, from the token at `_at` on, and leaves `_at` behind it."""

    def __init__(self, text: str) -> None:
        self._source = Text(text)
        self._tokens = tokens = Tokens(self._source)
        self._texts, self._starts, self._ends = tokens.texts, tokens.starts, tokens.ends
        self._at = self._depth = 0

    def document(self) -> DocumentNode:
        """The whole text."""
        definitions = [self._definition()]
        while self._texts[self._at] or not self._tokens.are_all:
            if len(definitions) == MAX_FRAGMENTS:
                message = f"A document may have {MAX_FRAGMENTS} operations and fragments."
                raise LimitExceededError(ErrorCode.QUERY_TOO_COSTLY, message)
            definitions.append(self._definition())
        loc = _new(Location)
        loc.start, loc.end, loc.source = 0, len(self._source.body), self._source
        document = DocumentNode(definitions=tuple(definitions), loc=loc)
        object.__setattr__(document, "token_count", self._at)
        return document

    def _definition(self) -> DefinitionNode:
        first, description = self._at, self._description()
        word = self._texts[self._at]
        if word in _OPERATIONS and (word != "{" or description is None):
            return self._operation(first, description)
        if word == "fragment":
            return self._fragment_definition(first, description)
        if word in _TYPES and (word != "extend" or description is None):
            raise self._not_executable(first)
        if description is not None and (word == "{" or word.isidentifier()):
            why = "descriptions are not supported on shorthand queries"
            raise self._error(
                f"Unexpected description, {why if word == '{' else 'only GraphQL definitions support descriptions'}.",
                first,
            )
        raise self._unexpected()

    def _not_executable(self, first: int) -> GraphQLError:
        self._at += self._texts[self._at] == "extend"
        name = kind = self._texts[self._at]
        if kind not in _TYPES or kind == "extend":
            return self._unexpected()
        self._at += 1
        if kind == "directive":
            self._expect("@")
        if kind != "schema":
            name = f"'{self._name().value}'"
        message = f"The {name} definition is not executable."
        return GraphQLError(message, source=self._source, positions=[self._starts[first]])

    def _description(self) -> StringValueNode | None:
        return self._string() if self._texts[self._at].startswith('"') else None

    def _operation(self, first: int, description: StringValueNode | None) -> OperationDefinitionNode:
        word, name, variables, directives = self._texts[self._at], None, None, None
        if word != "{":
            self._at += 1
            name = self._name() if self._texts[self._at].isidentifier() else None
            variables = self._parenthesised(self._variable_definition)
            directives = self._directives()
        return OperationDefinitionNode(
            operation=_OPERATIONS[word],
            description=description,
            name=name,
            variable_definitions=variables,
            directives=directives,
            selection_set=self._selection_set(),
            loc=self._loc(first),
        )

    def _variable_definition(self) -> VariableDefinitionNode:
        first, description, variable = self._at, self._description(), self._variable()
        self._expect(":")
        kind, default = self._type(), None
        if self._texts[self._at] == "=":
            self._at += 1
            default = self._value(is_const=True)
        return _node(
            VariableDefinitionNode,
            description=description,
            variable=variable,
            type=kind,
            default_value=default,
            directives=self._directives(is_const=True),
            loc=self._loc(first),
        )

    def _type(self) -> TypeNode:
        first = self._at
        kind: TypeNode
        if self._texts[first] == "[":
            self._at += 1
            self._go_deeper()
            inner = self._type()
            self._depth -= 1
            self._expect("]")
            kind = _node(ListTypeNode, type=inner, loc=self._loc(first))
        else:
            kind = self._named_type()
        if self._texts[self._at] == "!":
            self._at += 1
            kind = _node(NonNullTypeNode, type=kind, loc=self._loc(first))
        return kind

    def _named_type(self) -> NamedTypeNode:
        name = self._name()
        return _node(NamedTypeNode, name=name, loc=name.loc)

    def _fragment_definition(self, first: int, description: StringValueNode | None) -> FragmentDefinitionNode:
        self._at += 1
        if self._texts[self._at] == "on":
            raise self._unexpected()
        name = self._name()
        if self._texts[self._at] != "on":
            raise self._missing("'on'")
        self._at += 1
        return FragmentDefinitionNode(
            description=description,
            name=name,
            variable_definitions=(),
            type_condition=self._named_type(),
            directives=self._directives(),
            selection_set=self._selection_set(),
            loc=self._loc(first),
        )

    def _selection_set(self) -> SelectionSetNode:
        self._go_deeper()
        first, texts = self._at, self._texts
        self._expect("{")
        selections: list[SelectionNode] = []
        while (text := texts[self._at]) != "}":
            selections.append(self._fragment() if text == "..." else self._field())
        self._at += 1
        self._depth -= 1
        return _node(SelectionSetNode, selections=tuple(selections), loc=self._loc(first))

    def _field(self) -> FieldNode:
        first, texts, name = self._at, self._texts, self._name()
        node = _new(FieldNode)
        fields = node.__dict__
        if texts[self._at] == ":":
            self._at += 1
            fields["alias"], name = name, self._name()
        fields["name"] = name
        if texts[self._at] == "(":
            fields["arguments"] = self._arguments()
        if texts[self._at] == "@":
            fields["directives"] = self._directives()
        if texts[self._at] == "{":
            fields["selection_set"] = self._selection_set()
        fields["loc"] = name.loc if self._at == first + 1 else self._loc(first)
        return node

    def _fragment(self) -> FragmentSpreadNode | InlineFragmentNode:
        first = self._at
        self._at += 1
        word = self._texts[self._at]
        if word != "on" and word.isidentifier():
            return _node(FragmentSpreadNode, name=self._name(), directives=self._directives(), loc=self._loc(first))
        self._at += word == "on"
        return _node(
            InlineFragmentNode,
            type_condition=self._named_type() if word == "on" else None,
            directives=self._directives(),
            selection_set=self._selection_set(),
            loc=self._loc(first),
        )

    def _directives(self, *, is_const: bool = False) -> tuple[DirectiveNode, ...] | None:
        directives = []
        while self._texts[self._at] == "@":
            first = self._at
            self._at += 1
            name, arguments = self._name(), self._arguments(is_const=is_const)
            directives.append(_node(DirectiveNode, name=name, arguments=arguments, loc=self._loc(first)))
        return tuple(directives) or None

    def _arguments(self, *, is_const: bool = False) -> tuple[ArgumentNode, ...] | None:
        return self._parenthesised(lambda: self._pair(ArgumentNode, is_const=is_const))

    def _parenthesised(self, read: Callable[[], N]) -> tuple[N, ...] | None:
        """One or more between parentheses, if there are parentheses."""
        if self._texts[self._at] != "(":
            return None
        self._at += 1
        nodes = [read()]
        while self._texts[self._at] != ")":
            nodes.append(read())
        self._at += 1
        return tuple(nodes)

    def _pair(self, kind: type[N], *, is_const: bool) -> N:
        """An argument or a field of an object: a name and its value."""
        first, name = self._at, self._name()
        self._expect(":")
        return _node(kind, name=name, value=self._value(is_const=is_const), loc=self._loc(first))

    def _value(self, *, is_const: bool) -> ValueNode:
        text = self._texts[self._at]
        first = text[:1]
        if first == '"':
            return self._string()
        if first in NUMERIC:
            if len(text) > MAX_DIGITS:
                raise self._tokens.too_long(self._starts[self._at])
            return self._leaf(IntValueNode if is_whole(text) else FloatValueNode, text)
        if text.isidentifier():
            return self._leaf(BooleanValueNode, text == "true") if text in _BOOLEANS else self._word(text)
        if text == "[":
            return self._list(is_const=is_const)
        if text == "{":
            return self._object(is_const=is_const)
        if text == "$":
            return self._variable(is_const=is_const)
        raise self._unexpected()

    def _word(self, text: str) -> EnumValueNode | NullValueNode:
        if text != "null":
            return self._leaf(EnumValueNode, text)
        self._at += 1
        return NullValueNode(loc=self._loc(self._at - 1))

    def _string(self) -> StringValueNode:
        at = self._at
        node = self._leaf(StringValueNode, self._tokens.value(at))
        node.__dict__["block"] = self._texts[at].startswith('"""')
        return node

    def _list(self, *, is_const: bool) -> ListValueNode:
        self._go_deeper()
        first, texts, values = self._at, self._texts, []
        self._at += 1
        while texts[self._at] != "]":
            values.append(self._value(is_const=is_const))
        self._at += 1
        self._depth -= 1
        return _node(ListValueNode, values=tuple(values), loc=self._loc(first))

    def _object(self, *, is_const: bool) -> ObjectValueNode:
        self._go_deeper()
        first, texts, fields = self._at, self._texts, []
        self._at += 1
        while texts[self._at] != "}":
            fields.append(self._pair(ObjectFieldNode, is_const=is_const))
        self._at += 1
        self._depth -= 1
        return _node(ObjectValueNode, fields=tuple(fields), loc=self._loc(first))

    def _variable(self, *, is_const: bool = False) -> VariableNode:
        first = self._at
        self._expect("$")
        if is_const:
            name = self._texts[self._at]
            if not name.isidentifier():
                self._tokens.describe(self._at)
                raise self._error("Unexpected '$'.", first)
            raise self._error(f"Unexpected variable '${name}' in constant value.", first)
        return _node(VariableNode, name=self._name(), loc=self._loc(first))

    def _name(self) -> NameNode:
        text = self._texts[self._at]
        if not text.isidentifier():
            raise self._missing(TokenKind.NAME.value)
        return self._leaf(NameNode, text)

    def _leaf(self, kind: type[N], value: Any) -> N:
        """A node of one token."""
        at = self._at
        self._at = at + 1
        loc = _new(Location)
        loc.start, loc.end, loc.source = self._starts[at], self._ends[at], self._source
        node = _new(kind)
        fields = node.__dict__
        fields["value"], fields["loc"] = value, loc
        return node

    def _loc(self, first: int) -> Location:
        """From a token to the one before `_at`."""
        loc = _new(Location)
        loc.start, loc.end, loc.source = self._starts[first], self._ends[self._at - 1], self._source
        return loc

    def _expect(self, text: str) -> None:
        if self._texts[self._at] != text:
            raise self._missing(f"'{text}'")
        self._at += 1

    def _go_deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING_DEPTH:
            self._tokens.describe(self._at)
            raise self._error("Document is nested too deeply. Parsing aborted.", self._at)

    def _missing(self, what: str) -> GraphQLSyntaxError:
        return self._error(f"Expected {what}, found {self._tokens.describe(self._at)}.", self._at)

    def _unexpected(self) -> GraphQLSyntaxError:
        return self._error(f"Unexpected {self._tokens.describe(self._at)}.", self._at)

    def _error(self, message: str, at: int) -> GraphQLSyntaxError:
        return GraphQLSyntaxError(self._source, self._starts[at], message)
