"""Loops that must not end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from cuepoint.processes.endless import keep_going


class TestKeepGoing:
    async def test_what_broke_off_or_ended_begins_again_until_it_is_cancelled(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        begun: list[int] = []
        is_third = asyncio.Event()

        async def loop() -> None:
            begun.append(len(begun))
            if len(begun) == 1:
                raise RuntimeError("a bug")
            if len(begun) == 3:
                is_third.set()
                await asyncio.Future()

        task = asyncio.create_task(keep_going("the loop", loop, 0.0))
        await asyncio.wait_for(is_third.wait(), 5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

        assert (begun, task.cancelled()) == ([0, 1, 2], True)
        assert caplog.text.count("the loop broke off and begins again") == 2
        assert "a bug" in caplog.text
