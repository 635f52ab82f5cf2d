"""Types of later features, found by name in the finished schema: an earlier feature never imports a later one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cuepoint.graphql.context import Info
from cuepoint.graphql.public_names import type_of


def converter(info: Info, type_name: str) -> Callable[[Any], Any]:
    """`from_row` of the GraphQL type of that name; None stays None."""
    from_row = type_of(info, type_name).from_row
    return lambda row: None if row is None else from_row(row)
