"""Relay's object identification: what has a global id is a `Node`, found again by it through the one gate."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from cuepoint.errors import BadInputError, NotFoundError
from cuepoint.graphql.connections import MAX_FIRST
from cuepoint.graphql.context import Info
from cuepoint.graphql.scalars import decode_id

if TYPE_CHECKING:
    from typing import Self


@strawberry.interface(description="Whatever has a global id: `node` and `nodes` find it again.")
class Node(ABC):
    """Base of every type with an id. The part of the id before `_` is the type's name in lower case."""

    id: strawberry.ID = strawberry.field(description="Global id.")

    @classmethod
    @abstractmethod
    async def find(cls, info: Info, key: UUID) -> Self | None:
        """The object if it exists and the viewer may see it, else None; in one statement for all that are asked for."""


async def find_node(info: Info, id: str) -> Any:
    """The object of a global id; None where it is absent, invisible, malformed or of an unknown type."""
    for kind in _kinds(Node):
        if id.startswith(f"{kind.__name__.lower()}_") and _is_served(info, kind):
            try:
                return await kind.find(info, decode_id(kind.__name__, id))
            except NotFoundError:
                return None
    return None


def _kinds(kind: type[Any]) -> Iterator[type[Node]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


def _is_served(info: Info, kind: type[Node]) -> bool:
    definition: Any = info.schema.get_type_by_name(kind.__name__)
    return definition is not None and definition.origin is kind


async def _node(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="A global id.")]
) -> Node | None:
    info.context.require_viewer()
    found: Node | None = await find_node(info, id)
    return found


async def _nodes(
    info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids, at most 100.")]
) -> list[Node | None]:
    info.context.require_viewer()
    if len(ids) > MAX_FIRST:
        raise BadInputError(f"At most {MAX_FIRST} ids can be looked up at once, not {len(ids)}.", field=("ids",))
    return list(await asyncio.gather(*[find_node(info, one) for one in ids]))


@strawberry.type
class NodeQuery:
    """Look-ups by global id alone."""

    node: Node | None = strawberry.field(
        resolver=_node, description="Whatever has this id, if you may see it; null otherwise."
    )
    nodes: list[Node | None] = strawberry.field(
        resolver=_nodes,
        description="Whatever has these ids, in their order, in one statement for each type among them; null for each "
        "that you may not see.",
    )
