"""Executes selections as graphql-core does, but the objects of a list column by column: most answers are such lists.

A field is plain if its type is a scalar or an enum and its resolver is the attribute of its name; held, if that
attribute is an object. Other resolvers are called for one object after the other, and what they answer at once is a
column again, if it can be. What is null where it must not be or does not fit its type is completed in graphql-core's
own way, which also makes the errors; nothing is resolved twice. Of several errors, which of them ends a list and the
order in which they are told may differ from graphql-core's, as fields that are not plain are resolved column by column.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLString,
    TypeNameMetaFieldDef,
    Undefined,
    is_enum_type,
    is_leaf_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path, gather_with_cancel
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

_NONE = type(None)
_PLAIN = "cuepoint-plain"
_NO_ARGUMENTS: dict[str, Any] = {}


def _are_finite(values: Iterable[float]) -> bool:
    return all(map(math.isfinite, values))


def _fit_32_bits(values: Sequence[int]) -> bool:
    return min(values) >= -(2**31) and max(values) < 2**31


def _fit(_values: Sequence[Any]) -> bool:
    return True


# Values of exactly this type, if they pass the test, are answered as they are; others take the type's own way.
_EXACT: dict[str, tuple[type, Callable[[Any], bool]]] = {
    GraphQLString.name: (str, _fit),
    GraphQLID.name: (str, _fit),
    "URL": (str, _fit),
    GraphQLBoolean.name: (bool, _fit),
    GraphQLInt.name: (int, _fit_32_bits),
    GraphQLFloat.name: (float, _are_finite),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A leaf type or the type of an object, or null beside it."""

    own: GraphQLLeafType | GraphQLObjectType
    is_nullable: bool

    @property
    def is_object(self) -> bool:
        """Whether it is that of an object."""
        return isinstance(self.own, GraphQLObjectType)

    def column(self, values: list[Any]) -> list[Any] | None:
        """The values as they are answered; None if one of them must go graphql-core's way."""
        kinds = set(map(type, values))
        if _NONE in kinds:
            if not self.is_nullable:
                return None
            kinds.discard(_NONE)
        if not kinds or self.is_object:
            return values
        try:
            return self._converted(values, kinds)
        except Exception:  # noqa: BLE001  # graphql-core does it again, and reports it
            return None

    def _converted(self, values: list[Any], kinds: set[type]) -> list[Any] | None:
        kind: Any = self.own
        exact = _EXACT.get(kind.name)
        if exact is not None:
            own, test = exact
            return values if kinds == {own} and test([value for value in values if value is not None]) else None
        if is_enum_type(kind) and len(kinds) == 1:
            names = {value: kind.coerce_output_value(value) for value in set(values) if value is not None}
            return [names.get(value) for value in values] if None not in names.values() else None
        converted = [None if value is None else kind.coerce_output_value(value) for value in values]
        is_whole = Undefined not in converted and converted.count(None) == values.count(None)
        return converted if is_whole else None


def _kind_of(field: GraphQLField) -> Kind | None:
    """The kind of its values; None for a list, an interface or a union."""
    kind: Any = field.type
    is_nullable = not is_non_null_type(kind)
    kind = kind if is_nullable else kind.of_type
    return Kind(kind, is_nullable) if is_leaf_type(kind) or is_object_type(kind) else None


@dataclass(frozen=True, slots=True)
class Plain:
    """A field that is an attribute."""

    read: Callable[[Any], Any]
    kind: Kind

    def column(self, items: Sequence[Any]) -> list[Any] | None:
        """The field of each of the objects as it is answered; None if one of them must go graphql-core's way."""
        try:
            return self.kind.column(list(map(self.read, items)))
        except Exception:  # noqa: BLE001  # the same
            return None


def plain_field(field: GraphQLField, parent: GraphQLObjectType) -> Plain | None:
    """How the field of that type is read; None if it is not plain."""
    if field is TypeNameMetaFieldDef:
        return Plain(lambda _: parent.name, Kind(GraphQLString, is_nullable=False))
    if _PLAIN not in field.extensions:  # found out once, for what thousands of subscriptions keep
        field.extensions[_PLAIN] = _plain(field)
    found: Plain | None = field.extensions[_PLAIN]
    return found


def _plain(field: GraphQLField) -> Plain | None:
    definition = field.extensions.get("strawberry-definition")
    kind = _kind_of(field)
    if definition is None or kind is None or not getattr(field.resolve, "_is_default", False):
        return None
    return Plain(attrgetter(definition.python_name), kind)


Fields = dict[str, list[FieldDetails]]
Plan = list[tuple[str, list[FieldDetails], "Plain | _Call"]]
PathOf = Callable[[int], Path | None]
Place = tuple[Any, dict[str, Any], Path | None]  # an object, its row, and the path of both
Waiting = list[tuple[dict[str, Any], str, Awaitable[Any]]]


