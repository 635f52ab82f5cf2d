"""Limits of the values of variables, checked before anything recursive or slow touches them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
    type_from_ast,
)

from cuepoint.db.base import is_storable
from cuepoint.errors import ErrorCode
from cuepoint.graphql.limits import LimitExceededError

MAX_VARIABLE_DEPTH = 64
MAX_VARIABLE_VALUES = 20_000
# graphql-core looks at what has a type one by one, and once more if one of them is wrong: 2 µs each. A hundred clips of
# `createClips` with a form and three keyframes each have 2,100.
MAX_INPUT_VALUES = 2_500


def check_variables(variables: Mapping[str, Any]) -> int:
    """Refuse deep nesting, and text that Postgres cannot store, before anything recursive touches the values, of which
    the number is answered."""
    level: list[Any] = [variables]
    values = 0
    for _ in range(MAX_VARIABLE_DEPTH):
        following: list[Any] = []
        for value in level:
            kind = type(value)  # JSON has no others, and three questions for each value would double the cost
            if kind is dict:
                following.extend(value.keys())
                following.extend(value.values())
            elif kind is list:
                following.extend(value)
            elif kind is str and ("\0" in value or not (value.isascii() or is_storable(value))):
                raise GraphQLError("A variable holds a null character or half of a surrogate pair.")
            else:
                continue
            if len(following) + values > MAX_VARIABLE_VALUES:
                raise LimitExceededError(
                    ErrorCode.QUERY_TOO_COSTLY, f"The variables hold more than {MAX_VARIABLE_VALUES} keys and values."
                )
        if not following:
            return values
        values += len(following)
        level = following
    raise LimitExceededError(
        ErrorCode.QUERY_TOO_DEEP, f"The variables nest deeper than the {MAX_VARIABLE_DEPTH} levels allowed."
    )


def check_inputs(schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> None:
    """Refuse more list items and input fields than types shall be asked for. What JSON holds has no type."""
    pending: list[tuple[Any, Any]] = [
        (type_from_ast(schema, definition.type), variables.get(definition.variable.name.value))
        for definition in operation.variable_definitions or ()
    ]
    values = 0
    while pending:
        declared, value = pending.pop()
        kind = get_nullable_type(declared)
        is_list = isinstance(value, list) and is_list_type(kind)
        if not is_list and not (isinstance(value, dict) and is_input_object_type(kind)):
            continue
        values += len(value)
        if values > MAX_INPUT_VALUES:
            raise LimitExceededError(
                ErrorCode.QUERY_TOO_COSTLY,
                f"The variables hold more than {MAX_INPUT_VALUES} list items and input fields. Split the operation.",
            )
        if is_list:
            pending.extend((kind.of_type, item) for item in value)
        else:
            pending.extend((field.type, value[name]) for name, field in kind.fields.items() if name in value)
