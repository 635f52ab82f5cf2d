"""What MAINTENANCE does every hour: each feature registers its chores, and one that fails does not keep the rest."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from cuepoint.errors import AdapterError, CuepointError
from cuepoint.features.jobs.context import TaskContext

Chore = Callable[[TaskContext], Awaitable[dict[str, Any]]]
ChoreT = TypeVar("ChoreT", bound=Chore)

_chores: list[Chore] = []
_log = logging.getLogger(__name__)


def chore(body: ChoreT) -> ChoreT:
    """Register a piece of housekeeping. Its answer becomes part of the job's result; a second run does no harm."""
    _chores.append(body)
    return body


async def do_chores(ctx: TaskContext) -> dict[str, Any]:
    """All of them, one after the other. The first refusal or failure of a third party is raised at the end."""
    result: dict[str, Any] = {}
    failed: CuepointError | AdapterError | None = None
    for body in _chores:
        try:
            result |= await body(ctx)
        except (CuepointError, AdapterError) as error:
            _log.warning("The chore %s failed: %s", getattr(body, "__name__", body), error)
            failed = failed or error
    if failed is not None:
        raise failed
    return result
