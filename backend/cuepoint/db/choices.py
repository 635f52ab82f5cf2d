"""The closed lists that `db.base.choice` checks: migrations add values to a column's list, and take them away again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from alembic import op
from sqlalchemy import text

_VALUE = re.compile(r"'([A-Za-z0-9_]+)'")
_DEFINITION = text("""
select pg_get_constraintdef(oid) from pg_constraint
where conrelid = cast(:table as regclass) and conname = :name
""")


def add_values(table: str, column: str, values: Sequence[str]) -> None:
    """The column may also hold these; what others have added to the list stays."""
    known = _values(table, column)
    _replace(table, column, [*known, *(value for value in values if value not in known)])


def remove_values(table: str, column: str, values: Sequence[str]) -> None:
    """The column may hold these no more; rows that do are deleted."""
    listed = ", ".join(f"'{value}'" for value in values)
    op.execute(f"delete from {table} where {column} in ({listed})")  # noqa: S608 - names and values of a migration
    _replace(table, column, [value for value in _values(table, column) if value not in values])


def _values(table: str, column: str) -> list[str]:
    definition = op.get_bind().execute(_DEFINITION, {"table": table, "name": _name(table, column)}).scalar_one()
    return _VALUE.findall(definition)


def _replace(table: str, column: str, values: Sequence[str]) -> None:
    name = _name(table, column)
    listed = ", ".join(f"'{value}'" for value in values)
    op.execute(f"alter table {table} drop constraint {name}, add constraint {name} check ({column} in ({listed}))")


def _name(table: str, column: str) -> str:
    return f"ck_{table}_{column}"
