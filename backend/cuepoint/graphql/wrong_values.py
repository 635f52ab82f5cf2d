"""What is wrong with the values of variables, told as graphql-core tells it, before anything runs.

graphql-core looks at all of the values twice to find one that is wrong, at 2 µs each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    VariableDefinitionNode,
    is_leaf_type,
    is_required_input_field,
    type_from_ast,
)
from graphql.pyutils import Undefined, did_you_mean, inspect, print_path_list, suggestion_list
from graphql.utilities.validate_input_value import get_one_of_input_object_error_message, validate_input_value

Path = list[str | int]

_TOO_MANY = "Too many errors processing variables, error limit reached. Execution aborted."


def wrong_values(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    *,
    max_errors: int,
    hide_suggestions: Any,
) -> list[GraphQLError]:
    """Errors of the variables of a valid operation; empty if they can be had as they are defined."""
    errors: list[GraphQLError] = []

    def look_at(definition: VariableDefinitionNode) -> None:
        name = definition.variable.name.value

        def report(error: GraphQLError, path: Path) -> None:
            if len(errors) >= max_errors:
                raise GraphQLError(_TOO_MANY)
            if error.original_error is None:
                error.__traceback__ = None  # keeps the frames of the look, which keep all of the values
            message = f"Variable '${name}' has invalid value{print_path_list(path)}: {error.message}"
            errors.append(GraphQLError(message, definition, original_error=error))

        if name in variables or definition.default_value is None:
            kind = type_from_ast(schema, definition.type)
            _Values(report, hide_suggestions).look_at(kind, variables.get(name, Undefined))

    try:
        for definition in operation.variable_definitions or ():
            look_at(definition)
    except GraphQLError as too_many:
        errors.append(too_many.with_traceback(None))
    return errors


class _Values:
    """Looks at a value and what is in it, and reports what does not fit its type."""

    def __init__(self, report: Callable[[GraphQLError, Path], None], hide_suggestions: Any) -> None:
        self._report = report
        self._hides = hide_suggestions
        self._path: Path = []

    def look_at(self, kind: Any, value: Any) -> None:
        """Report what is wrong with a value. Raises what `report` raises."""
        own = kind.of_type if kind.__class__ is GraphQLNonNull else kind
        if value is None or value is Undefined:
            if own is not kind:
                self._tell(kind, value)
        elif own.__class__ is GraphQLList:
            self._look_at_items(own.of_type, value)
        elif own.__class__ is GraphQLInputObjectType and isinstance(value, dict):
            self._look_at_fields(own, value)
        elif not _is_taken(own, value):
            self._tell(own, value)

    def _look_at_items(self, kind: Any, value: Any) -> None:
        if not isinstance(value, list):  # stands for a list of one
            self.look_at(kind, value)
            return
        self._path.append(0)
        for self._path[-1], item in enumerate(value):
            self.look_at(kind, item)
        self._path.pop()

    def _look_at_fields(self, kind: GraphQLInputObjectType, value: dict[str, Any]) -> None:
        for name, field in kind.fields.items():
            if name in value:
                self._path.append(name)
                self.look_at(field.type, value[name])
                self._path.pop()
            elif is_required_input_field(field):
                self._refuse(f"Expected value of type '{kind}' to include required field '{name}', found", value)
        for name in () if value.keys() <= kind.fields.keys() else value:
            if name not in kind.fields:
                hint = "" if self._hides else did_you_mean(suggestion_list(name, list(kind.fields)))
                told = f"Expected value of type '{kind}' not to include unknown field '{name}'"
                self._refuse(f"{told}.{hint} Found" if hint else f"{told}, found", value)
        if kind.is_one_of:
            self._look_at_choice(kind, [name for name in value if name in kind.fields], value)

    def _look_at_choice(self, kind: GraphQLInputObjectType, names: list[str], value: dict[str, Any]) -> None:
        message = get_one_of_input_object_error_message(kind)
        if len(names) != 1:
            self._report(GraphQLError(message), [*self._path])
        if names and value[names[0]] is None:
            self._report(GraphQLError(message), [*self._path, names[0]])

    def _refuse(self, message: str, value: Any) -> None:
        self._report(GraphQLError(f"{message}: {inspect(value)}."), [*self._path])

    def _tell(self, kind: Any, value: Any) -> None:
        """Report what graphql-core finds wrong with a value that is no list and no object of the right fields."""
        validate_input_value(value, kind, lambda error, _: self._report(error, [*self._path]), self._hides)


def _is_taken(kind: Any, value: Any) -> bool:
    """Whether a scalar or an enum takes the value."""
    if kind is GraphQLString or kind is GraphQLID:
        return value.__class__ is str
    try:
        return is_leaf_type(kind) and kind.coerce_input_value(value) is not Undefined
    except Exception:  # noqa: BLE001  # graphql-core does it again, and reports it
        return False
