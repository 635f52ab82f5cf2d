"""Entities out of what a statement returned that the ORM has not written: without another read of the row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import Enum as SqlEnum
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import make_transient_to_detached

T = TypeVar("T")


def returned(session: AsyncSession, kind: type[T], row: Mapping[str, Any]) -> T:
    """The entity of a row that has all columns of its table, as the driver gives them; it belongs to the session.

    Of the types of our columns only the choices are something else to the driver: texts.
    """
    values = {}
    for attribute in inspect(kind).column_attrs:
        column = attribute.columns[0]
        value = row[column.name]
        is_choice = isinstance(column.type, SqlEnum) and value is not None
        values[attribute.key] = column.type.python_type(value) if is_choice else value
    entity = kind(**values)
    make_transient_to_detached(entity)
    session.add(entity)
    return entity
