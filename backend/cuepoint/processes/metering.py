"""Who counts what paid models take: a meter of the current context, set by whoever runs a piece of work.

A context variable, as for `listening`: no signature on the way has to carry it, and tasks and threads begun inside the
work have the same meter. Without one, nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID, uuid4


@dataclass(frozen=True)
class Use:
    """Tokens that one call took. By `id` it is known again: it may be tried to be written down more than once."""

    model: str
    tokens_in: int
    tokens_out: int = 0
    id: UUID = field(default_factory=uuid4, compare=False)


class Meter:
    """What was taken and not yet written down. Any thread may add to it."""

    def __init__(self) -> None:
        self._uses: list[Use] = []

    @property
    def is_running(self) -> bool:
        """Whether there is anything to write down."""
        return bool(self._uses)

    def add(self, use: Use) -> None:
        """One more."""
        self._uses.append(use)

    def take(self) -> list[Use]:
        """All of them; they are the caller's to write down."""
        uses = self._uses[:]
        del self._uses[: len(uses)]
        return uses

    def put_back(self, uses: Sequence[Use]) -> None:
        """They could not be written down."""
        self._uses[:0] = uses


_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metering(meter: Meter) -> Iterator[Meter]:
    """Everything taken inside the block, and in tasks begun there, is added to `meter`."""
    token = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(token)


def current_meter() -> Meter | None:
    """The meter of this context."""
    return _meter.get()


def note_use(use: Use) -> None:
    """Tell the meter, if there is one."""
    meter = _meter.get()
    if meter is not None:
        meter.add(use)
