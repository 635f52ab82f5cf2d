"""Python's classes behind the names of a schema."""

from __future__ import annotations

from typing import Any

from cuepoint.graphql.context import Info


def type_of(info: Info, name: str) -> Any:
    """The class or enum that the schema's type of that name was made from. Raises LookupError for an unknown name."""
    definition: Any = info.schema.get_type_by_name(name)
    if definition is None:
        raise LookupError(f"the schema has no type {name}")
    return getattr(definition, "origin", None) or definition.wrapped_cls
