"""Synthetic media for all tests, made with the bundled ffmpeg and kept for the session; and reading them back.

Every coded clip carries its frame number as a bar code (16 bars, the most significant bit first) in the upper half of
each picture, and a tone of 400 + 150 * (second % 20) Hz with a click at the start of each second.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal

import av
import imageio_ffmpeg
import numpy

BITS = 16
SAMPLE_RATE = 16_000
CLICK_SECONDS = 0.004
Audio = Literal["tone", "silence"]


@dataclass(frozen=True)
class CodedClip:
    """How a coded clip is made. `arguments` go to ffmpeg before the output name."""

    frames: int = 96
    rate: Fraction = Fraction(24)
    size: tuple[int, int] = (320, 180)
    audio: Audio | None = "tone"
    audio_delay_seconds: float = 0.0
    suffix: str = ".mp4"
    input_arguments: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "250", "-bf", "2", "-c:a", "aac")

    @property
    def seconds(self) -> Fraction:
        return self.frames / self.rate


def make_coded_clip(path: Path, clip: CodedClip = CodedClip()) -> Path:
    """A copy of the clip at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_coded(replace(clip, suffix=path.suffix or clip.suffix)), path)
    return path


def make_clip(
    path: Path,
    seconds: float = 2.0,
    size: tuple[int, int] = (320, 180),
    fps: Fraction | int = 24,
    audio: Audio | None = "tone",
) -> Path:
    """A small coded clip: H.264 with or without AAC; the suffix of `path` chooses the container."""
    frames = max(1, round(seconds * Fraction(fps)))
    return make_coded_clip(path, CodedClip(frames=frames, rate=Fraction(fps), size=size, audio=audio))


def make_wav(path: Path, seconds: float = 2.0, audio: Audio = "tone", sample_rate: int = SAMPLE_RATE) -> Path:
    """A mono s16 WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(_samples(seconds, audio, sample_rate).tobytes())
    return path


def make_truncated(path: Path, *, with_index: bool, keep: float = 0.5) -> Path:
    """An mp4 of which only the first part is there; its index is at the front, or was in the part that is lost."""
    flags = ("-movflags", "+faststart") if with_index else ()
    whole = _coded(CodedClip(frames=192, arguments=(*CodedClip.arguments, *flags)))
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * keep)])
    return path


def make_text(path: Path) -> Path:
    """A text file, whatever it is called."""
    path.write_text("This is no video.\n" * 50)
    return path


def make_playlist(path: Path, other: Path) -> Path:
    """An HLS playlist that names another file."""
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n")
    return path


def make_film(path: Path, *parts: str, arguments: Sequence[str] = ("-g", "250")) -> Path:
    """Sources of lavfi one behind the other."""
    inputs = [word for part in parts for word in ("-f", "lavfi", "-i", part)]
    joined = "".join(f"[{number}]" for number in range(len(parts))) + f"concat=n={len(parts)}"
    run_ffmpeg(*inputs, "-filter_complex", joined, "-pix_fmt", "yuv420p", *arguments, str(path))
    return path


def names(directory: Path) -> list[str]:
    """What lies in a directory."""
    return sorted(path.name for path in directory.iterdir())


def run_ffmpeg(*arguments: str, stdin: bytes | None = None) -> None:
    """The bundled ffmpeg; the test fails with its words when it does."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")


def frame_numbers(path: Path) -> list[int]:
    """The number each picture carries, in the order shown."""
    return [number for _, number in timed_frame_numbers(path)]


def timed_frame_numbers(path: Path) -> list[tuple[Fraction, int]]:
    """When each picture is shown (s), and the number it carries."""
    with av.open(str(path)) as container:
        return [
            (frame.pts * Fraction(frame.time_base), read_bars(frame.to_ndarray(format="gray")))
            for frame in container.decode(container.streams.video[0])
        ]


def read_samples(path: Path, sample_rate: int = 48_000) -> numpy.ndarray:
    """The sound as a player hears it: mono floats, the first sample at time 0."""
    resampler = av.AudioResampler("flt", "mono", sample_rate)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        pieces, start = [], None
        for frame in container.decode(stream):
            start = frame.pts * frame.time_base if start is None else start
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
        pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    lead = numpy.zeros(max(0, round((start or 0) * sample_rate)), dtype=numpy.float32)
    return numpy.concatenate([lead, *pieces])


def click_times(samples: numpy.ndarray, sample_rate: int = 48_000) -> list[float]:
    """When the clicks begin (s)."""
    loud = numpy.flatnonzero(numpy.abs(samples) > 0.55)
    if not len(loud):
        return []
    first = numpy.concatenate([[True], numpy.diff(loud) > sample_rate // 4])
    return [float(index / sample_rate) for index in loud[first]]


@cache
def _directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="cuepoint-clips-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@cache
def _coded(clip: CodedClip) -> Path:
    number = sum(1 for _ in _directory().iterdir())
    target = _directory() / f"{number}{clip.suffix}"
    width, height = clip.size
    command = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}", "-r", str(clip.rate)]
    command += [*clip.input_arguments, "-i", "pipe:0"]
    if clip.audio is not None:
        sound = make_wav(_directory() / f"{number}-sound.wav", float(clip.seconds), clip.audio)
        command += ["-itsoffset", str(clip.audio_delay_seconds), "-i", str(sound)]
    pictures = b"".join(_bars(index, width, height) for index in range(clip.frames))
    run_ffmpeg(*command, "-pix_fmt", "yuv420p", *clip.arguments, f"file:{target}", stdin=pictures)
    return target


def _bars(number: int, width: int, height: int) -> bytes:
    bits = numpy.array([number >> (BITS - 1 - bit) & 1 for bit in range(BITS)], dtype=numpy.uint8)
    picture = numpy.full((height, width), 96, dtype=numpy.uint8)
    picture[: height // 2, : width // BITS * BITS] = numpy.repeat(bits * 219 + 16, width // BITS)
    picture[height * 3 // 4 :, :: max(2, width // 40)] = 160
    return picture.tobytes()


def read_bars(picture: numpy.ndarray) -> int:
    """The number that a grey picture carries."""
    height, width = picture.shape
    bar = width // BITS
    number = 0
    for bit in range(BITS):
        patch = picture[height // 8 : height * 3 // 8, bit * bar + bar // 3 : bit * bar + bar * 2 // 3]
        number = number * 2 + int(patch.mean() > 125)
    return number


def _samples(seconds: float, audio: Audio, sample_rate: int) -> numpy.ndarray:
    times = numpy.arange(round(seconds * sample_rate)) / sample_rate
    if audio == "silence":
        return numpy.zeros(len(times), dtype="<i2")
    hertz = 400 + 150 * (times.astype(int) % 20)
    sound = 0.2 * numpy.sin(2 * numpy.pi * hertz * times)
    click = times % 1.0 < CLICK_SECONDS
    sound[click] = 0.95 * numpy.sin(2 * numpy.pi * 2000 * times[click])
    return (sound * 32767).astype("<i2")
