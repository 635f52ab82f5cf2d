"""`WhisperTranscriber`: the port of speech recognition on faster-whisper models, each in a warm child process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuepoint.adapters.asr.base import (
    AsrModelInfo,
    AsrPlan,
    AsrSegment,
    AsrWindow,
    AsrWord,
    WindowResult,
)
from cuepoint.adapters.asr.download import download_model
from cuepoint.adapters.asr.model_files import ENGINE, find_model, model_key
from cuepoint.adapters.asr.pool import ChildPool, RecogniserChild
from cuepoint.config import Settings


@dataclass(frozen=True)
class Deadlines:
    """Longest waits for one answer of a child, in seconds; beyond them it is taken for hung and ended.

    A window costs about 4.5 s with `small` on one core, and large-v3 is some eight times as dear; ten minutes leave
    room for a machine that does much else. Planning runs at more than 100 times real time here.
    """

    window: float = 600.0
    plan: float = 300.0
    plan_per_media_second: float = 0.1


_BYTES_PER_MEDIA_SECOND = 32_000  # 16 kHz mono s16


class WhisperTranscriber:
    """Implements `Transcriber`. Children start at the first use and stay, with their model loaded, until `close`."""

    def __init__(self, settings: Settings, *, deadlines: Deadlines | None = None) -> None:
        """At most `worker_slots_gpu` children; nothing is read, imported or started here."""
        self._settings = settings
        self._deadlines = deadlines or Deadlines()
        self._download_lock = asyncio.Lock()
        self._pool = ChildPool(max(1, settings.worker_slots_gpu), self._load_request)

    def model_info(self) -> AsrModelInfo:
        """The model in use; raises CuepointError MODEL_NOT_FOUND with the setting to change when it is not there."""
        settings = self._settings
        source = find_model(settings.whisper_model, downloads=settings.model_downloads)
        key = model_key(source, device=settings.whisper_device, compute_type=settings.whisper_compute_type)
        return AsrModelInfo(ENGINE, source.name, source.is_demo, key)

    async def plan(self, audio: Path, *, language: str | None = None) -> AsrPlan:
        """Cut a 16 kHz mono s16 WAV file into windows at its silences and decide its language once.

        A language given here, or else by CUEPOINT_WHISPER_LANGUAGE, is taken as it is, with probability None.
        """
        request = {"op": "plan", "audio": str(audio), "language": language or self._settings.whisper_language}
        async with self._pool.borrow() as child:
            await child.send(request)
            answer = await child.receive(self._plan_deadline(audio))
        return _plan(answer["plan"])

    async def transcribe(
        self, audio: Path, windows: Sequence[tuple[int, AsrWindow]], *, language: str | None
    ) -> AsyncIterator[WindowResult]:
        """Yield the result of each (index, window), in the order given; to stop in between ends the child."""
        if not windows:
            return
        request = {
            "op": "transcribe",
            "audio": str(audio),
            "windows": [(index, window.start_ms, window.end_ms) for index, window in windows],
            "language": language,
        }
        async with self._pool.borrow() as child:
            await child.send(request)
            for _ in windows:
                answer = await child.receive(self._deadlines.window)
                yield WindowResult(answer["index"], tuple(_segment(each) for each in answer["segments"]))

    async def has_speech(self, audio: Path) -> bool:
        """See the port. In a child of its own: those of the pool begin with their model, which may be large."""
        child = await RecogniserChild.start()
        try:
            await child.send({"op": "has-speech", "audio": str(audio)})
            answer = await child.receive(self._plan_deadline(audio))
        finally:
            await asyncio.shield(child.end())
        return bool(answer["has_speech"])

    async def warm_up(self) -> None:
        """Have a child with its model loaded, which answers."""
        async with self._pool.borrow():
            return

    async def close(self) -> None:
        """End the child processes."""
        await self._pool.close()

    @property
    def child_pids(self) -> list[int]:
        """Process ids of the children, for whoever watches their memory."""
        return self._pool.pids

    def _plan_deadline(self, audio: Path) -> float:
        return self._deadlines.plan + self._deadlines.plan_per_media_second * _media_seconds(audio)

    async def _load_request(self) -> dict[str, Any]:
        settings = self._settings
        async with self._download_lock:
            source = find_model(settings.whisper_model, downloads=settings.model_downloads)
            directory = source.directory
            if directory is None:
                assert source.repository is not None
                directory = await download_model(source.repository)
        return {
            "model": str(directory),
            "device": settings.whisper_device,
            "compute_type": settings.whisper_compute_type,
            "threads": settings.whisper_threads,
        }


def _media_seconds(audio: Path) -> float:
    return audio.stat().st_size / _BYTES_PER_MEDIA_SECOND if audio.exists() else 0.0


def _plan(said: dict[str, Any]) -> AsrPlan:
    return AsrPlan(
        windows=tuple(AsrWindow(**window) for window in said["windows"]),
        language=said["language"],
        language_probability=said["language_probability"],
        duration_ms=said["duration_ms"],
    )


def _segment(said: dict[str, Any]) -> AsrSegment:
    return AsrSegment(**said | {"words": tuple(AsrWord(**word) for word in said["words"])})
