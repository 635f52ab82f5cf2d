"""Housekeeping of uploads: what was begun and never finished, or never became a video, is swept."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from cuepoint.errors import AdapterError, CuepointError
from cuepoint.features.jobs.chores import chore
from cuepoint.features.jobs.context import TaskContext, task
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.uploads import service
from cuepoint.features.uploads.parts import check_whole_upload

_log = logging.getLogger(__name__)


@task(JobKind.UPLOAD_CHECK)
async def check_upload(ctx: TaskContext) -> None:
    """An upload that came in parts has its hash and is COMPLETE."""
    await check_whole_upload(ctx)


@chore
async def sweep_uploads(ctx: TaskContext) -> dict[str, Any]:
    """Expired uploads end as EXPIRED and their bytes are removed. One that receives bytes now is left for next time."""
    swept = 0
    last = None
    while True:
        async with ctx.db.read() as session:
            expired = await service.expired_uploads(session, last)
        for last in expired:
            swept += await _expire(ctx, last)
            ctx.report(0.5, f"{swept} expired uploads swept")
        if not expired:
            return {"sweptUploads": swept}


async def _expire(ctx: TaskContext, upload_id: UUID) -> bool:
    """Whether the upload was swept. One that cannot be now, as somebody writes to it or a file resists, is passed."""
    try:
        return await service.expire(ctx.db, ctx.adapters.storage, upload_id)
    except CuepointError:
        return False
    except AdapterError as error:
        _log.warning("Upload %s was not swept: %s", upload_id, error.message)
        return False
