"""Reads on asyncpg itself: SQLAlchemy writes a select once for each shape of it, and takes no part in its execution.

A unit of work has nothing to do where nothing changes, and it costs several times what the statement does. What is no
plain select - text, options of the ORM, tuples in a list - takes SQLAlchemy's own way.
Entities come without a session: their columns are there to be read, and nothing else of them.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import ARRAY, Dialect, Select, TupleType, inspect
from sqlalchemy.engine import Engine, IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from cuepoint.db.connecting import Deadline
from cuepoint.db.driver import ERRORS, is_lost

MAX_SHAPES = 1_000  # the product has some hundreds; a shape takes about 20 KiB

_LIST = re.compile(r"(NOT )?IN \(__\[POSTCOMPILE_(\w+)\]\)")  # what SQLAlchemy leaves open until it has the values

T = TypeVar("T")
Convert = Callable[[Any], Any]
Maker = Callable[[asyncpg.Record], Any]


def detached(kind: type[T], values: dict[str, Any]) -> T:
    """An entity of these columns that belongs to no session."""
    entity = kind.__new__(kind)
    entity.__dict__ = values
    return entity


@dataclass(frozen=True)
class _Parameter:
    """Where the value of a parameter comes from: its place among the statement's values, or a constant."""

    place: int | None
    constant: Any
    convert: Convert | None


@dataclass(frozen=True)
class _Group:
    """Columns of a record that make one member of a row: an entity of `kind`, or a value where that is None."""

    kind: type | None
    names: tuple[str, ...]
    types: tuple[Any, ...]
    key: int = 0  # which of the columns is the entity's key: null where an outer join found none

    def converts(self, start: int, oids: Sequence[int], dialect: Dialect) -> list[tuple[int, Convert]]:
        """Which of the columns hold something else in Python than asyncpg makes of them, and how to get it."""
        return [
            (place, convert)
            for place, own in enumerate(self.types)
            if (convert := own.dialect_impl(dialect).result_processor(dialect, oids[start + place])) is not None
        ]

    def maker(self, start: int, oids: Sequence[int], dialect: Dialect) -> Maker:
        """What makes it of a record whose columns begin at `start` and have these types in Postgres."""
        converts = self.converts(start, oids, dialect)
        if self.kind is None:
            return _value_maker(start, converts[0][1] if converts else None)
        named = [(self.names[place], convert) for place, convert in converts]
        return _entity_maker(self.kind, self.names, named, slice(start, start + len(self.names)), start + self.key)


@dataclass
class _Shape:
    """A select as Postgres gets it, and what becomes of its records."""

    sql: str
    parameters: tuple[_Parameter, ...]
    groups: tuple[_Group, ...]
    names: SimpleResultMetaData
    makers: tuple[Maker, ...] = ()  # known once Postgres has told the types of the columns
    is_plain: bool = False  # the records are the rows

    def values(self, given: Sequence[Any]) -> list[Any]:
        """The parameters of one execution."""
        found = []
        for parameter in self.parameters:
            value = parameter.constant if parameter.place is None else given[parameter.place].effective_value
            found.append(value if parameter.convert is None else parameter.convert(value))
        return found

    async def learn(self, driver: Any, dialect: Dialect) -> None:
        """Ask Postgres for the types of the columns."""
        oids = [attribute.type.oid for attribute in (await driver.prepare(self.sql)).get_attributes()]
        makers, start = [], 0
        for group in self.groups:
            makers.append(group.maker(start, oids, dialect))
            start += len(group.names)
        self.is_plain = not any(
            group.kind or group.converts(0, oids[place:], dialect) for place, group in enumerate(self.groups)
        )
        self.makers = tuple(makers)

    def rows(self, records: Sequence[asyncpg.Record]) -> Iterable[tuple[Any, ...]]:
        """What the caller gets of them."""
        if len(self.makers) == 1:
            make = self.makers[0]
            return [(make(record),) for record in records]
        if self.is_plain:
            return map(tuple, records)
        return [tuple([make(record) for make in self.makers]) for record in records]


