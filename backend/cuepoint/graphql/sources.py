"""Where a subscription's source stands, so that readers who stand at the same place can be told by one of them.

A source tells it while it waits for news; the transports compare, and what they share is written in `api.fanout`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True)
class Standing:
    """A place: readers of the same source with equal standings are told the same from here on."""

    position: int | str  # number or cursor of the event that a subscription is resumed after
    shown: Hashable = None  # what else was told, which no position holds: progress


class Source(Protocol):
    """What a subscription reads from."""

    @property
    def standing(self) -> Standing | None:
        """Where its reader stands, who has been told everything before; None while there is something to tell."""
        ...

    @property
    def behind_since(self) -> float | None:
        """Since when (`time.monotonic`) there has been something that its reader was not told; None: they know all."""
        ...

    def leave(self) -> None:
        """Tell nothing more: the reader is told by another from where it stands."""
        ...


Introduce: TypeAlias = Callable[[Source], None]  # how a source makes itself known to whoever shares it
