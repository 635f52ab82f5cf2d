"""What was measured against what was wanted: a line as it comes, and a table for the README at the end."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """One figure. `spread` says how far the single ones lie apart, `goal` what it has to be."""

    target: str
    what: str
    figure: str
    spread: str
    goal: str
    is_met: bool


@dataclass
class Results:
    """All of them."""

    rows: list[Result] = field(default_factory=list)

    def add(self, target: str, what: str, figure: str, spread: str, goal: str, *, is_met: bool) -> None:
        """A line, at once."""
        self.rows.append(Result(target, what, figure, spread, goal, is_met))
        verdict = "met" if is_met else "MISSED"
        print(f"  {target:3} {what:46} {figure:>24}  {spread:40} {goal:22} {verdict}", flush=True)

    def add_times(self, target: str, what: str, values: Sequence[float], *, p50: float | None, p99: float) -> None:
        """Milliseconds: their median and 99th percentile; None as the goal of the median is none."""
        middle, late = statistics.median(values), percentile(values, 0.99)
        goal = f"p99 <= {p99:g} ms" if p50 is None else f"p50 <= {p50:g}, p99 <= {p99:g} ms"
        spread = f"p10 {percentile(values, 0.1):.2f}, p90 {percentile(values, 0.9):.2f}, worst {max(values):.1f} ms"
        is_met = late <= p99 and (p50 is None or middle <= p50)
        figure = f"p50 {middle:.2f}, p99 {late:.2f} ms"
        self.add(target, what, figure, f"{spread}, n {len(values)}", goal, is_met=is_met)

    def markdown(self, versions: Mapping[str, str]) -> str:
        """The table, and what it was measured with."""
        lines = ["| | what | measured | spread | target | |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {r.target} | {r.what} | {r.figure} | {r.spread} | {r.goal} | {'met' if r.is_met else '**missed**'} |"
            for r in self.rows
        ]
        return "\n".join([*lines, "", ", ".join(f"{name} {version}" for name, version in versions.items()) + "."])


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> dict[str, str]:
    """What this runs on, and how busy it is with other things."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in _lines(info) if line.startswith("model name")]
    total = next((int(line.split()[1]) for line in _lines(Path("/proc/meminfo")) if line.startswith("MemTotal")), 0)
    return {
        "Python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}",
        "memory": f"{total / 2**20:.0f} GiB",
        "kernel": platform.release(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
