"""Entities out of what a statement returned that the ORM has not written: without another read of the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Enum as SqlEnum
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, make_transient_to_detached

T = TypeVar("T")


def returned(session: AsyncSession, kind: type[T], row: Mapping[str, Any]) -> T:
    """The entity of a row that has all columns of its table, as the driver gives them; it belongs to the session."""
    mapper = inspect(kind)
    entity: T = mapper.class_manager.new_instance()
    values = vars(entity)
    for key, name, choice in _columns(mapper):
        value = row[name]
        values[key] = value if choice is None or value is None else choice(value)
    make_transient_to_detached(entity)
    session.add(entity)
    return entity


@cache
def _columns(mapper: Mapper[Any]) -> list[tuple[str, str, Callable[[Any], Any] | None]]:
    """Attribute, column, and what makes the value of the driver's: only choices are something else to it, texts."""
    found = []
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        choice = column.type.python_type if isinstance(column.type, SqlEnum) else None
        found.append((attribute.key, column.name, choice))
    return found
