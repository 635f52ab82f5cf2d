"""Keyset pagination: opaque cursors over (sort key, id) that stay stable while rows are inserted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, func, literal, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, defer

from cuepoint.errors import BadInputError

T = TypeVar("T")

MAX_CURSOR = 500  # characters; the longest of ours, a time and a UUID, has 102
INT32 = range(-(2**31), 2**31)  # every number that lists are sorted by is an `integer` column


@dataclass(frozen=True)
class PageRequest:
    """What a client asks for: the first `first` rows after the cursor `after`."""

    first: int
    after: str | None = None


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page: rows with their cursors, and whether more follow or precede."""

    rows: Sequence[T]
    cursors: Sequence[str]
    has_next_page: bool
    has_previous_page: bool


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
    if isinstance(value, bool):
        raise ValueError(value)
    if kind is float and isinstance(value, int | float):
        return float(value)
    if not isinstance(value, kind) or (kind is int and value not in INT32):
        raise ValueError(value)
    return value


async def fetch_page(
    session: AsyncSession,
    statement: Select[Any],
    keys: Sequence[tuple[ColumnElement[Any] | Any, type]],
    page: PageRequest,
    *,
    descending: bool = False,
) -> Page[Any]:
    """One page of entities of `statement`, ordered by `keys` (attribute, Python type); the last key must be unique.

    All keys run in one direction, so that the row comparison can use an index on them. One statement.
    """
    columns = [column for column, _ in keys]
    if page.after is not None:
        values = decode_cursor(page.after, [kind for _, kind in keys])
        bound = tuple_(*[literal(v, column.type) for v, column in zip(values, columns, strict=True)])
        statement = statement.where(tuple_(*columns) < bound if descending else tuple_(*columns) > bound)
    order = [column.desc() if descending else column.asc() for column in columns]
    rows = list((await session.scalars(statement.order_by(*order).limit(page.first + 1))).all())
    return _page_of(rows, columns, page)


def _page_of(rows: list[Any], columns: Sequence[Any], page: PageRequest) -> Page[Any]:
    shown = rows[: page.first]
    cursors = [encode_cursor([getattr(row, str(column.key)) for column in columns]) for row in shown]
    return Page(shown, cursors, len(rows) > page.first, page.after is not None)


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

    Attributes named in `without` are not read; the rows raise if they are asked for them.
    """
    columns = [column for column, _ in keys]
    parents = func.unnest(literal(list(parent_ids), ARRAY(Uuid))).table_valued("id", name="parents").render_derived()
    inner = select(entity).where(parent == parents.c.id, *where)
    if page.after is not None:
        values = decode_cursor(page.after, [kind for _, kind in keys])
        bound = tuple_(*[literal(v, column.type) for v, column in zip(values, columns, strict=True)])
        inner = inner.where(tuple_(*columns) < bound if descending else tuple_(*columns) > bound)
    order = [column.desc() if descending else column.asc() for column in columns]
    lateral = inner.order_by(*order).limit(page.first + 1).lateral("page")
    row_of = aliased(entity, lateral)
    statement = select(parents.c.id, row_of).select_from(parents).join(lateral, true())
    outer = [getattr(row_of, str(column.key)) for column in columns]
    statement = statement.options(*[defer(getattr(row_of, name), raiseload=True) for name in without])
    statement = statement.order_by(parents.c.id, *[c.desc() if descending else c.asc() for c in outer])
    grouped: dict[UUID, list[T]] = {parent_id: [] for parent_id in parent_ids}
    for parent_id, row in (await session.execute(statement)).all():
        grouped[parent_id].append(row)
    return {parent_id: _page_of(rows, columns, page) for parent_id, rows in grouped.items()}
