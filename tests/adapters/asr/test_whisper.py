"""The real recogniser in its real child process, on the two narrations and on what is no speech."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import psutil
import pytest
from faster_whisper.utils import available_models
from huggingface_hub import constants

from cuepoint.adapters.asr.base import AsrPlan, AsrSegment, AsrWindow, WindowResult
from cuepoint.adapters.asr.model_files import DEMO_MODEL, HUB_REPOSITORIES
from cuepoint.adapters.asr.whisper import Deadlines, WhisperTranscriber
from cuepoint.config import Settings
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from tests.support.speech import (
    NARRATION,
    SAMPLE_RATE,
    VIDEO,
    decode_to_wav,
    load_truth,
    noise,
    read_wav,
    silence,
    tone,
    word_error_rate,
    write_wav,
)

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def narration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decode_to_wav(NARRATION, tmp_path_factory.mktemp("narration") / "audio.wav")


@pytest.fixture(scope="module")
async def transcriber() -> AsyncIterator[WhisperTranscriber]:
    transcriber = WhisperTranscriber(Settings(worker_slots_gpu=1))
    yield transcriber
    await transcriber.close()


async def recognise(
    transcriber: WhisperTranscriber, audio: Path, plan: AsrPlan, *, only: range | None = None
) -> list[WindowResult]:
    windows = [(index, window) for index, window in enumerate(plan.windows) if only is None or index in only]
    return [each async for each in transcriber.transcribe(audio, windows, language=plan.language)]


@pytest.fixture(scope="module")
async def whole(transcriber: WhisperTranscriber, narration: Path) -> tuple[AsrPlan, list[WindowResult]]:
    """The narration, recognised once."""
    plan = await transcriber.plan(narration)
    return plan, await recognise(transcriber, narration, plan)


def segments_of(results: list[WindowResult]) -> list[AsrSegment]:
    return [segment for result in results for segment in result.segments]


class TestRecognition:
    @pytest.mark.parametrize("source", [NARRATION, VIDEO], ids=["narration", "video"])
    async def test_every_word_in_its_time(self, transcriber: WhisperTranscriber, source: Path, tmp_path: Path) -> None:
        truth = load_truth(source)
        audio = decode_to_wav(source, tmp_path / "audio.wav")

        plan = await transcriber.plan(audio)
        segments = segments_of(await recognise(transcriber, audio, plan))

        spoken = [word for sentence in truth for word in sentence.words]
        heard = [word for segment in segments for word in segment.words]
        assert plan.language == "en"
        assert plan.language_probability == pytest.approx(1.0, abs=0.01)
        assert not any(window.is_cut_in_speech for window in plan.windows)
        assert word_error_rate(" ".join(s.text for s in truth), " ".join(s.text for s in segments)) == 0
        assert [word.text for word in heard] == [word.text for word in spoken]
        near = sum(abs(h.start_ms - s.start_ms) <= 150 for h, s in zip(heard, spoken, strict=True))
        assert near / len(spoken) >= 0.93
        assert len(segments) == len(truth)
        assert max(abs(h.start_ms - s.start_ms) for h, s in zip(segments, truth, strict=True)) <= 60

    async def test_segments_are_in_order_inside_their_windows(self, whole: tuple[AsrPlan, list[WindowResult]]) -> None:
        plan, results = whole

        assert [result.index for result in results] == [0, 1, 2]
        at = 0
        for result, window in zip(results, plan.windows, strict=True):
            for segment in result.segments:
                assert max(at, window.start_ms) <= segment.start_ms < segment.end_ms <= window.end_ms
                assert segment.text == " ".join(word.text for word in segment.words)
                at = segment.end_ms

    async def test_a_window_says_the_same_whatever_else_is_recognised(
        self, transcriber: WhisperTranscriber, narration: Path, whole: tuple[AsrPlan, list[WindowResult]]
    ) -> None:
        plan, results = whole

        resumed = await recognise(transcriber, narration, plan, only=range(1, 3))

        assert resumed == results[1:]

    async def test_no_windows_no_child(self, narration: Path) -> None:
        transcriber = WhisperTranscriber(Settings())

        assert [each async for each in transcriber.transcribe(narration, [], language="en")] == []
        assert transcriber.child_pids == []


class TestPlan:
    @pytest.mark.parametrize(
        "samples",
        [
            pytest.param(silence(20), id="silence"),
            pytest.param(noise(20), id="noise"),
            pytest.param(tone(20), id="tone"),
            pytest.param(silence(0.05), id="an instant"),
            pytest.param(silence(0), id="nothing"),
        ],
    )
    async def test_what_is_no_speech_has_no_window_and_no_language(
        self, transcriber: WhisperTranscriber, tmp_path: Path, samples: np.ndarray
    ) -> None:
        audio = write_wav(tmp_path / "audio.wav", samples)

        plan = await transcriber.plan(audio)

        assert plan == AsrPlan((), None, None, len(samples) * 1000 // SAMPLE_RATE)

    async def test_a_given_language_is_taken_as_it_is(self, transcriber: WhisperTranscriber, narration: Path) -> None:
        plan = await transcriber.plan(narration, language="de")

        assert (plan.language, plan.language_probability) == ("de", None)

    async def test_the_language_of_the_settings_is_assumed(self, narration: Path) -> None:
        transcriber = WhisperTranscriber(Settings(whisper_language="fr"))
        try:
            plan = await transcriber.plan(narration)
        finally:
            await transcriber.close()

        assert (plan.language, plan.language_probability) == ("fr", None)

    async def test_an_unknown_language_is_refused_and_the_child_stays(
        self, transcriber: WhisperTranscriber, narration: Path
    ) -> None:
        await transcriber.warm_up()
        before = transcriber.child_pids

        with pytest.raises(CuepointError, match="does not know the language 'klingon'") as refused:
            await transcriber.plan(narration, language="klingon")

        assert refused.value.code is ErrorCode.BAD_USER_INPUT
        assert transcriber.child_pids == before

    @pytest.mark.parametrize("content", [b"", b"not a sound at all"], ids=["empty", "text"])
    async def test_what_is_no_wav_fails_for_good(
        self, transcriber: WhisperTranscriber, tmp_path: Path, content: bytes
    ) -> None:
        audio = tmp_path / "audio.wav"
        audio.write_bytes(content)

        with pytest.raises(AdapterError) as failed:
            await transcriber.plan(audio)

        assert (failed.value.code, failed.value.retryable) == (ErrorCode.MODEL_FAILED, False)

    async def test_a_missing_file_fails_for_good(self, transcriber: WhisperTranscriber, tmp_path: Path) -> None:
        with pytest.raises(AdapterError, match="No such file") as failed:
            await transcriber.plan(tmp_path / "absent.wav")

        assert (failed.value.code, failed.value.retryable) == (ErrorCode.MODEL_FAILED, False)

    async def test_memory_does_not_grow_with_the_length(
        self, transcriber: WhisperTranscriber, narration: Path, tmp_path: Path
    ) -> None:
        """20 minutes: 2 of speech with long silences between, 77 MB as float32."""
        minute = read_wav(narration)[: 30 * SAMPLE_RATE]
        piece = np.concatenate([minute, silence(270)])
        await transcriber.plan(write_wav(tmp_path / "short.wav", piece))
        (pid,) = transcriber.child_pids
        before = psutil.Process(pid).memory_info().rss

        plan = await transcriber.plan(write_wav(tmp_path / "long.wav", piece, repeat=4))

        assert plan.duration_ms == 1_200_000
        assert len(plan.windows) == 4 * 2
        assert transcriber.child_pids == [pid]
        assert psutil.Process(pid).memory_info().rss - before < 40 * 1024**2


class TestChildren:
    async def test_one_child_keeps_its_model_between_requests(
        self, transcriber: WhisperTranscriber, narration: Path
    ) -> None:
        await transcriber.warm_up()
        before = transcriber.child_pids

        await transcriber.plan(narration)

        assert len(before) == 1
        assert transcriber.child_pids == before

    async def test_a_killed_child_is_a_retryable_crash_and_the_next_call_works(
        self, transcriber: WhisperTranscriber, narration: Path
    ) -> None:
        plan = await transcriber.plan(narration)
        (pid,) = transcriber.child_pids
        seen: list[int] = []

        async def work() -> None:
            async for result in transcriber.transcribe(narration, list(enumerate(plan.windows)), language="en"):
                seen.append(result.index)
                os.kill(pid, signal.SIGKILL)

        with pytest.raises(AdapterError) as crashed:
            await work()

        assert (crashed.value.code, crashed.value.retryable) == (ErrorCode.CHILD_CRASHED, True)
        assert "signal 9" in crashed.value.message
        assert seen[0] == 0
        assert len(seen) < 3
        assert not psutil.pid_exists(pid)
        assert len(await recognise(transcriber, narration, plan)) == 3
        assert transcriber.child_pids != [pid]

    async def test_a_child_killed_while_idle_is_replaced(self, transcriber: WhisperTranscriber) -> None:
        await transcriber.warm_up()
        (pid,) = transcriber.child_pids
        os.kill(pid, signal.SIGKILL)

        await transcriber.warm_up()

        assert pid not in transcriber.child_pids
        assert len(transcriber.child_pids) == 1

    async def test_a_consumer_that_stops_ends_the_child(self, transcriber: WhisperTranscriber, narration: Path) -> None:
        plan = await transcriber.plan(narration)
        (pid,) = transcriber.child_pids

        async with aclosing(transcriber.transcribe(narration, list(enumerate(plan.windows)), language="en")) as results:
            first = await anext(results)

        assert first.index == 0
        assert not psutil.pid_exists(pid)
        assert transcriber.child_pids == []

    async def test_a_cancelled_task_ends_the_child(self, transcriber: WhisperTranscriber, narration: Path) -> None:
        plan = await transcriber.plan(narration)
        (pid,) = transcriber.child_pids
        started = asyncio.Event()

        async def work() -> None:
            async for _ in transcriber.transcribe(narration, list(enumerate(plan.windows)) * 20, language="en"):
                started.set()

        task = asyncio.create_task(work())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert not psutil.pid_exists(pid)
        assert transcriber.child_pids == []

    async def test_a_child_that_is_too_late_is_ended(self, narration: Path) -> None:
        transcriber = WhisperTranscriber(Settings(), deadlines=Deadlines(window=0.001))

        with pytest.raises(AdapterError, match=r"did not answer within 0\.001 s") as failed:
            await recognise(transcriber, narration, AsrPlan((AsrWindow(0, 20_400),), "en", None, 76_110))

        assert (failed.value.code, failed.value.retryable) == (ErrorCode.CHILD_CRASHED, True)
        assert transcriber.child_pids == []

    async def test_two_requests_take_two_children_and_a_third_waits(self, narration: Path) -> None:
        transcriber = WhisperTranscriber(Settings(worker_slots_gpu=2))
        try:
            plans = await asyncio.gather(*(transcriber.plan(narration) for _ in range(3)))

            assert len(transcriber.child_pids) == 2
            assert plans[0] == plans[1] == plans[2]
            pids = transcriber.child_pids
        finally:
            await transcriber.close()
        assert transcriber.child_pids == []
        assert not any(psutil.pid_exists(pid) for pid in pids)


class TestModel:
    def test_the_demo_says_so(self) -> None:
        info = WhisperTranscriber(Settings()).model_info()

        assert (info.engine, info.model, info.is_demo, len(info.key)) == ("faster-whisper", "whisper-demo", True, 64)

    def test_the_sizes_are_those_of_the_library(self) -> None:
        assert sorted(HUB_REPOSITORIES) == sorted(available_models())

    async def test_an_unknown_path_is_not_found(self, narration: Path) -> None:
        transcriber = WhisperTranscriber(Settings(whisper_model="/nowhere/at/all"))

        with pytest.raises(CuepointError) as refused:
            transcriber.model_info()
        with pytest.raises(CuepointError) as refused_too:
            await transcriber.plan(narration)

        assert refused.value.code is refused_too.value.code is ErrorCode.MODEL_NOT_FOUND
        assert transcriber.child_pids == []

    async def test_a_damaged_model_fails(self, narration: Path, tmp_path: Path) -> None:
        model = Path(shutil.copytree(DEMO_MODEL, tmp_path / "model"))
        (model / "model.bin").write_bytes(b"\0" * 1000)
        transcriber = WhisperTranscriber(Settings(whisper_model=str(model)))

        with pytest.raises(AdapterError) as failed:
            await transcriber.plan(narration)

        assert failed.value.code is ErrorCode.MODEL_FAILED
        assert transcriber.child_pids == []

    async def test_a_device_that_is_not_there_fails_when_it_was_asked_for(self, narration: Path) -> None:
        transcriber = WhisperTranscriber(Settings(whisper_device="cpu", whisper_compute_type="float16"))

        with pytest.raises(AdapterError, match="float16") as failed:
            await transcriber.plan(narration)

        assert failed.value.code is ErrorCode.MODEL_FAILED

    async def test_a_hub_out_of_reach_is_worth_another_try(
        self, narration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
        transcriber = WhisperTranscriber(Settings(whisper_model="tiny", model_downloads=True))

        with pytest.raises(AdapterError, match="Systran/faster-whisper-tiny could not be fetched") as failed:
            await transcriber.plan(narration)

        assert (failed.value.code, failed.value.retryable) == (ErrorCode.MODEL_FAILED, True)


@pytest.mark.long
class TestHours:
    async def test_an_hour_is_recognised_in_flat_memory(
        self, transcriber: WhisperTranscriber, narration: Path, tmp_path: Path
    ) -> None:
        """The narration 44 times over, 1 h; windows fall differently each time, words must not."""
        truth = " ".join(sentence.text for sentence in load_truth(NARRATION))
        once = np.concatenate([read_wav(narration), silence(6)])
        once_ms = len(once) * 1000 // SAMPLE_RATE
        audio = write_wav(tmp_path / "long.wav", once, repeat=44)
        plan = await transcriber.plan(audio)
        (pid,) = transcriber.child_pids
        planned = psutil.Process(pid).memory_info().rss

        segments = segments_of(await recognise(transcriber, audio, plan))

        heard = [" ".join(s.text for s in segments if s.start_ms // once_ms == turn) for turn in range(44)]
        errors = [word_error_rate(truth, text) for text in heard]
        assert max(errors) <= 0.03
        assert sum(errors) / len(errors) <= 0.01
        assert psutil.Process(pid).memory_info().rss - planned < 60 * 1024**2
