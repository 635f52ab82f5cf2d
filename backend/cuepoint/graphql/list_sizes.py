"""`@listSize` in the SDL: how the size of a page enters the cost of an operation, for clients that reckon ahead."""

from __future__ import annotations

from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, get_named_type, is_list_type, is_non_null_type
from strawberry.schema_directive import Location


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="listSize",
    description="How long the lists below a field are when an operation is weighed: as long as its argument says.",
)
class ListSize:
    """The directive of the GraphQL cost specification (IBM), without what Cuepoint does not use."""

    slicing_arguments: list[str] = strawberry.directive_field(name="slicingArguments")
    sized_fields: list[str] = strawberry.directive_field(name="sizedFields")
    require_one_slicing_argument: bool = strawberry.directive_field(name="requireOneSlicingArgument", default=False)


def publish_list_sizes(schema: GraphQLSchema) -> None:
    """Mark each field with a page size, in the very way in which `limits` weighs it."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                argument = page_argument(field)
                definition: Any = field.extensions.get("strawberry-definition")
                if argument is not None and definition is not None and not _is_marked(definition):
                    mark = ListSize(slicing_arguments=[argument], sized_fields=_lists_below(field))
                    definition.directives = [*definition.directives, mark]


def page_argument(field: GraphQLField) -> str | None:
    """`first`, or `input.first`; None for a field without a page size."""
    if "first" in field.args:
        return "first"
    if "input" in field.args and "first" in getattr(get_named_type(field.args["input"].type), "fields", {}):
        return "input.first"
    return None


def _is_marked(definition: Any) -> bool:
    """Types share their definitions with those that inherit from them."""
    return any(isinstance(directive, ListSize) for directive in definition.directives)


def _lists_below(field: GraphQLField) -> list[str]:
    fields = getattr(get_named_type(field.type), "fields", {})
    return [
        name
        for name, inner in fields.items()
        if is_list_type(inner.type.of_type if is_non_null_type(inner.type) else inner.type)
        and page_argument(inner) is None
    ]
