"""Waveforms and silences of WAV files, checked against the samples that were written."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy
import pytest

from cuepoint.adapters.media.base_looks import SoundPicture
from cuepoint.adapters.media.base_waveform import level_sizes, peaks, read_span
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.config import Settings

pytestmark = pytest.mark.media
RATE = 16_000


@pytest.fixture
def tools() -> ChildLookTools:
    return ChildLookTools(Settings())


def write(path: Path, samples: numpy.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def sound(seconds: float, level: float, seed: int = 1) -> numpy.ndarray:
    return numpy.random.default_rng(seed).uniform(-level, level, round(seconds * RATE))


async def heard(tools: ChildLookTools, source: Path) -> tuple[SoundPicture, bytes]:
    target = source.with_suffix(".bin")
    made = await tools.listen(source, target, on_progress=lambda _: None)
    return made, target.read_bytes()


def columns(data: bytes, samples: int, wanted: int) -> list[int]:
    start, end, stretches = read_span(samples, wanted)
    return peaks(data[start:end], stretches, wanted)


class TestListen:
    async def test_the_peaks_are_those_of_the_samples(self, tools: ChildLookTools, tmp_path: Path) -> None:
        samples = numpy.concatenate([sound(2, 0.25), sound(2, 0.75), sound(1, 0.5)])

        made, data = await heard(tools, write(tmp_path / "a.wav", samples))

        assert made.level_bytes == len(data) == 2 * sum(level_sizes(len(samples)))
        whole = (samples * 32767).astype("<i2") >> 8
        for wanted in (500, 50, 5):
            parts = whole.reshape(wanted, -1)
            expected = [int(v) for pair in zip(parts.min(axis=1), parts.max(axis=1), strict=True) for v in pair]
            assert columns(data, len(samples), wanted) == expected

    @pytest.mark.parametrize("wanted", [1, 7, 100, 500])
    async def test_any_width_has_the_extremes(self, tools: ChildLookTools, tmp_path: Path, wanted: int) -> None:
        samples = sound(12.3, 0.5)

        _, data = await heard(tools, write(tmp_path / "a.wav", samples))

        found, whole = columns(data, len(samples), wanted), (samples * 32767).astype(int) >> 8
        assert (len(found), min(found), max(found)) == (2 * wanted, int(whole.min()), int(whole.max()))

    async def test_more_columns_than_stretches_are_the_stretches(self, tools: ChildLookTools, tmp_path: Path) -> None:
        samples = sound(0.5, 0.5)

        _, data = await heard(tools, write(tmp_path / "a.wav", samples))

        assert len(columns(data, len(samples), 8000)) == 2 * 50

    async def test_silences_between_sounds(self, tools: ChildLookTools, tmp_path: Path) -> None:
        parts = [sound(1, 0.3), sound(1.5, 0.001), sound(2, 0.3), sound(0.5, 0.001), sound(1, 0.3)]

        made, _ = await heard(tools, write(tmp_path / "a.wav", numpy.concatenate(parts)))

        assert made.silences == (1000, 2500, 4500, 5000)
        assert made.sounds == (0, 1000, 2500, 4500, 5000, 6000)

    @pytest.mark.parametrize(("level", "silences"), [(0.0, (0, 2000)), (0.3, ())])
    async def test_without_contrast(
        self, tools: ChildLookTools, tmp_path: Path, level: float, silences: tuple[int, ...]
    ) -> None:
        made, _ = await heard(tools, write(tmp_path / "a.wav", sound(2, level)))

        assert made.silences == silences
        assert made.sounds == ((0, 2000) if level else ())

    async def test_blocks_leave_no_seam(self, tools: ChildLookTools, tmp_path: Path) -> None:
        samples = sound(700, 0.3)

        made, data = await heard(tools, write(tmp_path / "a.wav", samples))

        assert made.silences == ()
        assert made.level_bytes == len(data) == 2 * (70_000 + 7_000 + 700)

    async def test_an_empty_file(self, tools: ChildLookTools, tmp_path: Path) -> None:
        made, data = await heard(tools, write(tmp_path / "a.wav", sound(0, 0.3)))

        assert (made, data) == (SoundPicture(0, (), ()), b"")
