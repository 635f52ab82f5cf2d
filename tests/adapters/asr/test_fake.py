"""The fake recogniser of unit tests keeps the promises of the port."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cuepoint.adapters.asr.base import AsrWindow, AsrWord, Transcriber
from cuepoint.adapters.asr.fake import FakeTranscriber
from cuepoint.errors import AdapterError, ErrorCode

AUDIO = Path("audio.wav")


async def recognise(fake: Transcriber) -> list[tuple[int, list[str]]]:
    plan = await fake.plan(AUDIO)
    windows = list(enumerate(plan.windows))
    return [
        (result.index, [segment.text for segment in result.segments])
        async for result in fake.transcribe(AUDIO, windows, language=plan.language)
    ]


class TestFakeTranscriber:
    async def test_text_comes_from_the_table(self) -> None:
        fake = FakeTranscriber({0: "Hello there.\nAgain.", 2: "The end."})

        assert await recognise(fake) == [(0, ["Hello there.", "Again."]), (1, []), (2, ["The end."])]
        assert fake.recognised == [0, 1, 2]

    async def test_words_are_spread_over_the_window(self) -> None:
        fake = FakeTranscriber({0: "one two\nthree"})

        (result,) = [each async for each in fake.transcribe(AUDIO, [(0, AsrWindow(0, 3_000))], language="en")]

        assert [(s.start_ms, s.end_ms) for s in result.segments] == [(0, 2_000), (2_000, 3_000)]
        assert result.segments[1].words == (AsrWord("three", 2_000, 3_000, 0.9),)

    async def test_no_table_is_no_speech(self) -> None:
        plan = await FakeTranscriber({}).plan(AUDIO)

        assert (plan.windows, plan.language) == ((), None)

    async def test_it_fails_where_it_is_told(self) -> None:
        error = AdapterError(ErrorCode.CHILD_CRASHED, "gone", retryable=True)
        fake = FakeTranscriber({0: "a", 1: "b"}, fail_at=1, error=error)

        with pytest.raises(AdapterError, match="gone"):
            await recognise(fake)

        assert fake.recognised == [0]

    async def test_it_waits_where_it_is_told(self) -> None:
        fake = FakeTranscriber({0: "a", 1: "b"}, block_at=1)
        work = asyncio.create_task(recognise(fake))
        await fake.reached.wait()
        seen = list(fake.recognised)

        fake.release.set()

        assert seen == [0]
        assert await work == [(0, ["a"]), (1, ["b"])]
