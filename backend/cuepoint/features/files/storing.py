"""Storing a file whose row is written when its job ends: neither is ever left without the other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from cuepoint.adapters.storage.base import ObjectInfo
from cuepoint.db.session import Database
from cuepoint.features.files.hashes import hash_of
from cuepoint.features.files.layout import file_key
from cuepoint.features.files.models import FileArea
from cuepoint.features.files.service import Attempt, announce_file

if TYPE_CHECKING:
    from cuepoint.adapters.bundle import Adapters


class Storing(Protocol):
    """What is needed of a running attempt; a TaskContext has it."""

    @property
    def job_id(self) -> UUID:
        """The job."""
        ...

    @property
    def attempt(self) -> int:
        """Its running attempt."""
        ...

    @property
    def db(self) -> Database:
        """Units of work."""
        ...

    @property
    def adapters(self) -> Adapters:
        """The ports."""
        ...


async def store_file(
    ctx: Storing, area: FileArea, *, project_id: UUID, owner_id: UUID, name: str, path: Path, suffix: str | None = None
) -> ObjectInfo:
    """The file lies in storage under a key of its project, area, owner, name and bytes; its `key` belongs into a row
    that is written by `ctx.finish` or `ctx.save`. If the attempt ends without one, the file is removed.

    `name` is any text, `suffix` that of the path unless given. Raises AdapterError STORAGE_UNAVAILABLE (retryable) and
    CuepointError INSUFFICIENT_STORAGE.
    """
    content_hash = await asyncio.to_thread(hash_of, path)
    key = file_key(project_id, area, owner_id, name, content_hash, path.suffix if suffix is None else suffix)
    async with ctx.db.write() as session:
        await announce_file(session, key, Attempt(ctx.job_id, ctx.attempt), project_id=project_id)
    return await ctx.adapters.storage.put_file(key, path)
