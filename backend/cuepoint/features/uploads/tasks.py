"""Housekeeping of uploads: what was begun and never finished, or never became a video, is swept."""

from __future__ import annotations

import contextlib
from typing import Any

from cuepoint.errors import CuepointError
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.uploads import service


@task(JobKind.MAINTENANCE)
async def sweep_uploads(ctx: TaskContext) -> dict[str, Any]:
    """Expired uploads end as EXPIRED and their bytes are removed. One that receives bytes now is left for next time."""
    swept = 0
    last = None
    while True:
        async with ctx.db.read() as session:
            expired = await service.expired_uploads(session, last)
        for last in expired:
            with contextlib.suppress(CuepointError):  # somebody writes to it
                swept += await service.expire(ctx.db, ctx.adapters.storage, last)
            ctx.report(0.5, f"{swept} expired uploads swept")
        if not expired:
            return {"sweptUploads": swept}
