"""What lies in a bucket, for whoever compares it with the rows: open uploads, and writes nobody finished."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from cuepoint.adapters.storage.base import OpenBytes, UnfinishedWrite
from cuepoint.adapters.storage.bucket import OBJECTS
from cuepoint.adapters.storage.s3_multipart import Multipart, OpenMultipart
from cuepoint.adapters.storage.s3_objects import BucketObjects

UPLOADS = "uploads/"


async def list_uploads(objects: BucketObjects, multipart: Multipart) -> AsyncIterator[list[OpenBytes]]:
    """See the port: what has a ledger, a remainder or parts. Few are open at a time, so all are held at once."""
    newest: dict[str, datetime] = {}
    async for page in objects.pages(UPLOADS):
        for file in page:
            _note(newest, file.key, file.modified_at)
    async for found in multipart.list(UPLOADS):
        _note(newest, found.path, found.started_at)
    yield [OpenBytes(key, modified_at) for key, modified_at in newest.items()]


def _note(newest: dict[str, datetime], name: str, modified_at: datetime) -> None:
    """`name` is `uploads/<upload key>/<one of its objects>`."""
    key = name.removeprefix(UPLOADS).rpartition("/")[0]
    newest[key] = max(modified_at, newest.get(key, modified_at))


async def list_unfinished(multipart: Multipart) -> AsyncIterator[list[UnfinishedWrite]]:
    """See the port: open multipart uploads of objects."""
    page: list[OpenMultipart] = [found async for found in multipart.list(OBJECTS)]
    yield [UnfinishedWrite(found.path.removeprefix(OBJECTS), found.upload_id, found.started_at) for found in page]
