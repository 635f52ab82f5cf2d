"""Resolvers called at once: for most fields what Strawberry does around the call costs more than the call.

It looks up the arguments' Python names, converts inputs and waits for what may be awaitable. A resolver without
extensions needs none of it while its arguments are plain scalars or null; otherwise Strawberry calls it as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

SCALARS = frozenset({str, int, float, bool, strawberry.ID})


def shorten_resolvers(schema: GraphQLSchema, config: StrawberryConfig) -> None:
    """Every resolver that may be is called at once."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and kind is not schema.subscription_type:
            for field in kind.fields.values():
                short = _short(field, config)
                if short is not None:
                    field.resolve = short


def _short(field: GraphQLField, config: StrawberryConfig) -> Callable[..., Any] | None:
    definition: Any = field.extensions.get("strawberry-definition")
    resolver = getattr(definition, "base_resolver", None)
    if resolver is None or definition.extensions or type(definition).get_result is not StrawberryField.get_result:
        return None
    if resolver.parent_parameter or resolver.root_parameter:
        return None
    if any(one.is_maybe for one in definition.arguments):  # null is a value there, and every value is wrapped
        return None
    converted = [config.name_converter.from_argument(one) for one in definition.arguments if not _is_scalar(one)]
    as_ever: Callable[..., Any] = field.resolve  # type: ignore[assignment]
    names = {config.name_converter.from_argument(one): one.python_name for one in definition.arguments}
    info_name = resolver.info_parameter.name if resolver.info_parameter else None
    call: Callable[..., Any] = resolver.wrapped_func
    is_method = bool(resolver.self_parameter)

    def resolve(source: Any, info: Any, **given: Any) -> Any:
        if converted and any(given.get(name) is not None for name in converted):
            return as_ever(source, info, **given)
        arguments = {names[name]: value for name, value in given.items()}
        if info_name is not None:
            arguments[info_name] = config.info_class(_raw_info=info, _field=definition)
        return call(source, **arguments) if is_method else call(**arguments)

    return resolve


def _is_scalar(argument: Any) -> bool:
    kind = argument.type
    return (kind.of_type if isinstance(kind, StrawberryOptional) else kind) in SCALARS
