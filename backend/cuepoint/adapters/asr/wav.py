"""Reading stretches of a 16 kHz mono s16 WAV file: memory is that of the stretch, whatever the file's length."""

from __future__ import annotations

import wave
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from cuepoint.adapters.asr.parameters import MS_PER_SECOND, SAMPLE_RATE

_BYTES_PER_SAMPLE = 2
_FULL_SCALE = np.float32(32_768.0)  # s16 to [-1, 1)
SAMPLES_PER_MS = SAMPLE_RATE // MS_PER_SECOND


class WavReader:
    """An open file. Raises ValueError for another format, wave.Error or EOFError for what is no WAV, OSError."""

    def __init__(self, path: Path) -> None:
        self._file = wave.open(str(path), "rb")  # noqa: SIM115 - closed by the context manager that this is
        form = (self._file.getnchannels(), self._file.getsampwidth(), self._file.getframerate())
        if form != (1, _BYTES_PER_SAMPLE, SAMPLE_RATE):
            self._file.close()
            channels, width, rate = form
            raise ValueError(
                f"the audio must be 16 kHz mono s16; this has {channels} channels, {8 * width} bits, {rate} Hz"
            )
        self.duration_ms = self._file.getnframes() // SAMPLES_PER_MS

    def __enter__(self) -> WavReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def samples(self, start_ms: int, end_ms: int) -> NDArray[np.float32]:
        """Samples of `[start_ms, end_ms)`, float32 in [-1, 1): faster-whisper takes int16 and answers nonsense."""
        first = min(start_ms * SAMPLES_PER_MS, self._file.getnframes())
        self._file.setpos(first)
        data = self._file.readframes((end_ms - start_ms) * SAMPLES_PER_MS)
        return np.frombuffer(data, dtype="<i2").astype(np.float32) / _FULL_SCALE
