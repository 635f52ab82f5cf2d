"""Who this worker is now: it gets a new id when it was declared lost."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any
from uuid import UUID

from cuepoint.config import Settings
from cuepoint.db.base import uuid7


@dataclass
class Identity:
    """The current id. `changed` wakes whoever listens under the old one."""

    worker_id: UUID = field(default_factory=uuid7)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def renew(self) -> None:
        """A new id from now on."""
        self.worker_id = uuid7()
        self.changed.set()
        self.changed = asyncio.Event()


def slots_of(settings: Settings) -> Mapping[str, int]:
    """Jobs at a time by lane, for the lanes that this worker serves."""
    slots = {
        "cpu": settings.worker_slots_cpu,
        "gpu": settings.worker_slots_gpu,
        "io": settings.worker_slots_io,
        "llm": settings.worker_slots_llm,
    }
    return {lane: slots[lane] for lane in settings.worker_lanes if slots.get(lane, 0) > 0}


def worker_info() -> dict[str, Any]:
    """What people want to know of a worker process."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "version": version("cuepoint"),
        "python": sys.version.split()[0],
    }
