"""How many SQL statements each operation took, as a product's access log tells, against the table that pins them.

`tests/e2e/statements.json` holds for each example operation the most that it takes in its story. One that takes
more has lost a batch loader or gained a query; if that is meant, write the new number. A new operation needs a row:
the message of the test that fails has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

DUE = 1  # what is remembered for a while, as how full a project's queue is, may be asked for anew in any of them
PINNED = Path(__file__).parents[1] / "e2e/statements.json"


def told(log: Path) -> dict[str, int]:
    """The most that each named operation took, authentication aside."""
    most: dict[str, int] = {}
    for line in log.read_text().splitlines():
        if '"operation"' not in line:
            continue
        entry = json.loads(line)
        name = entry.get("operation")
        if name:
            most[name] = max(most.get(name, 0), entry["statements"])
    return most


def complaints(seen: dict[str, int], operations: Iterable[str]) -> list[str]:
    """What is wrong with the table or with the operations; subscriptions, which have no such number, do not count."""
    pinned: dict[str, int] = json.loads(PINNED.read_text())
    names = {name for name in operations if name in seen}
    missing = [f'add to {PINNED.name}: "{name}": {seen[name]}' for name in sorted(names - pinned.keys())]
    more = [
        f"{name} takes {seen[name]} statements, {pinned[name]} are pinned in {PINNED.name}"
        for name in sorted(names & pinned.keys())
        if seen[name] > pinned[name] + DUE
    ]
    return missing + more