@dataclass(frozen=True, slots=True)
class _Table:
    """Objects of one type with their fields: each is a column of answers, a table of the objects that it holds, or what
    graphql-core must resolve for each of them."""

    kind: GraphQLObjectType
    items: Sequence[Any]
    columns: list[tuple[str, Any]]
    resolved: list[tuple[str, _Call]]
    fits: bool  # whether all that is plain by its type is so by its values

    @property
    def resolves(self) -> bool:
        """Whether a resolver is called for it, which may fail."""
        return bool(self.resolved) or any(isinstance(column, _Table) and column.resolves for _, column in self.columns)


class _Call:
    """A field with a resolver, as it is called for each object of an operation."""

    __slots__ = ("_arguments", "_nodes", "_resolve", "details", "field", "kind", "parent")

    def __init__(self, executor: QuickExecutor, parent: GraphQLObjectType, details: list[FieldDetails]) -> None:
        field: Any = executor.schema.get_field(parent, details[0].node.name.value)  # there is one: it was validated
        self.field: GraphQLField = field
        self.details = details
        self.kind = _kind_of(field)
        self.parent = parent
        self._nodes = [one.node for one in details]
        self._arguments = None if field.args else _NO_ARGUMENTS
        self._resolve: Callable[..., Any] = field.resolve or executor.field_resolver
        if executor.middleware_manager:
            self._resolve = executor.middleware_manager.get_field_resolver(self._resolve)

    def info(self, executor: QuickExecutor, path: Path) -> GraphQLResolveInfo[Any]:
        """What a resolver is told of its place."""
        return executor.build_resolve_info(self.field, self._nodes, self.parent, path)

    def value(self, executor: QuickExecutor, source: Any, info: GraphQLResolveInfo[Any]) -> Any:
        """What the resolver answers, or the error that it raises."""
        try:
            if self._arguments is None:
                self._arguments = self._read_arguments(executor)
            return self._resolve(source, info, **self._arguments)
        except Exception as error:  # noqa: BLE001  # any is an answer, whose place the executor knows
            return error

    def _read_arguments(self, executor: QuickExecutor) -> dict[str, Any]:
        first, variables = self.details[0], executor.variable_values
        return get_argument_values(
            self.field, first.node, variables, first.fragment_variable_values, executor.hide_suggestions
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a resolver answered at once, and where it belongs."""

    row: dict[str, Any]
    info: GraphQLResolveInfo[Any]
    value: Any


class QuickExecutor(StrawberryGraphQLCoreExecutionContext):
    """One execution of one operation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans: dict[tuple[GraphQLObjectType, int], tuple[Fields, Plan]] = {}

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: Fields,
        position_context: Any,
    ) -> Any:
        """The fields of one object: a table of one row."""
        if position_context is not None:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        answer = self._answer(self._table(parent_type, grouped_field_set, [source_value]), lambda _: path)
        return _first(answer) if self.is_awaitable(answer) else answer[0]

    def complete_iterable_value(
        self, item_type: Any, field_details_list: list[FieldDetails], info: Any, path: Path, items: Any, context: Any
    ) -> Any:
        """The items of a list; objects that must not be null are a table."""
        kind = item_type.of_type if is_non_null_type(item_type) else None
        if context is None and type(items) is list and is_object_type(kind) and not _is_streamed(field_details_list):
            fields = self._subfields(kind, field_details_list, items)
            if fields is not None:
                return self._answer(self._table(kind, fields, items), lambda index: path.add_key(index, None))
        return super().complete_iterable_value(item_type, field_details_list, info, path, items, context)

    def _subfields(self, kind: GraphQLObjectType, details: list[FieldDetails], items: Sequence[Any]) -> Fields | None:
        """What is selected of the objects; None if one of them is not of that type, or a part of them is deferred."""
        definition = kind.extensions.get("strawberry-definition")  # introspection's own types have none
        if definition is None or not all(issubclass(definition.origin, one) for one in set(map(type, items))):
            return None
        fields, deferred, _ = self.collect_subfields(kind, details)
        return None if deferred else fields

    def _table(self, kind: GraphQLObjectType, fields: Fields, items: Sequence[Any]) -> _Table:
        columns: list[tuple[str, Any]] = []
        resolved: list[tuple[str, _Call]] = []
        fits = True
        for name, details, way in self._plan(kind, fields):
            column: Any = None
            if isinstance(way, Plain):
                column = self._together(way.kind, details, way.column(items))
                fits = fits and column is not None
            if column is None:
                resolved.append((name, way if isinstance(way, _Call) else _Call(self, kind, details)))
                column = [None] * len(items)
            columns.append((name, column))
        return _Table(kind, items, columns, resolved, fits)

    def _together(self, kind: Kind, details: list[FieldDetails], values: list[Any] | None) -> Any:
        """The column of values, or the table of the objects that they are; None if they cannot be one, or if an error
        in it would have to be caught."""
        own: Any = kind.own
        if values is None or not kind.is_object:
            return values
        fields = None if None in values else self._subfields(own, details, values)
        if fields is None:
            return None
        table = self._table(own, fields, values)
        return None if kind.is_nullable and table.resolves else table

    def _answer(self, table: _Table, path_of: PathOf) -> Any:
        """The rows, once all that they wait for is there."""
        waiting: Waiting = []
        try:
            rows = self._rows(table, path_of, waiting)
        except Exception:
            if waiting:
                self.settle_in_background([value for _, _, value in waiting])
            raise
        return _awaited(rows, waiting) if waiting else rows

    def _rows(self, table: _Table, path_of: PathOf, waiting: Waiting) -> list[dict[str, Any]]:
        columns = [
            self._rows(column, _below(path_of, name, table.kind.name), waiting)
            if isinstance(column, _Table)
            else column
            for name, column in table.columns
        ]
        names = [name for name, _ in table.columns]
        rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)] or [
            {} for _ in table.items
        ]
        if table.resolved:
            places = [
                (item, row, path_of(index)) for index, (item, row) in enumerate(zip(table.items, rows, strict=True))
            ]
            for together in [places] if table.fits else [[place] for place in places]:
                for name, call in table.resolved:
                    self._resolve(call, name, together, waiting)
        return rows

    def _resolve(self, call: _Call, name: str, places: list[Place], waiting: Waiting) -> None:
        """Call a resolver for each of the objects; what it answers at once is completed together, if it can be."""
        there: list[_Answer] = []
        for item, row, above in places:
            info = call.info(self, Path(above, name, call.parent.name))
            value = call.value(self, item, info)
            if self.is_awaitable(value):
                row[name] = self.complete_awaitable_value(call.field.type, call.details, info, info.path, value, None)
                waiting.append((row, name, row[name]))
            else:
                there.append(_Answer(row, info, value))
        if there:
            self._complete(call, name, there, waiting)

    def _complete(self, call: _Call, name: str, there: list[_Answer], waiting: Waiting) -> None:
        values = [answer.value for answer in there]
        together = None
        if call.kind is not None and not any(isinstance(value, Exception) for value in values):
            together = self._together(call.kind, call.details, call.kind.column(values))
        if isinstance(together, _Table):
            together = self._rows(together, lambda index: there[index].info.path, waiting)
        for place, answer in enumerate(there):
            completed = self._completed(call, answer) if together is None else together[place]
            answer.row[name] = completed
            if self.is_awaitable(completed):
                waiting.append((answer.row, name, completed))

    def _completed(self, call: _Call, answer: _Answer) -> Any:
        """The answer as graphql-core completes it."""
        kind, path = call.field.type, answer.info.path
        try:
            completed = self.complete_value(kind, call.details, answer.info, path, answer.value, None)
        except Exception as error:  # noqa: BLE001  # raises it again, or notes it and answers null
            return self.handle_field_error(error, kind, call.details, path)
        return self._caught(call, path, completed) if self.is_awaitable(completed) else completed

    async def _caught(self, call: _Call, path: Path, completed: Awaitable[Any]) -> Any:
        try:
            return await completed
        except Exception as error:  # noqa: BLE001  # the same
            return self.handle_field_error(error, call.field.type, call.details, path)

    def _plan(self, kind: GraphQLObjectType, fields: Fields) -> Plan:
        """How each of the fields is read or resolved, found out once for all objects of an operation."""
        key = (kind, id(fields))
        known = self._plans.get(key)
        if known is None:
            plan = [(name, details, self._way(kind, details)) for name, details in fields.items()]
            known = self._plans[key] = (fields, plan)  # kept alive, so that its id stays its own
        return known[1]

    def _way(self, kind: GraphQLObjectType, details: list[FieldDetails]) -> Plain | _Call:
        field = self.schema.get_field(kind, details[0].node.name.value)
        plain = None if field is None or field.args or self.middleware_manager else plain_field(field, kind)
        return plain or _Call(self, kind, details)


def _is_streamed(details: list[FieldDetails]) -> bool:
    return any(directive.name.value == "stream" for directive in details[0].node.directives or ())


def _below(path_of: PathOf, name: str, kind: str) -> PathOf:
    return lambda index: Path(path_of(index), name, kind)


async def _first(rows: Awaitable[list[dict[str, Any]]]) -> dict[str, Any]:
    return (await rows)[0]


async def _awaited(rows: list[dict[str, Any]], waiting: Waiting) -> list[dict[str, Any]]:
    if len(waiting) == 1:
        row, name, value = waiting[0]
        row[name] = await value
    else:
        values = await gather_with_cancel(*(value for _, _, value in waiting))
        for (row, name, _), value in zip(waiting, values, strict=True):
            row[name] = value
    return rows
