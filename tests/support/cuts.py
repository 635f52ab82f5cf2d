"""A cut measured against its source: frames by the rule of the glossary, in two decoders, and the place of sound."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import imageio_ffmpeg
import numpy

from cuepoint.adapters.media.base import MediaCaps, RenderedClip
from cuepoint.adapters.media.commands import clip_command
from cuepoint.adapters.media.cut import check_clip, plan_clip
from cuepoint.adapters.media.plan import ClipPlan
from cuepoint.adapters.media.probe import probe
from tests.support.media import read_bars, read_samples, timed_frame_numbers

_RATE = 48_000
_HALF_MS = Fraction(1, 2000)


@dataclass(frozen=True)
class Shown:
    """When a picture is shown, in seconds of the container's own time stamps, and the number it carries."""

    time: Fraction
    number: int


@dataclass(frozen=True)
class Cut:
    """A clip that was cut and checked."""

    source: Path
    path: Path
    plan: ClipPlan
    made: RenderedClip

    @property
    def base(self) -> Fraction:
        """What the clip's time 0 is in the source, in its own time stamps."""
        assert self.plan.video is not None
        return self.plan.video.base_seconds


def media_zero(path: Path) -> Fraction:
    """Where the media time line begins."""
    with av.open(str(path)) as container:
        return Fraction(max(0, container.start_time or 0), av.time_base)


def pictures(path: Path) -> list[Shown]:
    """All pictures, as PyAV shows them."""
    return [Shown(time, number) for time, number in timed_frame_numbers(path)]


def wanted(source: list[Shown], zero: Fraction, start_ms: int, end_ms: int) -> list[Shown]:
    """The pictures of a range: `start - 0.5 ms <= pts < end - 0.5 ms`."""
    start, end = zero + Fraction(start_ms, 1000) - _HALF_MS, zero + Fraction(end_ms, 1000) - _HALF_MS
    return [shown for shown in source if start <= shown.time < end]


def numbers_by_command_line(path: Path) -> list[int]:
    """The pictures' numbers as the bundled ffmpeg decodes them; the test fails at any error of pictures or sound."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        width, height = context.width, context.height
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-xerror"]
    command += ["-err_detect", "explode", "-noautorotate", "-i", str(path)]
    command += ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]
    done = subprocess.run([*command, "-map", "0:a?", "-f", "null", "-"], capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    frames = numpy.frombuffer(done.stdout, dtype=numpy.uint8).reshape(-1, height, width)
    return [read_bars(frame) for frame in frames]


def sound_offset_ms(source: numpy.ndarray, clip: numpy.ndarray, begin: Fraction) -> float:
    """By how much the clip's sound is late, when its time 0 is `begin` (s) of the source; samples of 48 kHz."""
    first = round(begin * _RATE)
    here = source[first : first + len(clip)]
    length = min(len(here), len(clip))
    spectrum = numpy.fft.rfft(clip[:length], 2 * length) * numpy.conj(numpy.fft.rfft(here[:length], 2 * length))
    found = int(numpy.argmax(numpy.fft.irfft(spectrum)))
    return (found - 2 * length if found > length else found) * 1000 / _RATE


def samples(path: Path) -> numpy.ndarray:
    """The sound as a player hears it, at 48 kHz."""
    return read_samples(path, _RATE)


def rendered(source: Path, target: Path, start_ms: int, end_ms: int) -> Cut:
    """A clip of a file with pictures and sound, as the children make it, without starting them."""
    caps = MediaCaps()
    descriptors = [os.open(source, os.O_RDONLY) for _ in range(4)]
    info = probe(descriptors[0], caps)
    assert info.video is not None
    assert info.audio is not None
    plan = plan_clip(
        descriptors[1],
        caps,
        start_ms=start_ms,
        end_ms=end_ms,
        video_index=info.video.index,
        audio_index=info.audio.index,
    )
    argv = clip_command(
        descriptors[2], descriptors[3], target, plan=plan, container=info.container, size=(320, 180), caps=caps
    )
    subprocess.run(argv, pass_fds=descriptors[2:], check=True, capture_output=True)
    descriptors.append(os.open(target, os.O_RDONLY))
    made = check_clip(descriptors[-1], caps, plan)
    for descriptor in descriptors:
        os.close(descriptor)
    return Cut(source, target, plan, made)


source_pictures = cache(pictures)
source_samples = cache(samples)


def assert_exact(cut: Cut, start_ms: int, end_ms: int) -> None:
    """The pictures of the range, no other and at their times, in both decoders."""
    expected = wanted(source_pictures(cut.source), media_zero(cut.source), start_ms, end_ms)
    found = pictures(cut.path)
    assert [shown.number for shown in found] == [shown.number for shown in expected]
    assert numbers_by_command_line(cut.path) == [shown.number for shown in expected]
    late = [abs(shown.time - (other.time - cut.base)) for shown, other in zip(found, expected, strict=True)]
    assert max(late) < _HALF_MS


def assert_in_sync(cut: Cut) -> None:
    """Sound within 1 ms of where it lies in the source."""
    assert abs(sound_offset_ms(source_samples(cut.source), samples(cut.path), cut.base)) <= 1