class Selects:
    """The shapes of the selects that the readers of one engine have run, and how long each may take."""

    def __init__(self, engine: Engine, seconds: float | None = None) -> None:
        self.engine = engine
        self.deadline = Deadline(seconds)
        self._shapes: OrderedDict[Any, _Shape | None] = OrderedDict()

    def find(self, statement: Any) -> tuple[_Shape, Sequence[Any]] | None:
        """The shape of a statement and its values; None for one that SQLAlchemy must run."""
        if not isinstance(statement, Select):
            return None
        key = statement._generate_cache_key()  # noqa: SLF001  # what SQLAlchemy itself tells statements apart by
        if key is None or key.params:
            return None
        try:
            shape = self._shapes[key.key]
            self._shapes.move_to_end(key.key)
        except KeyError:
            shape = self._shapes[key.key] = _shape_of(statement, key.bindparams, self.engine.dialect)
            if len(self._shapes) > MAX_SHAPES:
                self._shapes.popitem(last=False)
        return None if shape is None else (shape, key.bindparams)


class _Session(Session):
    """SQLAlchemy's side of a reader: before it takes a connection, `take_over` gives the reader's own back."""

    def __init__(self, take_over: Callable[[], None], deadline: Deadline, **options: Any) -> None:
        super().__init__(**options)
        self._take_over = take_over
        self._deadline = deadline

    def get_bind(self, *args: Any, **options: Any) -> Any:
        """What every statement asks for first."""
        self._take_over()
        return super().get_bind(*args, **options)

    def execute(self, *args: Any, **options: Any) -> Any:
        """The result of a statement; `get` comes here too."""
        driver: Any = self.connection().connection.driver_connection
        self._deadline.begin(driver)
        try:
            return super().execute(*args, **options)
        finally:
            self._deadline.end(driver)


