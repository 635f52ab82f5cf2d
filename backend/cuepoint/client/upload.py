"""tus 1.0 uploads that go on where they stopped."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2

from cuepoint.client.errors import RequestFailure
from cuepoint.client.http import CuepointClient

CHUNK_BYTES = 16 * 1024 * 1024  # one PATCH; what the server has confirmed is never sent again
READ_BYTES = 1024 * 1024
TRIES = 5
TUS = {"Tus-Resumable": "1.0.0"}


async def upload_file(
    client: CuepointClient, url: str, path: Path, on_progress: Callable[[int, int], None] = lambda _done, _size: None
) -> None:
    """Send the file to a tus URL. A broken connection is taken up again at the confirmed offset.

    Raises RequestFailure when the server refuses, or does not answer five times in a row.
    """
    size = await asyncio.to_thread(os.path.getsize, path)
    failures = 0
    offset = await _offset(client, url)
    on_progress(offset, size)
    while offset < size:
        try:
            response = await client.http.patch(
                url,
                content=_read(path, offset, min(CHUNK_BYTES, size - offset)),
                headers={
                    **TUS,
                    "Content-Type": "application/offset+octet-stream",
                    "Upload-Offset": str(offset),
                    "Content-Length": str(min(CHUNK_BYTES, size - offset)),
                },
            )
        except httpx2.TransportError as error:
            failures += 1
            if failures >= TRIES:
                raise RequestFailure(f"the upload broke off {failures} times: {error!r}") from None
            await asyncio.sleep(0.2 * 2**failures)
            offset = await _offset(client, url)
            continue
        if response.status_code == 409:  # another writer, or a confirmed write whose answer was lost
            offset = await _offset(client, url)
            continue
        if response.status_code != 204:
            raise RequestFailure(f"the upload was refused with {response.status_code}: {response.text[:500]}")
        failures = 0
        offset = int(response.headers["Upload-Offset"])
        on_progress(offset, size)


async def _offset(client: CuepointClient, url: str) -> int:
    try:
        response = await client.http.head(url, headers=TUS)
    except httpx2.TransportError as error:
        raise RequestFailure(f"{url} cannot be reached: {error!r}") from None
    if response.status_code not in (200, 204):
        raise RequestFailure(f"the upload cannot be asked for its offset: {response.status_code}")
    return int(response.headers["Upload-Offset"])


async def _read(path: Path, offset: int, length: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while length > 0 and (piece := await asyncio.to_thread(file.read, min(READ_BYTES, length))):
            length -= len(piece)
            yield piece
