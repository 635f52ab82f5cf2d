"""The slots of one lane in one worker, and the short jobs that were claimed ahead of them."""

from __future__ import annotations

import time
from collections import deque

from cuepoint.worker.attempt import Attempt

# A claim costs as much as starting and ending some ten jobs that do nothing. Where jobs are that short, claims that
# fetch more than there are slots pay; jobs of a second gain nothing, and would keep others of the fleet waiting.
SHORT_SECONDS = 0.005
AHEAD = 4  # times the slots
WAIT_SECONDS = 0.1  # a job that was claimed ahead and has no slot by then is given back
FIRST_GUESS_SECONDS = 1.0  # so that some two dozen short jobs come before the first claim ahead
WEIGHT = 0.2  # of the newest job in the mean


class LaneSlots:
    """Counts free slots, and holds what was claimed ahead in order."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._free = slots
        self._mean_seconds = FIRST_GUESS_SECONDS
        self._ahead: deque[tuple[float, Attempt]] = deque()

    @property
    def room(self) -> int:
        """How many jobs to claim now; 0 while enough wait here."""
        if self._mean_seconds > SHORT_SECONDS:
            return 0 if self._ahead else self._free
        return 0 if len(self._ahead) >= self._slots else self._free + AHEAD * self._slots - len(self._ahead)

    @property
    def has_waiting(self) -> bool:
        """Whether something claimed waits for a slot."""
        return bool(self._ahead)

    def take(self, attempt: Attempt, *, may_begin: bool = True) -> bool:
        """Whether there is a slot for it; if not, it waits for one."""
        if self._free > 0 and may_begin:
            self._free -= 1
            return True
        self._ahead.append((time.monotonic(), attempt))
        return False

    def ended(self, seconds: float, *, may_begin: bool = True) -> Attempt | None:
        """A job has left its slot after so long. What takes the slot now; None: it is free."""
        self._mean_seconds += WEIGHT * (seconds - self._mean_seconds)
        if self._ahead and may_begin:
            return self._ahead.popleft()[1]
        self._free += 1
        return None

    def give_up(self, *, older_than_seconds: float = 0.0) -> list[Attempt]:
        """What has waited so long, in order; it waits here no more. The jobs are not that short, then."""
        due = time.monotonic() - older_than_seconds
        late: list[Attempt] = []
        while self._ahead and self._ahead[0][0] <= due:
            late.append(self._ahead.popleft()[1])
        if late:
            self._mean_seconds = FIRST_GUESS_SECONDS
        return late
