"""The declarative base, column types and naming conventions that every feature's tables share."""

from __future__ import annotations

import os
import time
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import DateTime, MetaData, func
from sqlalchemy import Enum as SqlEnum
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

# Every constraint and index has a name that can be computed, so that migrations can drop what they made.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def uuid7() -> UUID:
    """A new UUIDv7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, 12 of their fraction, 62 random ones.

    Keys made at about the same time lie side by side in the index, and those of one process in the order in which
    they were made (method 3 of section 6.2: steps of 244 ns). `uuid.uuid7` of the standard library is newer than
    Python 3.11, our floor.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    value = milliseconds << 80 | 7 << 76 | (rest << 12) // 1_000_000 << 64 | int.from_bytes(os.urandom(8))
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


class Base(DeclarativeBase):
    """Base of all tables. `datetime` is `timestamptz` everywhere."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True)}


class Keyed:
    """A UUIDv7 key made in Python, and the time of creation by the database's clock."""

    id: Mapped[UUID] = mapped_column(
        primary_key=True,
        default=uuid7,
        sort_order=-100,
        comment="Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.",
    )
    created_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), sort_order=90, comment="By the database's clock."
    )


class HalfVector(UserDefinedType[Any]):
    """`halfvec(n)` passed through to asyncpg's own codec.

    pgvector's SQLAlchemy type sends text, which fails on a connection where the binary codec is registered.
    """

    cache_ok = True

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    def get_col_spec(self, **_: Any) -> str:
        """The column type as written in DDL."""
        return f"halfvec({self.dimensions})"


def choice(values: type[Enum], name: str) -> SqlEnum:
    """A text column with a check: unlike a Postgres enum type it can lose a value in a rolling deployment."""
    return SqlEnum(
        values,
        name=name,
        native_enum=False,
        length=32,
        create_constraint=True,
        values_callable=lambda members: [m.value for m in members],
    )


def is_storable(text: str) -> bool:
    """Whether Postgres can store the text: no NUL, no lone surrogate."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
