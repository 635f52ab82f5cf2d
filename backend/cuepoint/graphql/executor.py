"""Executes selections as graphql-core does, but the objects of a list column by column: most answers are such lists.

A field is plain if its type is a scalar or an enum and its resolver is the attribute of its name; held, if that
attribute is an object. What is neither, is null where it must not be, or does not fit its type goes graphql-core's own
way, which also makes the errors: nothing has been resolved by then, so that nothing is resolved twice.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLString,
    TypeNameMetaFieldDef,
    Undefined,
    is_enum_type,
    is_leaf_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path, gather_with_cancel
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

_MISSING = object()
_NONE = type(None)
CONVERSION_ERRORS = (GraphQLError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError)


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
    GraphQLBoolean.name: (bool, _fit),
    GraphQLInt.name: (int, _fit_32_bits),
    GraphQLFloat.name: (float, _are_finite),
}


@dataclass(frozen=True)
class Plain:
    """A field that is an attribute: of a leaf type, or of the type of an object."""

    read: Callable[[Any], Any]
    kind: GraphQLLeafType | GraphQLObjectType
    is_nullable: bool

    @property
    def is_held(self) -> bool:
        """Whether it is an object."""
        return isinstance(self.kind, GraphQLObjectType)

    def column(self, items: Sequence[Any]) -> list[Any] | None:
        """The field of each of the objects as it is answered; None if one of them must go graphql-core's way."""
        try:
            values = list(map(self.read, items))
            kinds = set(map(type, values))
            if _NONE in kinds:
                if not self.is_nullable:
                    return None
                kinds.discard(_NONE)
            if not kinds or self.is_held:
                return values
            return self._converted(values, kinds)
        except CONVERSION_ERRORS:  # graphql-core does it again, and reports it
            return None

    def _converted(self, values: list[Any], kinds: set[type]) -> list[Any] | None:
        kind: Any = self.kind
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


def plain_field(field: GraphQLField, parent: GraphQLObjectType) -> Plain | None:
    """How the field of that type is read; None if it is not plain."""
    if field is TypeNameMetaFieldDef:
        return Plain(lambda _: parent.name, GraphQLString, is_nullable=False)
    definition = field.extensions.get("strawberry-definition")
    kind: Any = field.type
    is_nullable = not is_non_null_type(kind)
    kind = kind if is_nullable else kind.of_type
    is_ours = is_leaf_type(kind) or is_object_type(kind)
    if definition is None or not is_ours or not getattr(field.resolve, "_is_default", False):
        return None
    return Plain(attrgetter(definition.python_name), kind, is_nullable)


Fields = dict[str, list[FieldDetails]]
PathOf = Callable[[int], Path | None]
Waiting = list[tuple[dict[str, Any], str, Awaitable[Any]]]


@dataclass(frozen=True)
class _Table:
    """Objects of one type with their fields: each is a column of answers, a table of the objects that it holds, or what
    graphql-core must resolve for each of them."""

    kind: GraphQLObjectType
    items: Sequence[Any]
    columns: list[tuple[str, Any]]
    resolved: list[tuple[str, list[FieldDetails]]]

    @property
    def resolves(self) -> bool:
        """Whether a resolver is called for it, which may fail."""
        return bool(self.resolved) or any(isinstance(column, _Table) and column.resolves for _, column in self.columns)


class QuickExecutor(StrawberryGraphQLCoreExecutionContext):
    """One execution of one operation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans: dict[tuple[GraphQLObjectType, int], tuple[Fields, list[tuple[str, Any, Plain | None]]]] = {}

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
        resolved: list[tuple[str, list[FieldDetails]]] = []
        for name, details, plain in self._plan(kind, fields):
            column: Any = None if plain is None else plain.column(items)
            if column is not None and plain is not None and plain.is_held:
                column = self._held(plain, details, column)
            if column is None:
                resolved.append((name, details))
                column = [None] * len(items)
            columns.append((name, column))
        return _Table(kind, items, columns, resolved)

    def _held(self, plain: Plain, details: list[FieldDetails], values: list[Any]) -> Any:
        """A table of the objects; None if they cannot be one, or if an error in it would have to be caught."""
        kind: Any = plain.kind
        if None in values:
            return None
        fields = self._subfields(kind, details, values)
        if fields is None:
            return None
        table = self._table(kind, fields, values)
        return None if plain.is_nullable and table.resolves else table

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
            for index, (item, row) in enumerate(zip(table.items, rows, strict=True)):
                self._resolve(table, item, row, path_of(index), waiting)
        return rows

    def _resolve(self, table: _Table, item: Any, row: dict[str, Any], path: Path | None, waiting: Waiting) -> None:
        for name, details in table.resolved:
            value = self.execute_field(table.kind, item, details, Path(path, name, table.kind.name), None)
            row[name] = value
            if self.is_awaitable(value):
                waiting.append((row, name, value))

    def _plan(self, kind: GraphQLObjectType, fields: Fields) -> list[tuple[str, Any, Plain | None]]:
        """Which of the fields are plain, found out once for all objects of an operation."""
        key = (kind, id(fields))
        known = self._plans.get(key)
        if known is None:
            plan = [(name, details, self._plain(kind, details[0])) for name, details in fields.items()]
            known = self._plans[key] = (fields, plan)  # kept alive, so that its id stays its own
        return known[1]

    def _plain(self, kind: GraphQLObjectType, details: FieldDetails) -> Plain | None:
        field = self.schema.get_field(kind, details.node.name.value)
        if field is None or field.args or self.middleware_manager:
            return None
        return plain_field(field, kind)


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
