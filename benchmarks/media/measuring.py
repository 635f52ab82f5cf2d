"""What the media benchmarks have in common: CPU of children, rounds that alternate, and a line with a verdict."""

from __future__ import annotations

import resource
import statistics
from collections.abc import Awaitable, Callable, Mapping


def cpu_of_children() -> float:
    """CPU seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cpu_of_self() -> float:
    """CPU seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def alternating(
    ways: Mapping[str, Callable[[], Awaitable[object]]], clock: Callable[[], float], rounds: int
) -> dict[str, float]:
    """The median of each way by the clock. They take turns, so that a busy moment hits all of them."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            before = clock()
            await way()
            found[name].append(clock() - before)
    return {name: statistics.median(values) for name, values in found.items()}


def verdict(name: str, value: float, target: float, unit: str = "x") -> None:
    """A line with the figure, its target, and whether it is met."""
    met = "met" if value <= target else "MISSED"
    print(f"{name:58} {value:8.2f} {unit:5} target <= {target:g} {unit}: {met}")