class Reader(AsyncSession):
    """A session for statements that change nothing, each of them its own transaction.

    It has one connection at a time, or readers that wait for their second would wait for each other: once SQLAlchemy
    has run a statement, it runs all that follow. Like any session it is one task's.
    """

    def __init__(self, selects: Selects, **options: Any) -> None:
        self._selects = selects
        self._options = options
        self._connection: PoolProxiedConnection | None = None
        self._is_sqlalchemys = False
        self._is_busy = False
        self._is_closed = False
        self.has_asked = False  # whether Postgres was reached at all

    def __getattr__(self, name: str) -> Any:
        """SQLAlchemy's session is made when something is asked for that only it can do."""
        if name.startswith("__") or "sync_session" in self.__dict__:
            raise AttributeError(name)
        deadline = self._selects.deadline
        super().__init__(sync_session_class=_Session, take_over=self._hand_over, deadline=deadline, **self._options)
        return getattr(self, name)

    async def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """The result of a statement."""
        is_plain = params is None and not options and not self._is_sqlalchemys
        found = self._selects.find(statement) if is_plain else None
        if found is None:
            return await super().execute(statement, params, **options)
        shape, given = found
        records = await self._fetch(shape, shape.values(given))
        return IteratorResult(shape.names, iter(shape.rows(records)))

    async def scalars(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """The first column of its rows."""
        return (await self.execute(statement, params, **options)).scalars()

    async def scalar(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """The first column of its first row; None without one."""
        return (await self.execute(statement, params, **options)).scalar()

    async def close(self) -> None:
        """Give the connection back; a statement that another task still runs gives it back itself."""
        self._is_closed = True
        try:
            if self._connection is not None and not self._is_busy:
                await greenlet_spawn(self._give_back)
        finally:
            if "sync_session" in self.__dict__:
                await super().close()

    def _hand_over(self) -> None:
        self._require_idle()
        self._is_sqlalchemys = self.has_asked = True
        self._give_back()

    def _require_idle(self) -> None:
        if self._is_busy:
            raise InvalidRequestError("This reader is running a statement for another task; open one for each task.")

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _fetch(self, shape: _Shape, values: list[Any]) -> Sequence[asyncpg.Record]:
        self._require_idle()
        self._is_busy = True
        try:
            return await self._fetch_alone(shape, values)
        finally:
            self._is_busy = False
            if self._is_closed:
                await greenlet_spawn(self._give_back)

    async def _connect(self, shape: _Shape, values: list[Any]) -> PoolProxiedConnection:
        engine = self._selects.engine
        try:
            return await greenlet_spawn(engine.raw_connection)
        except (*ERRORS, engine.dialect.loaded_dbapi.Error) as error:  # the socket's come bare, as from any session
            raise DBAPIError(shape.sql, values, error, connection_invalidated=True) from error

    async def _fetch_alone(self, shape: _Shape, values: list[Any]) -> Sequence[asyncpg.Record]:
        if self._connection is None:
            self._connection = await self._connect(shape, values)
            self.has_asked = True
        for note in self._selects.engine.dispatch.before_cursor_execute:
            note(None, None, shape.sql, tuple(values), None, False)
        driver: Any = self._connection.driver_connection
        self._selects.deadline.begin(driver)
        try:
            if not shape.makers:
                await shape.learn(driver, self._selects.engine.dialect)
            records: list[asyncpg.Record] = await driver.fetch(shape.sql, *values)
        except (*ERRORS, OSError) as error:
            if has_lost := is_lost(driver, error):
                await self._give_up()
            raise DBAPIError(shape.sql, values, error, connection_invalidated=has_lost) from error
        except BaseException:  # cancelled: nobody knows what the server is at
            await self._give_up()
            raise
        finally:
            self._selects.deadline.end(driver)
        return records

    async def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await greenlet_spawn(connection.invalidate)


def _shape_of(statement: Select[Any], given: Sequence[Any], dialect: Dialect) -> _Shape | None:
    if statement._with_options:  # noqa: SLF001  # no public way to know
        return None
    columns: list[Any] = []
    groups: list[_Group] = []
    for one in statement.column_descriptions:
        own, group = _group_of(one["expr"])
        columns += own
        groups.append(group)
    compiled: Any = statement.with_only_columns(*columns).compile(dialect=dialect)
    places = {bind.key: place for place, bind in enumerate(given)}
    binds = [compiled.binds[name] for name in compiled.positiontup or ()]
    lists = {name: compiled.binds[name] for name in compiled.positiontup or () if compiled.binds[name].expanding}
    single = [_parameter(bind, bind.type, places, dialect) for bind in binds if not bind.expanding]
    several = [_parameter(bind, ARRAY(bind.type), places, dialect) for bind in lists.values()]
    sql = _with_arrays(compiled.string, lists, len(single), dialect)
    if sql is None:
        return None
    names = SimpleResultMetaData([one["name"] for one in statement.column_descriptions])
    return _Shape(sql, (*single, *several), tuple(groups), names)


def _parameter(bind: Any, kind: Any, places: Mapping[str, int], dialect: Dialect) -> _Parameter:
    place = places.get(bind.key)
    constant = None if place is not None else bind.effective_value
    return _Parameter(place, constant, kind.dialect_impl(dialect).bind_processor(dialect))


def _with_arrays(sql: str, lists: Mapping[str, Any], taken: int, dialect: Dialect) -> str | None:
    """`in` with a list as `= any` with an array: one statement, prepared once, whatever the number of values."""
    if any(isinstance(bind.type, TupleType) for bind in lists.values()):
        return None
    numbers = {name: number for number, name in enumerate(lists, taken + 1)}

    def array(match: re.Match[str]) -> str:
        kind = ARRAY(lists[match[2]].type).compile(dialect=dialect)
        return f"{'<> ALL' if match[1] else '= ANY'} (${numbers[match[2]]}::{kind})"

    found = _LIST.sub(array, sql)
    return None if "__[POSTCOMPILE" in found else found


def _group_of(selected: Any) -> tuple[list[Any], _Group]:
    """The columns of an entity or of a plain expression."""
    found: Any = inspect(selected, raiseerr=False)
    if not (getattr(found, "is_mapper", False) or getattr(found, "is_aliased_class", False)):
        return [selected], _Group(None, ("",), (selected.type,))
    names = tuple(attribute.key for attribute in found.mapper.column_attrs)
    columns = [getattr(selected, name) for name in names]
    key = found.mapper.get_property_by_column(found.mapper.primary_key[0]).key
    return columns, _Group(found.mapper.class_, names, tuple(column.type for column in columns), names.index(key))


def _value_maker(place: int, convert: Convert | None) -> Maker:
    if convert is None:
        return lambda record: record[place]
    return lambda record: convert(record[place])


def _entity_maker(
    kind: type, names: Sequence[str], converts: Sequence[tuple[str, Convert]], span: slice, key: int
) -> Maker:
    def make(record: asyncpg.Record) -> Any:
        if record[key] is None:
            return None
        values = dict(zip(names, record[span], strict=True))
        for name, convert in converts:
            values[name] = convert(values[name])
        return detached(kind, values)

    return make
