"""Relay connections over keyset pages: nothing of a page is read, and no list counted, unless a client selects it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, cast

import strawberry

from cuepoint.db.keyset import Page, PageRequest
from cuepoint.errors import BadInputError
from cuepoint.graphql.context import Info
from cuepoint.graphql.counts import Counts
from cuepoint.graphql.list_sizes import cost_of
from cuepoint.graphql.loaders import Loader
from cuepoint.graphql.selections import counted_below

DEFAULT_FIRST = 25
MAX_FIRST = 100
COUNT_COST = 5  # it reads the whole list

T = TypeVar("T")
Row = TypeVar("Row")
K = TypeVar("K")
Made = TypeVar("Made")


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
    """A page of nodes. `read` is called only if something on the page is selected, `count` only if `totalCount` is."""

    read: strawberry.Private[Callable[[], Page[Any] | Awaitable[Page[Any]]]]
    convert: strawberry.Private[Callable[[Any], T]]
    count: strawberry.Private[Callable[[], int | Awaitable[int]]]

    def _edges(self) -> list[Edge[T]]:
        return self._made_of_page(
            lambda page: [
                Edge(cursor=cursor, node=self.convert(row)) for row, cursor in zip(page.rows, page.cursors, strict=True)
            ]
        )

    def _page_info(self) -> PageInfo:
        return self._made_of_page(_page_info)

    def _nodes(self) -> list[T]:
        return self._made_of_page(lambda page: [self.convert(row) for row in page.rows])

    def _made_of_page(self, make: Callable[[Page[Any]], Made]) -> Made:
        """Where the page must be read first, an awaitable, which the executor takes as well."""
        page: Any = self.read()
        return make(page) if isinstance(page, Page) else cast(Made, _made_later(page, make))

    def _total_count(self) -> int:
        return cast(int, self.count())

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
        """The connection of a page of rows, each converted to its GraphQL type. `count` is for a page without total."""
        total = page.total
        return cls(read=lambda: page, convert=convert, count=count if total is None else lambda: total)

    @classmethod
    def from_loader(
        cls,
        pages: Loader[K, Page[Row]],
        key: K,
        convert: Callable[[Row], T],
        count: Callable[[], int | Awaitable[int]],
    ) -> Connection[T]:
        """The connection of a list within an object, whose page is loaded by its key."""
        return cls(read=lambda: pages.get(key), convert=convert, count=count)


def _page_info(page: Page[Any]) -> PageInfo:
    cursors = page.cursors
    return PageInfo(
        has_next_page=page.has_next_page,
        has_previous_page=page.has_previous_page,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


async def _made_later(page: Awaitable[Page[Any]], make: Callable[[Page[Any]], Made]) -> Made:
    return make(await page)


def page_request(
    first: int | None,
    after: str | None,
    info: Info | None = None,
    *,
    counts: Counts | None = None,
    default: int = DEFAULT_FIRST,
    maximum: int = MAX_FIRST,
) -> PageRequest:
    """The page a client asks for. Raises BadInputError for a `first` below 1 or above `maximum`.

    With `info` of a list that `db.keyset.fetch_page` reads, the total comes along where it is selected, and so do the
    `counts` of the nodes.
    """
    size = default if first is None else first
    if not 1 <= size <= maximum:
        raise BadInputError(f"`first` must be between 1 and {maximum}, not {size}.", field=("first",))
    if info is None:
        return PageRequest(size, after)
    with_total, counted = counted_below(info)
    along = [] if counts is None else counts.along(info.context, counted)
    return PageRequest(size, after, with_total=with_total, along=along)
