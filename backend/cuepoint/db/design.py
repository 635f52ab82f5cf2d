"""Renders the generated sections of database_design.md from the models; the prose around them is written by hand.

A section lies between `<!-- table: NAME -->` and `<!-- /table: NAME -->`. Reasons are the columns' `comment` and the
`info={"reason": ...}` of indexes and constraints, so that they stand beside what they explain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import CheckConstraint, Column, Constraint, Index, MetaData, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import ClauseElement

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_ON_DELETE = {
    "CASCADE": "It goes with what it names.",
    "SET NULL": "It outlives what it names.",
    None: "What it names cannot go before it.",
}
_SECTION = re.compile(r"<!-- table: (?P<name>\w+) -->\n.*?<!-- /table: (?P=name) -->", re.DOTALL)


class DesignError(Exception):
    """The document and the models do not fit together; the message says which table and what to do."""


def render(metadata: MetaData) -> dict[str, str]:
    """The section of each table by its name, in Markdown: columns, then keys and checks, then indexes."""
    return {table.name: _table(table) for table in metadata.sorted_tables}


def update(text: str, metadata: MetaData) -> str:
    """The document with every section written anew. Raises DesignError if a table has no section, or two, or if a
    section has no table: where it stands and what is said around it is for a person to decide."""
    sections = render(metadata)
    found = [match["name"] for match in _SECTION.finditer(text)]
    problems = [f"{name} has no section" for name in sections if name not in found]
    problems += [f"{name} has {found.count(name)} sections" for name in sections if found.count(name) > 1]
    problems += [f"{name} is no table" for name in found if name not in sections]
    if problems:
        raise DesignError(
            f"database_design.md: {'; '.join(problems)}. A section is `<!-- table: NAME -->`, a line break, "
            "`<!-- /table: NAME -->`."
        )

    def anew(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- table: {name} -->\n{sections[name]}\n<!-- /table: {name} -->"

    return _SECTION.sub(anew, text)


def without_reason(metadata: MetaData) -> list[str]:
    """What has no reason yet: tables and columns without a comment, indexes and constraints without `info`."""
    missing: list[str] = []
    for table in metadata.sorted_tables:
        missing += [] if table.comment else [table.name]
        missing += [f"{table.name}.{column.name}" for column in table.columns if not column.comment]
        missing += [str(index.name) for index in table.indexes if not _reason(index)]
        missing += [str(constraint.name) for constraint in _rules(table) if not _reason(constraint)]
    return missing


def _table(table: Table) -> str:
    parts = [
        f"{table.comment or ''}",
        _grid(("Column", "Type", "Null", "Default", "Reason"), map(_column, table.columns)),
        _grid(("Key or check", "Rule", "Reason"), _constraints(table)),
        _grid(("Index", "On", "Reason"), map(_index, sorted(table.indexes, key=lambda index: str(index.name)))),
        _storage(table),
    ]
    return "\n\n".join(part for part in parts if part)


def _column(column: Column[Any]) -> Sequence[str]:
    kind = column.type.compile(dialect=_DIALECT).lower().replace("timestamp with time zone", "timestamptz")
    return (f"`{column.name}`", kind, "null" if column.nullable else "", _default(column), column.comment or "")


def _default(column: Column[Any]) -> str:
    if column.identity is not None:
        return "identity"
    if column.computed is not None:
        return f"generated: `{_sql(column.computed.sqltext)}`"
    if column.server_default is not None:
        given: Any = getattr(column.server_default, "arg", "")
        return f"`{_sql(given) if isinstance(given, ClauseElement) else repr(given) if given == '' else given}`"
    made_by = getattr(column.default, "arg", None)
    return f"{made_by.__name__}, in Python" if callable(made_by) else ""


def _constraints(table: Table) -> Iterator[Sequence[str]]:
    key = table.primary_key
    yield f"`{key.name}`", f"primary key ({', '.join(column.name for column in key.columns)})", "Names the row."
    for foreign in sorted(table.foreign_key_constraints, key=lambda foreign: str(foreign.name)):
        columns = ", ".join(foreign.column_keys)
        target = ", ".join(element.target_fullname for element in foreign.elements)
        action = f" on delete {foreign.ondelete.lower()}" if foreign.ondelete else ""
        yield f"`{foreign.name}`", f"({columns}) references {target}{action}", _ON_DELETE[foreign.ondelete]
    for constraint in _rules(table):
        yield f"`{constraint.name}`", _rule(constraint), _reason(constraint)


def _rules(table: Table) -> list[Constraint]:
    kinds = (CheckConstraint, UniqueConstraint)
    return sorted((c for c in table.constraints if isinstance(c, kinds)), key=lambda constraint: str(constraint.name))


def _rule(constraint: Constraint) -> str:
    if isinstance(constraint, CheckConstraint):
        return f"check `{_sql(constraint.sqltext)}`"
    assert isinstance(constraint, UniqueConstraint)
    return f"unique ({', '.join(column.name for column in constraint.columns)})"


def _reason(item: Index | Constraint) -> str:
    """Its own reason, or the one that follows from how it came about."""
    given = str(item.info.get("reason", ""))
    if given:
        return given
    if isinstance(item, CheckConstraint) and getattr(item, "_type_bound", False):
        return "The values of its enum; a check can lose a value in a rolling deployment, a Postgres enum cannot."
    if isinstance(item, UniqueConstraint) and len(item.columns) == 1:
        (column,) = item.columns
        return column.comment or "" if column.unique else ""
    return ""


def _index(index: Index) -> Sequence[str]:
    options = index.dialect_options["postgresql"]
    parts = [", ".join(_sql(expression) for expression in index.expressions)]
    if options["using"]:
        parts.append(f"using {options['using']}")
    if options["include"]:
        parts.append(f"include ({', '.join(options['include'])})")
    if options["where"] is not None:
        parts.append(f"where {_sql(options['where'])}")
    on = "; ".join(parts)
    return f"`{index.name}`", f"unique: {on}" if index.unique else on, _reason(index)


def _storage(table: Table) -> str:
    options = table.dialect_options["postgresql"]
    parts = [f"{name} {value}" for name, value in (options["with"] or {}).items()]
    if options["partition_by"]:
        parts.append(f"partitioned by {options['partition_by'].lower()}")
    return f"Storage: {', '.join(parts)}." if parts else ""


def _sql(clause: Any) -> str:
    if isinstance(clause, Column):
        return str(clause.name)
    compiled = clause.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
    return " ".join(str(compiled).split())


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; nothing at all without rows."""
    lines = [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines])
