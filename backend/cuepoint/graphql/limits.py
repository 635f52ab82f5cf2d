"""Limits of an operation, checked in one memoised pass before validation, so that a refusal costs next to nothing.

Each fragment is walked once, whatever the number of its spreads: expanding them without a memo, as depth limiters
commonly do, doubles the work with each fragment and is itself a denial of service. A selection set is summed up as
`Weight`; its cost is linear in the size of the page around it, which only the enclosing field knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
)

from cuepoint.errors import ErrorCode
from cuepoint.graphql.connections import DEFAULT_FIRST
from cuepoint.graphql.list_sizes import PLAIN_LIST, is_list, page_argument, weight_of

# Values that served in measurements: the widest real operations stay at a third of them.
MAX_TOKENS = 2_000
MAX_COMMENTS = 500
MAX_DEPTH = 12
MAX_FIELDS = 400
MAX_ALIASES = 30
MAX_ROOT_FIELDS = 20
MAX_DIRECTIVES = 40
MAX_FRAGMENTS = 100
# Each operation is weighed and validated with the fragments that it reaches: 5 µs for each.
MAX_SHARED = 400
# Validation compares each pair of selections with the same response key, and what lies below them: 0.4 µs for a pair of
# leaves, 28 µs for one of small objects. Each pair counts as often as it has fields.
MAX_REPEATS = 2_000
MAX_COST = 20_000
# GraphiQL's own introspection nests 15 deep; cycles in it are stopped by graphql-core's introspection rule.
MAX_INTROSPECTION_DEPTH = 20

# `first` counts for no more than the largest page of any list: beyond it the field refuses by itself.
MAX_LIST = 500


@dataclass(slots=True)
class Weight:
    """What a selection set asks for. Its cost is `cost + size * per_item` on a page of `size` items."""

    width: int = 0
    depth: int = 0
    introspection_depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    repeats: int = 0
    cost: int = 0
    per_item: int = 0
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)  # response key: (how often, its fields)

    @property
    def total_cost(self) -> int:
        """Points of the whole operation: what stands on no page counts as a short list."""
        return self.cost + PLAIN_LIST * self.per_item

    def add(self, other: Weight) -> None:
        """Another selection, side by side with this one."""
        self.width += other.width
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.repeats += other.repeats
        self.cost += other.cost
        self.per_item += other.per_item

    def select(self, key: str, times: int, size: int) -> None:
        """`key`, with `size` fields in it, is selected so many times more."""
        before, largest = self.keys.get(key, (0, 0))
        largest = max(size, largest)
        self.repeats += before * times * largest
        self.keys[key] = (before + times, largest)


INTROSPECTION_FIELDS = frozenset({"__schema", "__type"})


class _Facts(NamedTuple):
    """What of a field's definition enters a cost."""

    weight: int
    kind: GraphQLNamedType
    is_list: bool
    page_argument: str | None


_FACTS = "cuepoint-facts"


def _facts_of(field: GraphQLField) -> _Facts:
    facts: _Facts | None = field.extensions.get(_FACTS)
    if facts is None:
        facts = _Facts(weight_of(field), get_named_type(field.type), is_list(field.type), page_argument(field))
        field.extensions[_FACTS] = facts
    return facts


class LimitExceededError(GraphQLError):
    """An operation that asks for more than one request may."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message, extensions={"code": code.value})


def check_weights(weights: dict[str, Weight]) -> None:
    """Raise LimitExceededError if one of the operations exceeds a limit."""
    for weight in weights.values():
        _compare(weight)


def weigh_document(schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any]) -> dict[str, Weight]:
    """What each operation asks for, by its name; one without a name, or the only one, also as "". `check_variables`
    came before.

    Raises LimitExceededError for too many pairs of operations and fragments.
    """
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if len(operations) * len(fragments) > MAX_SHARED:
        raise LimitExceededError(
            ErrorCode.QUERY_TOO_COSTLY,
            f"The document has {len(operations)} operations and {len(fragments)} fragments; "
            f"at most {MAX_SHARED} pairs of one and the other are allowed. Split it.",
        )
    weights: dict[str, Weight] = {}
    for operation in operations:
        scale = _Scale(schema, fragments, operation, variables)
        weight = scale.weigh(operation.selection_set, schema.get_root_type(operation.operation))
        weights[operation.name.value if operation.name else ""] = weight
    if len(weights) == 1:
        weights[""] = next(iter(weights.values()))
    return weights


def size_variables(document: DocumentNode) -> tuple[str, ...]:
    """Names of the variables whose values the cost of the document's operations can hang on."""
    arguments = {"first", "ids", "input"}
    names: set[str] = set()
    pending: list[Any] = list(document.definitions)
    while pending:
        node = pending.pop()
        selections = getattr(node, "selection_set", None)
        if selections is not None:
            pending.extend(selections.selections)
        for argument in getattr(node, "arguments", None) or ():
            if argument.name.value in arguments:
                names.update(_variables_in(argument.value))
    return tuple(sorted(names))


def _variables_in(value: ValueNode) -> Iterator[str]:
    if isinstance(value, VariableNode):
        yield value.name.value
    elif isinstance(value, ObjectValueNode):
        for member in value.fields:
            yield from _variables_in(member.value)


