"""`home/run/stack.json`: how other commands on the same data directory find what `cuepoint up` runs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Running:
    """What runs on a data directory: the process in charge, the addresses, and the ids of all its processes."""

    pid: int
    database_url: str | None = None
    redis_url: str | None = None
    api_url: str | None = None
    pids: dict[str, int] = field(default_factory=dict)


def write_file(home: Path, running: Running) -> None:
    """Write the file, readable by its owner only, whole or not at all."""
    directory = home / "run"
    directory.mkdir(mode=0o700, exist_ok=True)
    draft = directory / "stack.json.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(running), file)
    draft.replace(directory / "stack.json")


def read_file(home: Path) -> Running | None:
    """What the file says, which may be left over from a process that was killed: ask `lock.is_locked` as well."""
    try:
        return Running(**json.loads((home / "run" / "stack.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remove_file(home: Path) -> None:
    """Nothing runs any more."""
    (home / "run" / "stack.json").unlink(missing_ok=True)
