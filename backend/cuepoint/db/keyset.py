"""Keyset pagination: opaque cursors over (sort key, id) that stay stable while rows are inserted.

A cursor names its ordering, as the sort values of another one may be of the same types: times, or texts and ids.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, ColumnElement, Select, TableValuedAlias, Uuid, func, literal, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import class_mapper

from cuepoint.db.reading import detached
from cuepoint.errors import BadInputError

T = TypeVar("T")

MAX_CURSOR = 6_000  # characters; a path of 4,096 bytes, the longest key of any list, takes 5,500
INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)


class Int64(int):
    """The kind of a key whose column is `bigint`; `int` stands for `integer` columns."""


@dataclass(frozen=True)
class Along:
    """What is read along with each row of a page: a column, and who is told its value by the row's key."""

    column: ColumnElement[Any]
    tell: Callable[[UUID, Any], None]


@dataclass(frozen=True)
class PageRequest:
    """What a client asks for: the first `first` rows after the cursor `after`, and the length of the whole list."""

    first: int
    after: str | None = None
    with_total: bool = field(default=False, kw_only=True)
    along: Sequence[Along] = field(default=(), kw_only=True, compare=False)


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page: rows with their cursors, and whether more follow or precede."""

    rows: Sequence[T]
    cursors: Sequence[str]
    has_next_page: bool
    has_previous_page: bool
    total: int | None = None  # length of the whole list, where it was asked for along with the page


def encode_cursor(values: Sequence[Any], ordering: str) -> str:
    """An opaque cursor for one row's sort values in that ordering."""
    named = [zlib.crc32(ordering.encode()), *values]
    return base64.urlsafe_b64encode(orjson.dumps(named, default=str)).decode().rstrip("=")


def decode_cursor(cursor: str, types: Sequence[type], ordering: str) -> tuple[Any, ...]:
    """The sort values of a cursor of that ordering, as the given types. Raises BadInputError on anything else."""
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError(cursor[:MAX_CURSOR])
        raw = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(raw, list) or raw[:1] != [zlib.crc32(ordering.encode())]:
            raise ValueError(cursor)
        return tuple(_convert(value, kind) for value, kind in zip(raw[1:], types, strict=True))
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise BadInputError(
            "The cursor is not one that this list gave out in this order. Pass pageInfo.endCursor unchanged, or leave "
            "`after` out.",
            field=("after",),
        ) from None


def _convert(value: Any, kind: type) -> Any:
    """The value as that type, within what Postgres takes; raises what `decode_cursor` catches."""
    if kind is datetime and isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC)
    if kind is UUID and isinstance(value, str):
        return UUID(value)
    if isinstance(value, bool) or (isinstance(value, str) and "\0" in value):
        raise ValueError(value)
    if kind is float and isinstance(value, int | float):
        return float(value)
    if kind is Int64 and isinstance(value, int) and value in INT64:
        return value
    if not isinstance(value, kind) or (kind is int and value not in INT32):
        raise ValueError(value)
    return value


class Cursors(Sequence[str]):
    """The cursors of rows, made when they are looked at: most pages are read without."""

    def __init__(self, rows: Sequence[Any], names: Sequence[str], ordering: str) -> None:
        self._rows = rows
        self._names = names
        self._ordering = ordering

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        row = self._rows[place]
        return encode_cursor([getattr(row, name) for name in self._names], self._ordering)


