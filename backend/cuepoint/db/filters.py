"""Conditions joined by and, or and not: what filters have in common, whatever they filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, true

from cuepoint.errors import BadInputError

# Deeper than this nobody reads, and the planner gains nothing.
MAX_LEVELS = 3
MAX_MEMBERS = 10


class Combinable(Protocol):
    """A filter that may hold others of its kind; empty fields do not narrow."""

    @property
    def all_of(self) -> Sequence[Combinable]:
        """All of these must let a row through."""

    @property
    def any_of(self) -> Sequence[Combinable]:
        """One of these must."""

    @property
    def none_of(self) -> Combinable | None:
        """This one must not."""


F = TypeVar("F")


def combined(
    all_of: Sequence[F],
    any_of: Sequence[F],
    none_of: F | None,
    conditions: Callable[[F], Sequence[ColumnElement[bool]]],
) -> list[ColumnElement[bool]]:
    """The conditions that the filters inside a filter add to its own. What is unknown (null) is not fulfilled."""
    found = [_whole(one, conditions) for one in all_of]
    if any_of:
        found.append(or_(*[_whole(one, conditions) for one in any_of]))
    if none_of is not None:
        found.append(not_(func.coalesce(_whole(none_of, conditions), false())))
    return found


def check_levels(wanted: Combinable, level: int = 1) -> None:
    """Raise BadInputError for filters that nest too deep, or hold too many."""
    inner = [*wanted.all_of, *wanted.any_of, *([] if wanted.none_of is None else [wanted.none_of])]
    if inner and level >= MAX_LEVELS:
        raise BadInputError(f"and, or and not may nest {MAX_LEVELS} levels deep, no more.", field=("filter",))
    if len(inner) > MAX_MEMBERS:
        raise BadInputError(f"A filter may hold {MAX_MEMBERS} others, not {len(inner)}.", field=("filter",))
    for one in inner:
        check_levels(one, level + 1)


def _whole(wanted: F, conditions: Callable[[F], Sequence[ColumnElement[bool]]]) -> ColumnElement[bool]:
    return and_(true(), *conditions(wanted))