def _compare(weight: Weight) -> None:
    deep, costly = ErrorCode.QUERY_TOO_DEEP, ErrorCode.QUERY_TOO_COSTLY
    checks = (
        (deep, "nests", weight.depth, MAX_DEPTH, "levels"),
        (deep, "nests", weight.introspection_depth, MAX_INTROSPECTION_DEPTH, "levels of introspection"),
        (costly, "selects", weight.fields, MAX_FIELDS, "fields"),
        (costly, "uses", weight.aliases, MAX_ALIASES, "aliases"),
        (costly, "uses", weight.directives, MAX_DIRECTIVES, "directives"),
        (costly, "compares", weight.repeats, MAX_REPEATS, "selections of the same name"),
        (costly, "selects", weight.width, MAX_ROOT_FIELDS, "root fields"),
        (
            costly,
            "costs",
            weight.total_cost,
            MAX_COST,
            "points (fields times the sizes of their pages)",
        ),
    )
    for code, verb, value, limit, unit in checks:
        if value > limit:
            shown = value if value < 10**9 else "more than 10^9"
            raise LimitExceededError(
                code,
                f"The operation {verb} {shown} {unit}; at most {limit} are allowed. Split it, or use smaller pages.",
            )


def _merge(total: Weight, fragment: Weight) -> None:
    """A fragment's selections count as selections of the set that it stands in."""
    total.add(fragment)
    for key, (times, size) in fragment.keys.items():
        total.select(key, times, size)


class _Scale:
    """Weighs the selection sets of one operation; remembers the weight of each fragment."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: dict[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        variables: dict[str, Any],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
        }
        self._weights: dict[str, Weight] = {}

    def weigh(
        self, selections: SelectionSetNode, parent: GraphQLNamedType | None, around: Weight | None = None
    ) -> Weight:
        """The weight of a selection set on `parent`, with what is selected `around` it.

        No parent: its type is unknown or does not matter.
        """
        total = Weight() if around is None else around
        for node in selections.selections:
            if isinstance(node, FieldNode):
                self._field(node, parent, total)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                self.weigh(node.selection_set, inner, total)
            elif isinstance(node, FragmentSpreadNode):
                _merge(total, self._fragment(node.name.value))
            total.directives += len(node.directives or ())
        return total

    def _fragment(self, name: str) -> Weight:
        fragment = self._fragments.get(name)
        if fragment is None:
            return Weight()
        if name not in self._weights:
            self._weights[name] = Weight()  # ends a circle, which validation then refuses
            inner = self._schema.get_type(fragment.type_condition.name.value)
            self._weights[name] = self.weigh(fragment.selection_set, inner)
        return self._weights[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, total: Weight) -> None:
        """Add a field to the set that it stands in."""
        name = node.name.value
        total.width += 1
        total.aliases += node.alias is not None
        is_introspection = name in INTROSPECTION_FIELDS
        definition = None if is_introspection else getattr(parent, "fields", {}).get(name)
        facts = None if definition is None else _facts_of(definition)
        fields = 1
        if node.selection_set is None:
            total.depth = max(total.depth, 1)
            total.cost += 1 if facts is None else facts.weight
        else:
            inner = self.weigh(node.selection_set, None if facts is None else facts.kind)
            cost, per_item = self._cost(node, definition, inner)
            total.depth = max(total.depth, 1 if is_introspection else 1 + inner.depth)
            total.introspection_depth = max(
                total.introspection_depth, 1 + inner.depth if is_introspection else inner.introspection_depth
            )
            fields += inner.fields
            total.aliases += inner.aliases
            total.directives += inner.directives
            total.repeats += inner.repeats
            total.cost += 1 if is_introspection else cost
            total.per_item += per_item
        total.fields += fields
        total.select((node.alias or node.name).value, 1, fields)

    def _cost(self, node: FieldNode, field: GraphQLField | None, inner: Weight) -> tuple[int, int]:
        """Cost of a field itself, and what it adds for each item of the page around it.

        Lists without `first` (`edges`, `nodes`, hits) have the size of the field that they are selected in.
        """
        each = inner.cost + PLAIN_LIST * inner.per_item
        if field is None:
            return 1 + each, 0
        facts = _facts_of(field)
        size = self._size(node, field)
        if size is not None:
            return facts.weight + (size * each if facts.is_list else inner.cost + size * inner.per_item), 0
        return (facts.weight, each) if facts.is_list else (facts.weight + each, 0)

    def _size(self, node: FieldNode, field: GraphQLField) -> int | None:
        """`first` of the field or of its input, capped; None where the field has no page size."""
        argument = _facts_of(field).page_argument
        if argument is None:
            return None
        given = {argument.name.value: self._literal(argument.value) for argument in node.arguments or ()}
        if argument == "first":
            size = self._value(given.get("first"), field.args["first"].default_value)
        elif argument == "ids":
            size = self._length(given.get("ids"))
        else:
            fields = getattr(get_named_type(field.args["input"].type), "fields", {})
            size = self._input_first(given.get("input"), fields["first"].default_value)
        if isinstance(size, float) and size.is_integer():  # GraphQL takes 100.0 for an Int
            size = int(size)
        return min(max(size, 0), MAX_LIST) if isinstance(size, int) and not isinstance(size, bool) else DEFAULT_FIRST

    def _literal(self, node: ValueNode | None) -> ValueNode | None:
        """The value, or the default of the variable that it is, if that is not given."""
        if isinstance(node, VariableNode) and node.name.value not in self._variables:
            return self._defaults.get(node.name.value)
        return node

    def _input_first(self, node: ValueNode | None, default: Any) -> Any:
        if isinstance(node, ObjectValueNode):
            fields = {field.name.value: field.value for field in node.fields}
            return self._value(self._literal(fields.get("first")), default)
        value = self._value(node, None)
        return value.get("first", default) if isinstance(value, dict) else default

    def _length(self, node: ValueNode | None) -> int:
        if isinstance(node, ListValueNode):
            return len(node.values)
        value = self._value(node, None)
        return len(value) if isinstance(value, list) else 1

    def _value(self, node: ValueNode | None, default: Any) -> Any:
        if isinstance(node, IntValueNode):
            return int(node.value)
        if isinstance(node, VariableNode):
            return self._variables.get(node.name.value, default)
        return default
