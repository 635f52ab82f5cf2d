"""How many operations a caller may send: a token bucket for each API key or address, in the memory of this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from cuepoint.errors import RateLimitedError

# Buckets that are kept; the one unused for longest goes first. A caller whose bucket went begins with a full one.
MAX_CALLERS = 10_000


class RateLimiter:
    """Each caller has `burst` tokens, refilled at `per_minute`; an operation takes one. 0 a minute: no limit."""

    def __init__(self, per_minute: int, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, caller: Hashable) -> None:
        """Count one operation. Raises RateLimitedError, which costs the caller nothing more."""
        if self._per_second == 0:
            return
        now = self._clock()
        left, since = self._buckets.get(caller, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        if left < 1:
            seconds = round((1 - left) / self._per_second, 3)
            raise RateLimitedError(
                f"Too many operations; send it again in {seconds} s.", retry_after_seconds=max(seconds, 0.001)
            )
        self._buckets[caller] = (left - 1, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
