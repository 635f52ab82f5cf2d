"""Executes selections as graphql-core does, but reads plain attributes at once: most fields of most answers are such.

A field is plain if its type is a scalar or an enum and its resolver is the attribute of its name. What is not plain,
is null where it must not be, or does not fit its type goes graphql-core's own way, which also makes the errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
    Undefined,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path, gather_with_cancel
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

# What of a type's values is answered as it is; anything else takes the type's own way.
_EXACT: dict[GraphQLLeafType, Callable[[Any], bool]] = {
    GraphQLString: lambda value: type(value) is str,
    GraphQLID: lambda value: type(value) is str,
    GraphQLBoolean: lambda value: type(value) is bool,
    GraphQLInt: lambda value: type(value) is int and -(2**31) <= value < 2**31,
    GraphQLFloat: lambda value: type(value) is float and math.isfinite(value),
}

Plain = tuple[str, GraphQLLeafType, Callable[[Any], bool] | None, bool]
_MISSING = object()
CONVERSION_ERRORS = (GraphQLError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError)


def plain_field(field: GraphQLField) -> Plain | None:
    """Attribute, type, test of values that need no conversion, and whether it may be null; None if it is not plain."""
    definition = field.extensions.get("strawberry-definition")
    kind: Any = field.type
    is_nullable = not is_non_null_type(kind)
    kind = kind if is_nullable else kind.of_type
    if definition is None or not is_leaf_type(kind) or not getattr(field.resolve, "_is_default", False):
        return None
    name = getattr(kind, "name", "")
    exact = next((test for known, test in _EXACT.items() if known.name == name), None)
    return definition.python_name, kind, exact, is_nullable


class QuickExecutor(StrawberryGraphQLCoreExecutionContext):
    """One execution of one operation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans: dict[tuple[GraphQLObjectType, int], tuple[Any, list[tuple[str, Any, Plain | None]]]] = {}

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: dict[str, list[FieldDetails]],
        position_context: Any,
    ) -> Any:
        """The fields of one object: plain ones at once, others as ever, those that wait at the same time."""
        results: dict[str, Any] = {}
        waiting: list[str] = []
        try:
            for response_name, details, plain in self._plan(parent_type, grouped_field_set):
                value = _MISSING if plain is None else _plain_value(source_value, plain)
                if value is _MISSING:
                    place = Path(path, response_name, parent_type.name)
                    value = self.execute_field(parent_type, source_value, details, place, position_context)
                    if value is Undefined:
                        continue
                    if self.is_awaitable(value):
                        waiting.append(response_name)
                results[response_name] = value
        except Exception:
            if waiting:
                self.settle_in_background([results[name] for name in waiting])
            raise
        return _awaited(results, waiting) if waiting else results

    def _plan(self, parent_type: GraphQLObjectType, fields: dict[str, list[FieldDetails]]) -> Any:
        """Which of the fields are plain, found out once for all objects of a list."""
        key = (parent_type, id(fields))
        known = self._plans.get(key)
        if known is None:
            plan = []
            for response_name, details in fields.items():
                field = self.schema.get_field(parent_type, details[0].node.name.value)
                is_plain = field is not None and not details[0].node.arguments and not self.middleware_manager
                plan.append((response_name, details, plain_field(field) if field is not None and is_plain else None))
            known = self._plans[key] = (fields, plan)  # kept alive, so that its id stays its own
        return known[1]


def _plain_value(source: Any, plain: Plain) -> Any:
    attribute, kind, exact, is_nullable = plain
    value = getattr(source, attribute, _MISSING)
    if value is None:
        return None if is_nullable else _MISSING
    if exact is not None:
        return value if exact(value) else _MISSING
    if value is _MISSING:
        return value
    try:
        converted = kind.coerce_output_value(value)
    except CONVERSION_ERRORS:  # graphql-core does it again, and reports it
        return _MISSING
    return _MISSING if converted is None or converted is Undefined else converted


async def _awaited(results: dict[str, Any], waiting: list[str]) -> dict[str, Any]:
    if len(waiting) == 1:
        results[waiting[0]] = await results[waiting[0]]
    else:
        values = await gather_with_cancel(*(results[name] for name in waiting))
        results.update(zip(waiting, values, strict=True))
    return results
