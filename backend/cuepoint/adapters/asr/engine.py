"""The recogniser itself, inside the child: one loaded model that plans a file and recognises its windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuepoint.adapters.asr.anchors import RawSegment, RawWord, anchored_segments, token_anchors
from cuepoint.adapters.asr.base import AsrPlan, AsrSegment, AsrWindow
from cuepoint.adapters.asr.parameters import (
    DECODING,
    HEARD_SPEECH_MS,
    LANGUAGE_WINDOWS,
    MIN_SILENCE_MS,
    PIECE_MS,
    SAMPLE_RATE,
    VAD_THRESHOLD,
)
from cuepoint.adapters.asr.wav import SAMPLES_PER_MS, WavReader
from cuepoint.adapters.asr.windows import SpeechRegion, find_regions, longest_windows, plan_windows, vote

MAX_DEFAULT_THREADS = 4  # CTranslate2's own bound: beyond it one 30 s window gains little


class UnknownLanguageError(ValueError):
    """The model does not know the language that was asked for."""


def device_choices(device: str, compute_type: str, cuda_devices: int) -> list[tuple[str, str]]:
    """(device, compute type) pairs to try in this order; `default` is float16 on CUDA and int8 on a CPU.

    `auto` falls back to int8 on the CPU: a compute type made for a GPU may not exist there (float16 does not).
    """

    def named(place: str) -> tuple[str, str]:
        if compute_type != "default":
            return place, compute_type
        return place, "float16" if place == "cuda" else "int8"

    if device != "auto":
        return [named(device)]
    return [named("cuda"), ("cpu", "int8")] if cuda_devices else [named("cpu")]


class Engine:
    """A loaded Whisper model. `warning` says why a wanted device is not the one in use."""

    def __init__(self, model: Path, *, device: str, compute_type: str, threads: int) -> None:
        """Load the directory `model`. Raises RuntimeError or ValueError when no device can run it."""
        import ctranslate2

        self.warning: str | None = None
        choices = device_choices(device, compute_type, ctranslate2.get_cuda_device_count() if device == "auto" else 0)
        for place, kind in choices[:-1]:
            try:
                self._load(model, place, kind, threads)
            except (RuntimeError, ValueError) as error:
                self.warning = f"{place} ({kind}) cannot be used, falling back: {error}"
            else:
                return
        self._load(model, *choices[-1], threads)

    def _load(self, model: Path, device: str, compute_type: str, threads: int) -> None:
        import os

        from faster_whisper.transcribe import WhisperModel

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._model: Any = WhisperModel(
            str(model),
            device=device,
            compute_type=compute_type,
            cpu_threads=threads or min(cores, MAX_DEFAULT_THREADS),
            local_files_only=True,
        )
        self.device, self.compute_type = device, compute_type
        if device == "cuda":  # a missing cuBLAS or cuDNN shows at the first use only
            self._language_probabilities(np.zeros(SAMPLE_RATE, dtype=np.float32))

    def plan(self, audio: Path, language: str | None) -> AsrPlan:
        """Windows and language of the file. Raises UnknownLanguageError, ValueError, wave.Error, OSError."""
        self._check_language(language)
        with WavReader(audio) as reader:
            regions = find_regions(lambda start, end: _detect_speech(reader, start, end), reader.duration_ms)
            windows = plan_windows(regions, reader.duration_ms)
            probability: float | None = None
            if not windows:
                language = None
            elif language is None:
                language, probability = self._detect_language(reader, windows)
            return AsrPlan(windows, language, probability, reader.duration_ms)

    def recognise(
        self, audio: Path, windows: Sequence[tuple[int, AsrWindow]], language: str | None
    ) -> Iterator[tuple[int, tuple[AsrSegment, ...]]]:
        """The segments of each (index, window), one after the other."""
        self._check_language(language)
        with WavReader(audio) as reader:
            for index, window in windows:
                samples = reader.samples(window.start_ms, window.end_ms)
                yield index, self._recognise_window(samples, window, language) if len(samples) else ()

    def _recognise_window(
        self, samples: NDArray[np.float32], window: AsrWindow, language: str | None
    ) -> tuple[AsrSegment, ...]:
        segments, _ = self._model.transcribe(samples, language=language, **DECODING)
        first_time_token = self._model.hf_tokenizer.token_to_id("<|notimestamps|>") + 1
        return anchored_segments((_raw(segment, first_time_token) for segment in segments), window)

    def _check_language(self, language: str | None) -> None:
        known = self._model.supported_languages
        if language is not None and language not in known:
            raise UnknownLanguageError(
                f"This model does not know the language {language!r}; it knows {', '.join(known)}."
            )

    def _detect_language(self, reader: WavReader, windows: Sequence[AsrWindow]) -> tuple[str, float]:
        ballots = [
            (
                window.end_ms - window.start_ms,
                self._language_probabilities(reader.samples(window.start_ms, window.end_ms)),
            )
            for window in longest_windows(windows, LANGUAGE_WINDOWS)
        ]
        return vote(ballots)

    def _language_probabilities(self, samples: NDArray[np.float32]) -> dict[str, float]:
        if not self._model.model.is_multilingual:
            return {"en": 1.0}
        _, _, every = self._model.detect_language(audio=samples)
        return {language: float(probability) for language, probability in every}


def has_speech(audio: Path) -> bool:
    """Whether somebody speaks in the file; what comes after enough of it is not read. Raises as `Engine.plan`."""
    heard_ms = 0
    with WavReader(audio) as reader:
        for start in range(0, reader.duration_ms, PIECE_MS):
            regions = _detect_speech(reader, start, min(start + PIECE_MS, reader.duration_ms))
            heard_ms += sum(region.duration_ms for region in regions)
            if heard_ms >= HEARD_SPEECH_MS:
                return True
    return False


def _detect_speech(reader: WavReader, start_ms: int, end_ms: int) -> list[SpeechRegion]:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    samples = reader.samples(start_ms, end_ms)
    if not len(samples):  # the header promises more than the file holds
        return []
    options = VadOptions(threshold=VAD_THRESHOLD, min_silence_duration_ms=MIN_SILENCE_MS, speech_pad_ms=0)
    return [
        SpeechRegion(start_ms + found["start"] // SAMPLES_PER_MS, start_ms + found["end"] // SAMPLES_PER_MS)
        for found in get_speech_timestamps(samples, options)
    ]


def _raw(segment: Any, first_time_token: int) -> RawSegment:
    start, end = token_anchors(segment.tokens, seek=segment.seek, first_time_token=first_time_token)
    return RawSegment(
        text=segment.text,
        start=segment.start,
        end=segment.end,
        words=tuple(RawWord(word.word, word.start, word.end, word.probability) for word in segment.words or ()),
        anchor_start_ms=start,
        anchor_end_ms=end,
        avg_logprob=segment.avg_logprob,
        no_speech_prob=segment.no_speech_prob,
        compression_ratio=segment.compression_ratio,
    )
