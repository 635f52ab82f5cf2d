"""Pieces of a stream become blocks; what breaks off keeps what arrived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cuepoint.adapters.storage.intake import BLOCK_BYTES, BLOCK_PIECES, blocks_of
from cuepoint.errors import CuepointError, ErrorCode


async def stream(*pieces: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    """These pieces, then that error."""
    for piece in pieces:
        yield piece
    if error is not None:
        raise error


class SenderGoneError(Exception):
    """As a web framework has one of its own."""


class TestBlocksOf:
    async def test_small_pieces_are_gathered_and_empty_ones_dropped(self) -> None:
        assert [block async for block in blocks_of(stream(b"a", b"", b"b"))] == [[b"a", b"b"]]

    async def test_nothing_gives_nothing(self) -> None:
        assert [block async for block in blocks_of(stream())] == []

    async def test_blocks_end_by_bytes(self) -> None:
        half = bytes(BLOCK_BYTES // 2)

        assert [len(block) async for block in blocks_of(stream(half, half, half))] == [2, 1]

    async def test_blocks_end_by_pieces(self) -> None:
        assert [len(block) async for block in blocks_of(stream(*[b"x"] * (BLOCK_PIECES + 1)))] == [BLOCK_PIECES, 1]

    @pytest.mark.parametrize("error", [SenderGoneError(), ConnectionResetError(), TimeoutError()])
    async def test_a_broken_stream_gives_what_arrived(self, error: Exception) -> None:
        assert [block async for block in blocks_of(stream(b"a", b"b", error=error))] == [[b"a", b"b"]]

    async def test_an_error_of_ours_passes(self) -> None:
        refused = CuepointError(ErrorCode.UPLOAD_TOO_LARGE, "too large")

        with pytest.raises(CuepointError) as caught:
            [block async for block in blocks_of(stream(b"a", error=refused))]

        assert caught.value is refused

    async def test_a_cancel_ends_the_reading_task(self) -> None:
        closed, started = asyncio.Event(), asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            try:
                started.set()
                await asyncio.Event().wait()
                yield b""
            finally:
                closed.set()

        async def consume() -> None:
            async for _ in blocks_of(endless()):
                pass

        task = asyncio.create_task(consume())
        await started.wait()
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed.is_set()
