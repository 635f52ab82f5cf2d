"""What code costs, counted in calls of functions: the same on every machine, whatever else runs there."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any


class Calls:
    """Counts the calls of functions, those in C too, while it is entered."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Calls:
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, arg: Any) -> None:
        self.count += event in ("call", "c_call")
