"""Python enums as GraphQL enums whose values carry descriptions, without the lower floors knowing of GraphQL."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

import strawberry

E = TypeVar("E", bound=Enum)


class UndescribedValueError(Exception):
    """An enum value that clients would see without a description."""


def describe_enum(
    kind: type[E], descriptions: Mapping[E, str], *, description: str, name: str | None = None
) -> type[E]:
    """Make `kind` usable in GraphQL types, each value described. Raises UndescribedValueError if one is missing.

    The enum itself stays a plain Python enum, so that models and services can use it.
    """
    missing = [member.name for member in kind if member not in descriptions]
    if missing:
        raise UndescribedValueError(f"{kind.__name__}: no description of {', '.join(missing)}")
    if "__strawberry_definition__" not in vars(kind):
        strawberry.enum(kind, name=name, description=description)
    definition: Any = kind.__strawberry_definition__  # type: ignore[attr-defined]
    # A type that was loaded earlier may have used the enum, which makes it known to Strawberry as it is.
    definition.name = name or kind.__name__
    definition.description = description
    for value in definition.values:
        value.description = descriptions[kind[value.name]]
    return kind
