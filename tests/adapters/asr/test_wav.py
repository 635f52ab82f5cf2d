"""Stretches of a WAV file as floats."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from cuepoint.adapters.asr.wav import WavReader
from tests.support.speech import write_wav


class TestWavReader:
    def test_a_stretch_is_float32_in_the_right_place(self, tmp_path: Path) -> None:
        samples = np.arange(32_000, dtype=np.int16)
        with WavReader(write_wav(tmp_path / "a.wav", samples)) as reader:
            stretch = reader.samples(500, 1_000)

            assert reader.duration_ms == 2_000
        assert stretch.dtype == np.float32
        assert np.array_equal(stretch, samples[8_000:16_000].astype(np.float32) / 32_768)

    def test_beyond_the_end_there_is_nothing(self, tmp_path: Path) -> None:
        with WavReader(write_wav(tmp_path / "a.wav", np.ones(1_600, dtype=np.int16))) as reader:
            assert len(reader.samples(50, 5_000)) == 800
            assert len(reader.samples(9_000, 10_000)) == 0

    def test_another_rate_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((2, 2, 44_100, 0, "NONE", ""))
            file.writeframes(b"\0" * 400)

        with pytest.raises(ValueError, match="this has 2 channels, 16 bits, 44100 Hz"):
            WavReader(path)

    def test_text_is_no_wav(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        path.write_text("not a sound at all")

        with pytest.raises(wave.Error):
            WavReader(path)
