"""A deterministic `Transcriber` for unit tests of others: text from a table, failure and waiting at a chosen window."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from cuepoint.adapters.asr.base import (
    AsrModelInfo,
    AsrPlan,
    AsrSegment,
    AsrWindow,
    AsrWord,
    WindowResult,
)

WINDOW_MS = 30_000


class FakeTranscriber:
    """Window n covers [30 n, 30 n + 30) s and says `texts[n]`: one segment per line, words evenly spread.

    `fail_at` raises `error` instead of giving that window's result. `block_at` sets `reached` before that window and
    waits for `release`. `recognised` lists the indices given out, `plans` the files planned, in order. `hears` are the
    answers of `has_speech`, one after the other.
    """

    def __init__(
        self,
        texts: Mapping[int, str],
        *,
        language: str = "en",
        key: str = "fake-1",
        is_demo: bool = False,
        fail_at: int | None = None,
        error: Exception | None = None,
        block_at: int | None = None,
        hears: Sequence[bool] = (),
    ) -> None:
        self.texts = dict(texts)
        self.fail_at = fail_at
        self.error = error
        self.block_at = block_at
        self.reached = asyncio.Event()
        self.release = asyncio.Event()
        self.recognised: list[int] = []
        self.plans: list[Path] = []
        self.is_closed = False
        self.hears = list(hears)
        self._language = language
        self._info = AsrModelInfo("fake", "fake", is_demo, key)

    def model_info(self) -> AsrModelInfo:
        """Engine and model are called `fake`."""
        return self._info

    async def plan(self, audio: Path, *, language: str | None = None) -> AsrPlan:
        """One window per index up to the highest in the table; no table, no speech."""
        self.plans.append(audio)
        count = max(self.texts, default=-1) + 1
        windows = tuple(AsrWindow(index * WINDOW_MS, (index + 1) * WINDOW_MS) for index in range(count))
        if not windows:
            return AsrPlan((), None, None, WINDOW_MS)
        return AsrPlan(windows, language or self._language, None if language else 1.0, count * WINDOW_MS)

    async def transcribe(
        self, audio: Path, windows: Sequence[tuple[int, AsrWindow]], *, language: str | None
    ) -> AsyncIterator[WindowResult]:
        """The table's text of each window."""
        del audio, language  # the table alone decides
        for index, window in windows:
            if index == self.block_at:
                self.reached.set()
                await self.release.wait()
            if index == self.fail_at:
                assert self.error is not None
                raise self.error
            self.recognised.append(index)
            yield WindowResult(index, _segments(self.texts.get(index, ""), window))

    async def has_speech(self, audio: Path) -> bool:
        """The next answer."""
        del audio
        return self.hears.pop(0)

    async def close(self) -> None:
        """Remember that it was called."""
        self.is_closed = True


def _segments(text: str, window: AsrWindow) -> tuple[AsrSegment, ...]:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    count = sum(len(words) for words in lines)
    step = (window.end_ms - window.start_ms) // count if count else 0
    segments: list[AsrSegment] = []
    start = window.start_ms
    for words in lines:
        timed = tuple(
            AsrWord(word, start + index * step, start + (index + 1) * step, 0.9) for index, word in enumerate(words)
        )
        segments.append(AsrSegment(start, timed[-1].end_ms, " ".join(words), timed, -0.1, 0.01, 1.0))
        start = timed[-1].end_ms
    return tuple(segments)
