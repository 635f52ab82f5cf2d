"""Bytes on their way in: pieces of a network stream gathered into blocks that are worth a write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

from cuepoint.adapters.storage.base import Piece
from cuepoint.errors import AdapterError, CuepointError

BLOCK_BYTES = 4 << 20  # pieces of 4 MiB to a write took 2.6 CPU seconds a GB, network included
BLOCK_PIECES = 512  # half of Linux's IOV_MAX, so that one pwritev takes a block of small pieces too

_log = logging.getLogger(__name__)


async def blocks_of(stream: AsyncIterable[Piece]) -> AsyncGenerator[list[Piece], None]:
    """The stream as lists of pieces, each list about 4 MiB; the next one fills while the last one is written.

    A stream that breaks off, by whatever error its server has for a sender who went away, just ends: what arrived
    before is given. Only our own errors pass, as someone raised them on purpose.
    """
    pieces = aiter(stream)
    block: list[Piece] = []
    filling = asyncio.create_task(_fill(pieces, block))
    try:
        while True:
            await asyncio.wait((filling,))
            more = _more(filling)
            full = block
            if more:
                block = []
                filling = asyncio.create_task(_fill(pieces, block))
            if full:
                yield full
            if not more:
                return
    finally:
        filling.cancel()
        await asyncio.wait((filling,))


async def _fill(pieces: AsyncIterator[Piece], block: list[Piece]) -> bool:
    """Take pieces until the block is full; False at the end of the stream."""
    size = 0
    async for piece in pieces:
        if piece:
            block.append(piece)
            size += len(piece)
        if size >= BLOCK_BYTES or len(block) >= BLOCK_PIECES:
            return True
    return False


def _more(filling: asyncio.Task[bool]) -> bool:
    error = filling.exception()
    if isinstance(error, CuepointError | AdapterError):
        raise error
    if error is not None:
        _log.info("an upload stream broke off: %s: %s", type(error).__name__, error)
        return False
    return filling.result()
