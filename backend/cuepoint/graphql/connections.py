"""Relay connections over keyset pages, with a total that is counted only when a client selects it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import strawberry

from cuepoint.db.keyset import Page, PageRequest
from cuepoint.errors import BadInputError
from cuepoint.graphql.context import Info
from cuepoint.graphql.list_sizes import cost_of
from cuepoint.graphql.selections import names_below

DEFAULT_FIRST = 25
MAX_FIRST = 100
COUNT_COST = 5  # a statement of its own, which reads the whole list

T = TypeVar("T")
Row = TypeVar("Row")


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    """Relay's page information. Lists are read forwards, with `first` and `after`."""

    has_next_page: bool = strawberry.field(description="Whether more follow: pass `endCursor` as `after`.")
    has_previous_page: bool = strawberry.field(description="Whether this page began after a cursor.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first edge; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last edge; null on an empty page.")


@strawberry.type(description="One member of a list with its place.")
class Edge(Generic[T]):
    """A node with its cursor."""

    cursor: str = strawberry.field(description="Opaque place of this node in the list; stays valid as the list grows.")
    node: T = strawberry.field(description="The member itself.")


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    """A page of nodes. `count` is called only if `totalCount` is selected."""

    page: strawberry.Private[Page[Any]]
    convert: strawberry.Private[Callable[[Any], T]]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    def _edges(self) -> list[Edge[T]]:
        pairs = zip(self.page.rows, self.page.cursors, strict=True)
        return [Edge(cursor=cursor, node=self.convert(row)) for row, cursor in pairs]

    def _page_info(self) -> PageInfo:
        cursors = self.page.cursors
        return PageInfo(
            has_next_page=self.page.has_next_page,
            has_previous_page=self.page.has_previous_page,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )

    def _nodes(self) -> list[T]:
        return [self.convert(row) for row in self.page.rows]

    async def _total_count(self) -> int:
        return await self.count() if self.page.total is None else self.page.total

    edges: list[Edge[T]] = strawberry.field(
        resolver=_edges, description="The members on this page, in order, with their cursors."
    )
    page_info: PageInfo = strawberry.field(
        resolver=_page_info, description="Where this page lies, and how to get the next one."
    )
    nodes: list[T] = strawberry.field(
        resolver=_nodes, description="The members on this page, in order, for clients that need no cursors."
    )
    total_count: int = strawberry.field(
        resolver=_total_count,
        description="Length of the whole list; counted only when selected.",
        directives=cost_of(COUNT_COST),
    )

    @classmethod
    def from_page(
        cls, page: Page[Row], convert: Callable[[Row], T], count: Callable[[], Awaitable[int]]
    ) -> Connection[T]:
        """The connection of a page of rows, each converted to its GraphQL type."""
        return cls(page=page, convert=convert, count=count)


def page_request(
    first: int | None,
    after: str | None,
    info: Info | None = None,
    *,
    default: int = DEFAULT_FIRST,
    maximum: int = MAX_FIRST,
) -> PageRequest:
    """The page a client asks for. Raises BadInputError for a `first` below 1 or above `maximum`.

    With `info` of a list that `db.keyset.fetch_page` reads, the total comes along where it is selected.
    """
    size = default if first is None else first
    if not 1 <= size <= maximum:
        raise BadInputError(f"`first` must be between 1 and {maximum}, not {size}.", field=("first",))
    return PageRequest(size, after, with_total=info is not None and "totalCount" in names_below(info, depth=1))
