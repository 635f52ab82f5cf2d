"""Copies inside an object store, of any size: one call up to 256 MiB, beyond that in parts of that size."""

from __future__ import annotations

import asyncio

from cuepoint.adapters.storage.base import ObjectInfo
from cuepoint.adapters.storage.s3_multipart import Multipart
from cuepoint.adapters.storage.s3_objects import BucketObjects

# A copy answers when it is done. 5 GiB is the most that S3 takes at once, which can last minutes; this lasts seconds.
COPY_BYTES = 256 << 20
COPIES_AT_ONCE = 8

CopiedPart = tuple[int, str, int]  # number, ETag, bytes


async def copy_whole(
    objects: BucketObjects, multipart: Multipart, source: ObjectInfo, target: str, *, most: int = COPY_BYTES
) -> None:
    """`target` is a copy of `source`; it appears whole. `most`: bytes of one call."""
    if source.size_bytes <= most:
        await objects.copy(source.key, target)
        return
    upload_id, parts = await copy_parts(multipart, source.key, target, source.size_bytes, most, most=most)
    await multipart.complete(target, upload_id, [(number, etag) for number, etag, _ in parts])


async def copy_parts(
    multipart: Multipart, source: str, target: str, size_bytes: int, unit: int, *, most: int = COPY_BYTES
) -> tuple[str, list[CopiedPart]]:
    """A new multipart upload of `target` whose parts are the first bytes of `source`; its id, and the parts in order.

    Parts are the largest multiple of `unit` that is no more than `most`, so that none but the last of a whole object
    is smaller than S3 allows.
    """
    span = unit * max(1, most // unit)
    upload_id = await multipart.create(target)
    free = asyncio.Semaphore(COPIES_AT_ONCE)

    async def copy(number: int, start: int) -> CopiedPart:
        end = min(start + span, size_bytes)
        async with free:
            return number, await multipart.copy_part(target, upload_id, number, source, start, end), end - start

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(copy(n, start)) for n, start in enumerate(range(0, size_bytes, span), 1)]
    return upload_id, [task.result() for task in tasks]
