"""graphql-core's rules in one walk that asks each rule about the kinds of nodes that it looks at, and no others.

graphql-core asks all of its rules about each node, names included, and looks nodes up by a hash of all that is below
them: two thirds of what a validation costs. The rules, their order and their errors are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from graphql import (
    SKIP,
    ASTValidationRule,
    DocumentNode,
    FieldsOnCorrectTypeRule,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    KnownTypeNamesRule,
    Node,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    SelectionSetNode,
    TypeInfo,
    ValidationContext,
    ValuesOfCorrectTypeRule,
    Visitor,
    specified_rules,
)
from graphql.pyutils import RefMap
from graphql.validation.rules.unique_argument_names import UniqueArgumentNamesRule
from graphql.validation.rules.unique_directives_per_location import UniqueDirectivesPerLocationRule
from graphql.validation.validate import (
    FragmentNestingVisitor,
    ValidationAbortedError,
    query_document_keys_to_validate,
)
from graphql.validation.validation_context import VariableUsage, VariableUsageVisitor
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from cuepoint.graphql.plain_nodes import OverlappingFields, ValuesOfCorrectType, is_plain, leaves_of
from cuepoint.graphql.suggestions import FieldsOnCorrectType, KnownTypeNames

_OURS: dict[type[ASTValidationRule], type[ASTValidationRule]] = {
    FieldsOnCorrectTypeRule: FieldsOnCorrectType,
    KnownTypeNamesRule: KnownTypeNames,
    OverlappingFieldsCanBeMergedRule: OverlappingFields,
    ValuesOfCorrectTypeRule: ValuesOfCorrectType,
}
RULES: tuple[type[ASTValidationRule], ...] = (
    *(_OURS.get(rule, rule) for rule in specified_rules),
    MaybeNullValidationRule,
    OneOfInputValidationRule,
)
MAX_CHARACTERS = 4_096  # of messages: each error of an input object prints all of it
# Tokens or lines, twice those of introspection: of a longer document the first error is told, and no other looked for.
LONG = 500
_NO_MORE = "There may be more validation errors. Validation aborted."
_TOO_MANY = "Too many validation errors, error limit reached. Validation aborted."
_NAMES = frozenset({"name", "alias"})  # keys of nodes that no rule looks at
# These look at nothing else of a node.
_LOOKS_AT: dict[type[Visitor], str] = {
    UniqueArgumentNamesRule: "arguments",
    UniqueDirectivesPerLocationRule: "directives",
}

Method = Callable[..., Any]
Methods = tuple[tuple[int, Method, str | None], ...]  # with the rule's place, and what of a node it looks at


def validate(
    schema: GraphQLSchema,
    document: DocumentNode,
    rules: Sequence[type[ASTValidationRule]],
    *,
    max_errors: int,
    hide_suggestions: Any,
) -> list[GraphQLError]:
    """The errors of a document, as graphql-core's function of that name tells them."""
    errors: list[GraphQLError] = []
    is_long = document.token_count > LONG or _lines(document) > LONG

    def note(error: GraphQLError) -> None:
        if len(errors) >= max_errors:
            raise ValidationAbortedError(_TOO_MANY)
        if error.original_error is None:
            error.__traceback__ = None  # keeps the frames of the walk, which keep the whole tree
        errors.append(error)
        if is_long or sum(len(one.message) for one in errors) > MAX_CHARACTERS:
            raise ValidationAbortedError(_NO_MORE)

    context = _Context(schema, document, TypeInfo(schema), note, hide_suggestions)
    visitors: list[Visitor] = [rule(context) for rule in rules]
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    if fragments:
        visitors.insert(0, FragmentNestingVisitor(fragments))
    try:
        _Walk(visitors, context.type_info).walk(document, None, [])
    except ValidationAbortedError as error:
        error.__context__ = None
        errors.append(error.with_traceback(None))
    except RecursionError:
        errors.append(ValidationAbortedError("Validation aborted."))
    return errors


def _lines(document: DocumentNode) -> int:
    """How many there are: an error with two places looks for both from the beginning."""
    text = "" if document.loc is None else document.loc.source.body
    return max(text.count("\n"), text.count("\r"))


class _Context(ValidationContext):
    """graphql-core's, which looks nodes up by themselves."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, *more: Any) -> None:
        super().__init__(schema, document, *more)
        self.type_info: TypeInfo = more[0]
        maps: dict[str, RefMap[Any, Any]] = {
            name: RefMap() for name in ("_fragment_spreads", "_variable_usages", "_recursive_variable_usages")
        }
        self.__dict__.update(maps)

    def get_variable_usages(self, node: OperationDefinitionNode | FragmentDefinitionNode) -> list[VariableUsage]:
        """Where the node's own selections use variables."""
        usages: list[VariableUsage] | None = self._variable_usages.get(node)
        if usages is None:
            fragment = node if isinstance(node, FragmentDefinitionNode) else None
            visitor = VariableUsageVisitor(self.type_info, fragment)
            if _uses_variables(node):
                _Walk([visitor], self.type_info).walk(node, None, [])
            usages = self._variable_usages[node] = visitor.usages
        return usages


