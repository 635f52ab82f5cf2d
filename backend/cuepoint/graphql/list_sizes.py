"""`@cost` and `@listSize` in the SDL: what `limits` charges for an operation, for clients that reckon ahead.

These marks are where the figures stand; `limits` reads them from here, so that what is published is what is charged.
"""

from __future__ import annotations

from typing import Any

import strawberry
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from strawberry.schema_directive import Location

# Lists without a page size are short by design (errors, tracks, the words of a segment).
PLAIN_LIST = 5


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description="What selecting a field costs besides what is selected in it: 1 for every field without this mark, "
    "scalars too.",
)
class Cost:
    """The directive of the GraphQL cost specification (IBM)."""

    weight: str = strawberry.directive_field(name="weight")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="listSize",
    description="How long lists are when an operation is weighed. With `slicingArguments`, the `sizedFields` in this "
    "field, or the field itself if it is a list, are as long as that argument says (at most 500); `assumedSize` is the "
    "length of a list that no argument sizes.",
)
class ListSize:
    """The directive of the GraphQL cost specification (IBM), without what Cuepoint does not use."""

    assumed_size: int | None = strawberry.directive_field(name="assumedSize", default=strawberry.UNSET)
    slicing_arguments: list[str] | None = strawberry.directive_field(name="slicingArguments", default=strawberry.UNSET)
    sized_fields: list[str] | None = strawberry.directive_field(name="sizedFields", default=strawberry.UNSET)
    require_one_slicing_argument: bool | None = strawberry.directive_field(
        name="requireOneSlicingArgument", default=strawberry.UNSET
    )


def cost_of(weight: int) -> list[object]:
    """The directives of a field that costs more than others: `strawberry.field(directives=cost_of(10))`."""
    return [Cost(weight=str(weight))]


def weight_of(field: GraphQLField) -> int:
    """Points of the field itself."""
    for mark in _marks(field):
        if isinstance(mark, Cost):
            return int(mark.weight)
    return 1


def publish_list_sizes(schema: GraphQLSchema) -> None:
    """Mark each field with a page size, and each list of objects without one, in the very way `limits` weighs it."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                definition: Any = field.extensions.get("strawberry-definition")
                mark = _list_size(kind, field)
                if mark is not None and definition is not None and not _is_marked(definition):
                    definition.directives = [*definition.directives, mark]


def page_argument(field: GraphQLField) -> str | None:
    """`first`, `ids` (as many as are named) or `input.first`; None for a field without a page size."""
    for name in ("first", "ids"):
        if name in field.args:
            return name
    if "input" in field.args and "first" in getattr(get_named_type(field.args["input"].type), "fields", {}):
        return "input.first"
    return None


def is_list(kind: GraphQLOutputType) -> bool:
    """Whether the field holds a list, null or not."""
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)


def _list_size(parent: GraphQLObjectType, field: GraphQLField) -> ListSize | None:
    argument = page_argument(field)
    if argument is not None:
        below = _lists_below(field)
        return ListSize(
            slicing_arguments=[argument], sized_fields=below or strawberry.UNSET, require_one_slicing_argument=False
        )
    if parent.name.endswith("Connection"):  # whose lists the field around it sizes, always
        return None
    if is_list(field.type) and not is_leaf_type(get_named_type(field.type)):
        return ListSize(assumed_size=PLAIN_LIST)
    return None


def _marks(field: GraphQLField) -> list[object]:
    definition: Any = field.extensions.get("strawberry-definition")
    return [] if definition is None else list(definition.directives)


def _is_marked(definition: Any) -> bool:
    """Types share their definitions with those that inherit from them."""
    return any(isinstance(directive, ListSize) for directive in definition.directives)


def _lists_below(field: GraphQLField) -> list[str]:
    if is_list(field.type):
        return []
    fields = getattr(get_named_type(field.type), "fields", {})
    return [
        name
        for name, inner in fields.items()
        if is_list(inner.type) and not is_leaf_type(get_named_type(inner.type)) and page_argument(inner) is None
    ]