class Ordering:
    """Of a list, along `keys` (attribute, Python type), of which the last must be unique.

    All run in one direction, so that the row comparison can use an index on them.
    """

    def __init__(self, keys: Sequence[tuple[ColumnElement[Any] | Any, type]], *, descending: bool = False) -> None:
        self.columns = [column for column, _ in keys]
        self._types = [kind for _, kind in keys]
        self._descending = descending
        names = [f"{getattr(getattr(one, 'class_', None), '__name__', '')}.{one.key}" for one in self.columns]
        self.name = " ".join([*names, "desc" if descending else "asc"])

    def ordered(self, statement: Select[Any], columns: Sequence[Any]) -> Select[Any]:
        """The statement, ordered by what stands for the columns in it."""
        return statement.order_by(*[column.desc() if self._descending else column.asc() for column in columns])

    def page_of(self, statement: Select[Any], page: PageRequest) -> Select[Any]:
        """The rows of that page, and one more if there is one."""
        if page.after is not None:
            values = decode_cursor(page.after, self._types, self.name)
            bound = tuple_(*[literal(v, column.type) for v, column in zip(values, self.columns, strict=True)])
            place = tuple_(*self.columns)
            statement = statement.where(place < bound if self._descending else place > bound)
        return self.ordered(statement, self.columns).limit(page.first + 1)

    def read(self, rows: list[Any], page: PageRequest) -> Page[Any]:
        """The page that was read."""
        shown = rows[: page.first]
        cursors = Cursors(shown, [str(column.key) for column in self.columns], self.name)
        return Page(shown, cursors, len(rows) > page.first, page.after is not None)


async def fetch_page(
    session: AsyncSession,
    statement: Select[Any],
    keys: Sequence[tuple[ColumnElement[Any] | Any, type]],
    page: PageRequest,
    *,
    descending: bool = False,
) -> Page[Any]:
    """One page of entities of `statement`, ordered by `keys`, in one statement with the total and what comes along."""
    ordering = Ordering(keys, descending=descending)
    wanted = ordering.page_of(statement, page)
    beside = [one.column for one in page.along]
    if page.with_total:
        beside.append(select(func.count()).select_from(statement.subquery()).scalar_subquery())
    if not beside:
        return ordering.read(list((await session.scalars(wanted)).all()), page)
    rows = (await session.execute(wanted.add_columns(*beside))).all()
    for place, one in enumerate(page.along, 1):
        for row in rows:
            one.tell(row[0].id, row[place])
    found = ordering.read([row[0] for row in rows], page)
    return replace(found, total=_total(rows, page)) if page.with_total else found


def _total(rows: Sequence[Any], page: PageRequest) -> int | None:
    """Behind the end of a list nothing says how long it is."""
    if rows:
        return int(rows[0][-1])
    return 0 if page.after is None else None


def table_of(ids: Sequence[UUID]) -> TableValuedAlias:
    """Keys as a table with the column `id`."""
    return func.unnest(literal(list(ids), ARRAY(Uuid))).table_valued("id", name="parents").render_derived()


async def fetch_pages(
    session: AsyncSession,
    entity: type[T],
    parent: ColumnElement[Any] | Any,
    parent_ids: Sequence[UUID],
    keys: Sequence[tuple[ColumnElement[Any] | Any, type]],
    page: PageRequest,
    *,
    where: Sequence[ColumnElement[bool]] = (),
    without: Sequence[str] = (),
    descending: bool = False,
) -> dict[UUID, Page[T]]:
    """The same page of each parent's list, in one statement: a lateral join reads `first` + 1 rows per parent.

    Attributes named in `without` are not read; the rows, which belong to no session, raise if they are asked for them.
    """
    ordering = Ordering(keys, descending=descending)
    parents = table_of(parent_ids)
    names = [one.key for one in class_mapper(entity).column_attrs if one.key not in without]
    read = [getattr(entity, name).label(name) for name in names]
    inner = select(*read).where(parent == parents.c.id, *where)
    lateral = ordering.page_of(inner, page).lateral("page")
    statement = select(parents.c.id, *[lateral.c[name] for name in names]).select_from(parents).join(lateral, true())
    outer = [lateral.c[str(column.key)] for column in ordering.columns]
    statement = ordering.ordered(statement.order_by(parents.c.id), outer)
    grouped: dict[UUID, list[T]] = {parent_id: [] for parent_id in parent_ids}
    for row in await session.execute(statement):
        grouped[row[0]].append(detached(entity, dict(zip(names, row[1:], strict=True))))
    return {parent_id: ordering.read(rows, page) for parent_id, rows in grouped.items()}
