"""Speech for tests: the two narrations with their truth, synthetic WAV files, and the word error rate."""

from __future__ import annotations

import json
import re
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

import cuepoint

SAMPLE_RATE = 16_000
NARRATION = Path(__file__).parent / "data" / "space_and_computers.opus"
VIDEO = Path(cuepoint.__file__).parent / "cli" / "sample" / "four_short_stories.mp4"


@dataclass(frozen=True)
class TrueWord:
    """A word as it was spoken; times in ms."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class TrueSentence:
    """A sentence as it was spoken; times in ms."""

    text: str
    start_ms: int
    end_ms: int
    words: tuple[TrueWord, ...]


def load_truth(path: Path) -> tuple[TrueSentence, ...]:
    """The sentences of the truth file that lies beside a sample."""
    data = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return tuple(
        TrueSentence(
            sentence["text"],
            round(sentence["start"] * 1000),
            round(sentence["end"] * 1000),
            tuple(
                TrueWord(word["word"], round(word["start"] * 1000), round(word["end"] * 1000))
                for word in sentence["words"]
            ),
        )
        for sentence in data["sentences"]
    )


def decode_to_wav(source: Path, target: Path) -> Path:
    """The audio of a media file as 16 kHz mono s16 WAV."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", "-i", str(source), "-vn"]
    subprocess.run([*command, "-ac", "1", "-ar", str(SAMPLE_RATE), "-c:a", "pcm_s16le", str(target)], check=True)
    return target


def write_wav(target: Path, samples: NDArray[np.float64] | NDArray[np.int16], *, repeat: int = 1) -> Path:
    """Samples (floats in [-1, 1], or s16) as a 16 kHz mono s16 WAV file, `repeat` times over."""
    data = samples if samples.dtype == np.int16 else (samples * 32_767).astype(np.int16)
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for _ in range(repeat):
            file.writeframes(data.tobytes())
    return target


def read_wav(path: Path) -> NDArray[np.int16]:
    """All samples of a WAV file."""
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)


def silence(seconds: float) -> NDArray[np.int16]:
    """Digital silence."""
    return np.zeros(int(seconds * SAMPLE_RATE), dtype=np.int16)


def noise(seconds: float, *, level: float = 0.1) -> NDArray[np.float64]:
    """White noise, always the same."""
    return np.random.default_rng(1).uniform(-level, level, int(seconds * SAMPLE_RATE))


def tone(seconds: float, *, hertz: float = 440.0, level: float = 0.5) -> NDArray[np.float64]:
    """A sine tone."""
    return level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def normalised_words(text: str) -> list[str]:
    """Words in lower case without punctuation."""
    return re.sub(r"[^\w\s']", " ", text.lower()).split()


def word_error_rate(truth: str, heard: str) -> float:
    """Edits (insert, delete, replace) per true word, after normalisation."""
    expected, given = normalised_words(truth), normalised_words(heard)
    costs = list(range(len(given) + 1))
    for row, word in enumerate(expected, start=1):
        previous, costs[0] = costs[0], row
        for column, other in enumerate(given, start=1):
            previous, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, previous + (word != other)),
            )
    return costs[-1] / len(expected)
