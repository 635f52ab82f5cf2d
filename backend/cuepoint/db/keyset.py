"""Keyset pagination: opaque cursors over (sort key, id) that stay stable while rows are inserted."""

from __future__ import annotations

import base64
import binascii
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

MAX_CURSOR = 500  # characters; the longest of ours, a time and a UUID, has 102
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


def encode_cursor(values: Sequence[Any]) -> str:
    """An opaque cursor for one row's sort values."""
    return base64.urlsafe_b64encode(orjson.dumps(list(values), default=str)).decode().rstrip("=")


def decode_cursor(cursor: str, types: Sequence[type]) -> tuple[Any, ...]:
    """The sort values of a cursor, as the given types. Raises BadInputError on anything that is not one of ours."""
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError(cursor[:MAX_CURSOR])
        raw = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(raw, list) or len(raw) != len(types):
            raise ValueError(cursor)
        return tuple(_convert(value, kind) for value, kind in zip(raw, types, strict=True))
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise BadInputError(
            "The cursor is not one that this list gave out. Pass pageInfo.endCursor unchanged, or leave `after` out.",
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

    def __init__(self, rows: Sequence[Any], names: Sequence[str]) -> None:
        self._rows = rows
        self._names = names

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        row = self._rows[place]
        return encode_cursor([getattr(row, name) for name in self._names])


async def fetch_page(
    session: AsyncSession,
    statement: Select[Any],
    keys: Sequence[tuple[ColumnElement[Any] | Any, type]],
    page: PageRequest,
    *,
    descending: bool = False,
) -> Page[Any]:
    """One page of entities of `statement`, ordered by `keys` (attribute, Python type); the last key must be unique.

    All keys run in one direction, so that the row comparison can use an index on them. One statement, the total and
    what comes along included.
    """
    columns = [column for column, _ in keys]
    wanted = statement
    if page.after is not None:
        values = decode_cursor(page.after, [kind for _, kind in keys])
        bound = tuple_(*[literal(v, column.type) for v, column in zip(values, columns, strict=True)])
        wanted = wanted.where(tuple_(*columns) < bound if descending else tuple_(*columns) > bound)
    order = [column.desc() if descending else column.asc() for column in columns]
    wanted = wanted.order_by(*order).limit(page.first + 1)
    beside = [one.column for one in page.along]
    if page.with_total:
        beside.append(select(func.count()).select_from(statement.subquery()).scalar_subquery())
    if not beside:
        return _page_of(list((await session.scalars(wanted)).all()), columns, page)
    rows = (await session.execute(wanted.add_columns(*beside))).all()
    for place, one in enumerate(page.along, 1):
        for row in rows:
            one.tell(row[0].id, row[place])
    found = _page_of([row[0] for row in rows], columns, page)
    return replace(found, total=_total(rows, page)) if page.with_total else found


def _total(rows: Sequence[Any], page: PageRequest) -> int | None:
    """Behind the end of a list nothing says how long it is."""
    if rows:
        return int(rows[0][-1])
    return 0 if page.after is None else None


def _page_of(rows: list[Any], columns: Sequence[Any], page: PageRequest) -> Page[Any]:
    shown = rows[: page.first]
    return Page(
        shown, Cursors(shown, [str(column.key) for column in columns]), len(rows) > page.first, page.after is not None
    )


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
    columns = [column for column, _ in keys]
    parents = table_of(parent_ids)
    inner = select(entity).where(parent == parents.c.id, *where)
    if page.after is not None:
        values = decode_cursor(page.after, [kind for _, kind in keys])
        bound = tuple_(*[literal(v, column.type) for v, column in zip(values, columns, strict=True)])
        inner = inner.where(tuple_(*columns) < bound if descending else tuple_(*columns) > bound)
    order = [column.desc() if descending else column.asc() for column in columns]
    names = [one.key for one in class_mapper(entity).column_attrs if one.key not in without]
    read = [getattr(entity, name).label(name) for name in names]
    lateral = inner.with_only_columns(*read).order_by(*order).limit(page.first + 1).lateral("page")
    statement = select(parents.c.id, *[lateral.c[name] for name in names]).select_from(parents).join(lateral, true())
    outer = [lateral.c[str(column.key)] for column in columns]
    statement = statement.order_by(parents.c.id, *[c.desc() if descending else c.asc() for c in outer])
    grouped: dict[UUID, list[T]] = {parent_id: [] for parent_id in parent_ids}
    for row in await session.execute(statement):
        grouped[row[0]].append(detached(entity, dict(zip(names, row[1:], strict=True))))
    return {parent_id: _page_of(rows, columns, page) for parent_id, rows in grouped.items()}
