"""Files to cut, in the combinations that occur in the wild; each is made once for the session."""

from __future__ import annotations

import atexit
import random
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

from tests.support.media import CodedClip, make_coded_clip, make_wav, run_ffmpeg

NTSC = Fraction(30000, 1001)
_AAC = ("-c:a", "aac")
_X264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "24", "-sc_threshold", "0")
_NO_B = (*_X264, "-bf", "0", *_AAC)
_PYRAMID = (*_X264, "-bf", "3", "-x264-params", "b-adapt=0:b-pyramid=normal:ref=3", *_AAC)
_X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params")
_HEVC = "log-level=none:keyint=24:min-keyint=24:scenecut=0:bframes=3:b-adapt=0"
_VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "7", "-g", "24", "-crf", "20", "-b:v", "0")
_AV1 = ("-c:v", "libsvtav1", "-preset", "10", "-crf", "25", "-g", "24", "-svtav1-params", "lp=2")


@dataclass(frozen=True)
class CutSource:
    """`is_smart`: groups of it can be copied. `after` are ffmpeg's arguments of a second, copying pass.

    `group_ms` is at least as long as a group of pictures.
    """

    name: str
    clip: CodedClip
    is_smart: bool = True
    after: tuple[str, ...] = ()
    group_ms: int = 1000


def _clip(*arguments: str, rate: Fraction = Fraction(24), delay: float = 0.0) -> CodedClip:
    return CodedClip(frames=120, rate=rate, arguments=arguments, audio_delay_seconds=delay)


_UNEVEN = ("-vf", "select='not(eq(mod(n,5),2))'", "-fps_mode", "passthrough", "-enc_time_base", "1:24000")

CUT_SOURCES: Mapping[str, CutSource] = {
    "h264 mp4 long groups": CutSource(
        "a.mp4", CodedClip(frames=240, arguments=(*_X264, "-g", "72", "-bf", "2", *_AAC)), group_ms=3000
    ),
    "h264 mp4 b-pyramid": CutSource("a.mp4", _clip(*_PYRAMID)),
    "h264 mp4 open groups": CutSource("a.mp4", _clip(*_X264, "-x264-params", "open-gop=1", *_AAC), is_smart=False),
    "h264 mp4 no b": CutSource("a.mp4", _clip(*_NO_B)),
    "h264 mp4 29.97": CutSource("a.mp4", _clip(*_PYRAMID, rate=NTSC)),
    "h264 mp4 uneven": CutSource("a.mp4", _clip(*_UNEVEN, *_PYRAMID)),
    "h264 mp4 edit list": CutSource("a.mp4", _clip(*_PYRAMID), after=("-ss", "0.3")),
    "h264 mp4 late sound": CutSource("a.mp4", _clip(*_PYRAMID, delay=0.3)),
    "h264 mkv": CutSource("a.mkv", _clip(*_PYRAMID, rate=NTSC)),
    "h264 mov pcm": CutSource("a.mov", _clip(*_X264, "-bf", "2", "-c:a", "pcm_s16le", rate=Fraction(25))),
    "h264 ts": CutSource("a.ts", _clip(*_PYRAMID, "-muxdelay", "1.4", rate=Fraction(25))),
    "hevc mp4": CutSource("a.mp4", _clip(*_X265, f"{_HEVC}:open-gop=0", *_AAC)),
    "hevc mkv open groups": CutSource("a.mkv", _clip(*_X265, f"{_HEVC}:open-gop=1", *_AAC)),
    "hevc ts": CutSource("a.ts", _clip(*_X265, f"{_HEVC}:open-gop=1", *_AAC, "-muxdelay", "1.4")),
    "hevc ten bits": CutSource("a.mp4", _clip("-pix_fmt", "yuv420p10le", *_X265, f"{_HEVC}:open-gop=1", *_AAC)),
    "vp9 webm": CutSource("a.webm", _clip(*_VP9, "-c:a", "libopus", rate=NTSC)),
    "av1 mp4": CutSource("a.mp4", _clip(*_AV1, *_AAC)),
    "av1 webm": CutSource("a.webm", _clip(*_AV1, "-c:a", "libopus", rate=Fraction(25))),
    "mpeg4 avi": CutSource("a.avi", _clip("-c:v", "mpeg4", "-g", "24", "-bf", "0", "-c:a", "mp3"), is_smart=False),
}
SOUND_SOURCES: Mapping[str, tuple[str, ...]] = {
    "a.m4a": _AAC,
    "a.mp3": ("-c:a", "libmp3lame"),
    "a.ogg": ("-c:a", "libopus"),
}


def places(name: str, count: int) -> list[tuple[int, int]]:
    """Ranges (ms) long enough to hold a whole group wherever they begin; the same in every run."""
    source = CUT_SOURCES[name]
    shortest, length = 2 * source.group_ms + 200, int(source.clip.seconds * 1000) - 400
    chance = random.Random(f"{name} {count}")
    starts = [chance.randrange(0, length - shortest) for _ in range(count)]
    return [(start, chance.randrange(start + shortest, length)) for start in starts]


@cache
def _directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="cuepoint-cuts-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@cache
def cut_source(name: str) -> Path:
    """The file of `CUT_SOURCES[name]`; it is shared, so nobody may write to it."""
    made = CUT_SOURCES[name]
    path = make_coded_clip(_directory() / name.replace(" ", "-") / made.name, made.clip)
    if not made.after:
        return path
    cut = path.with_stem("cut")
    run_ffmpeg(*made.after, "-i", str(path), "-c", "copy", str(cut))
    return cut


@cache
def sound_source(name: str) -> Path:
    """Five seconds of sound in the container that the name says."""
    sound = make_wav(_directory() / "sound.wav", seconds=5)
    run_ffmpeg("-i", str(sound), *SOUND_SOURCES[name], str(_directory() / name))
    return _directory() / name