def _uses_variables(node: OperationDefinitionNode | FragmentDefinitionNode) -> bool:
    """Whether it has more dollar signs than it defines variables."""
    location = node.loc
    defined = len(node.variable_definitions or ())
    return location is None or location.source.body.count("$", location.start, location.end) > defined


class _Way(NamedTuple):
    """Who looks at nodes of one kind when they are entered and when they are left, and what is below them."""

    enters: Methods
    leaves: Methods
    keys: tuple[str, ...]
    enter_type: Method | None
    leave_type: Method | None
    only: int | None  # the place of the one rule that looks at them, of values


class _Walk:
    """One walk of some visitors over a document, as `visit` of a TypeInfoVisitor of a ParallelVisitor.

    Rules are told the node, its parent and its ancestors; of its key and path none wants to know.
    """

    def __init__(self, visitors: Sequence[Visitor], type_info: TypeInfo) -> None:
        self._visitors = visitors
        self._classes = tuple(map(type, visitors))
        self._ways = _ways(self._classes)
        self._types = type_info
        self._skips = [False] * len(visitors)

    def walk(self, node: Node, parent: Any, ancestors: list[Any]) -> None:
        """Visit a node and what is below it."""
        way = self._way(type(node))
        if way.only is not None and self._skips[way.only]:
            return
        if way.enter_type is not None:
            way.enter_type(self._types, node)
        skipped = self._visit(way.enters, node, parent, ancestors) if way.enters else ()
        if way.keys:
            self._walk_below(way.keys, node, ancestors if parent is None else [*ancestors, parent])
        left = self._visit(way.leaves, node, parent, ancestors) if way.leaves else ()
        for place in (*skipped, *left):
            self._skips[place] = False
        if way.leave_type is not None:
            way.leave_type(self._types)

    def _walk_below(self, keys: Sequence[str], node: Node, ancestors: list[Any]) -> None:
        for key in keys:
            child = getattr(node, key)
            if child.__class__ is tuple:
                around = [*ancestors, node]
                leaves = leaves_of(self._types.get_parent_type()) if isinstance(node, SelectionSetNode) else None
                for item in child if key != "values" or self._wants(set(map(type, child))) else ():
                    if leaves is None or not is_plain(item, leaves):
                        self.walk(item, child, around)
            elif child is not None:
                self.walk(child, node, ancestors)

    def _way(self, kind: type[Node]) -> _Way:
        return self._ways.get(kind) or self._ways.setdefault(kind, _way(self._classes, kind))

    def _wants(self, kinds: Iterable[type[Node]]) -> bool:
        """Whether somebody looks at one of these: of literals a list may hold thousands."""
        ways = map(self._way, kinds)
        return not all(self._skips[way.only] if way.only is not None else not any(way[:5]) for way in ways)

    def _visit(self, methods: Methods, node: Node, parent: Any, ancestors: list[Any]) -> Sequence[int]:
        """Call the methods of rules that do not skip the node; places of those that skip what is below it."""
        skips, visitors = self._skips, self._visitors
        skipped: list[int] = []
        for place, method, attribute in methods:
            if not skips[place] and (attribute is None or getattr(node, attribute)):
                result = method(visitors[place], node, None, parent, None, ancestors)
                if result is not None:
                    skips[place] = True
                    if result is SKIP or result is False:
                        skipped.append(place)
        return skipped


@cache
def _ways(_classes: tuple[type[Visitor], ...]) -> dict[type[Node], _Way]:
    """What is known of these rules by now."""
    return {}


def _way(classes: tuple[type[Visitor], ...], kind: type[Node]) -> _Way:
    name = kind.kind
    keys = tuple(key for key in query_document_keys_to_validate.get(name, ()) if key not in _NAMES)
    enters, leaves = _methods(classes, kind, "enter"), _methods(classes, kind, "leave")
    types = [getattr(TypeInfo, f"{when}_{name}", None) for when in ("enter", "leave")]
    is_value = len(enters) == 1 and not any((leaves, keys, *types))
    return _Way(enters, leaves, keys, types[0], types[1], enters[0][0] if is_value else None)


def _methods(classes: Sequence[type[Visitor]], kind: type[Node], when: str) -> Methods:
    found = []
    for place, one in enumerate(classes):
        attribute = _LOOKS_AT.get(one)
        method = getattr(one, f"{when}_{kind.kind}", None) or getattr(one, when, None)
        if method is not None and (attribute is None or attribute in kind.__dataclass_fields__):
            found.append((place, method, attribute))
    return tuple(found)
