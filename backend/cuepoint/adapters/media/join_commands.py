"""ffmpeg command lines of the pieces of a larger file: all of one size, one rate, one kind of sound, and exact."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cuepoint.adapters.media.base import MediaCaps, MediaInfo, ReelTransition
from cuepoint.adapters.media.commands import (
    CLIP_AUDIO_RATE,
    CLIP_CRF,
    CLIP_PRESET,
    compile_command,
    cut_pictures,
    cut_sound,
    threads,
)
from cuepoint.adapters.media.form_commands import LOUDNESS_LIMITER
from cuepoint.adapters.media.frames import Frame, even_size, framed
from cuepoint.adapters.media.plan import AudioCut, VideoCut
from cuepoint.adapters.media.screen import LABELS

SAMPLE_BYTES = 4  # two channels of 16 bits
_XFADES = {  # the names of ffmpeg's filter; its own fades through a colour do not come to it
    ReelTransition.CROSS_FADE: "fade",
    ReelTransition.WIPE_LEFT: "wipeleft",
    ReelTransition.WIPE_RIGHT: "wiperight",
    ReelTransition.SLIDE_LEFT: "slideleft",
    ReelTransition.SLIDE_RIGHT: "slideright",
}
_THROUGH = {ReelTransition.FADE_THROUGH_BLACK: "black", ReelTransition.FADE_THROUGH_WHITE: "white"}


@dataclass(frozen=True)
class JoinFrame:
    """What the pictures of all pieces become: this size (even), so many pictures a second, evenly."""

    width: int
    height: int
    frame_rate: Fraction


def fitted(size: tuple[int, int], frame: JoinFrame) -> Frame:
    """A picture of this size in the frame: as it is where the shapes agree to a pixel or so, else over its blur."""
    wanted = frame.width, frame.height
    is_alike = abs(Fraction(*size) / Fraction(*wanted) - 1) < Fraction(1, 100)
    return Frame(size, size, wanted, is_blurred=not is_alike)


def even_pictures(
    descriptor: int, cut: VideoCut, info: MediaInfo, frame: JoinFrame, caps: MediaCaps, count: int
) -> Any:
    """Exactly `count` pictures of the cut at the frame's rate; the last one stays where the source ends earlier."""
    shown = framed(cut_pictures(descriptor, cut, info.container, caps), fitted(even_size(info.video), frame), cut.kind)
    shown = shown.filter("fps", fps=str(frame.frame_rate), start_time=0)
    return _counted(shown.filter("tpad", stop=-1, stop_mode="clone"), frame, count)


def plain_pictures(frame: JoinFrame, count: int, colour: str = "black") -> Any:
    """`count` pictures of one colour, black for a part without any."""
    import ffmpeg

    seconds = float((count + 1) / frame.frame_rate)
    source = f"color=c={colour}:s={frame.width}x{frame.height}:r={frame.frame_rate}:d={seconds:.6f}"
    return _counted(ffmpeg.input(source, f="lavfi"), frame, count)


def _counted(shown: Any, frame: JoinFrame, count: int) -> Any:
    return (
        shown.filter("trim", end_frame=count)
        .filter("settb", expr=f"1/{_scale(frame)}")
        .filter("setpts", f"N*{_scale(frame) // frame.frame_rate.numerator * frame.frame_rate.denominator}")
        .filter("format", "yuv420p")
        .filter("setparams", **LABELS)
    )


def _scale(frame: JoinFrame) -> int:
    return join_scale(frame.frame_rate)


def join_scale(rate: Fraction) -> int:
    """Ticks a second in which a picture lasts a whole number of them; at least 10,000."""
    return rate.numerator * -(-10_000 // rate.numerator)


def pictures_command(shown: Any, target: Path, frame: JoinFrame) -> list[str]:
    """Pictures that can be joined by copying: all pieces are encoded with the very same parameters."""
    return compile_command(
        shown,
        target,
        f="mp4",
        movie_timescale=1000,
        map_metadata=-1,
        copyts=None,
        bitexact=None,
        **{
            "c:v": "libx264",
            "preset": CLIP_PRESET,
            "crf": CLIP_CRF,
            "profile:v": "high",
            "fps_mode": "passthrough",
            "enc_time_base": f"1:{_scale(frame)}",
            "video_track_timescale": _scale(frame),
            "threads": threads(),
        },
    )


def passage(first: Any, second: Any, transition: ReelTransition, frame: JoinFrame, count: int) -> Any:
    """`count` pictures in which the first becomes the second."""
    import ffmpeg

    colour, half = _THROUGH.get(transition), count // 2
    if colour is None or not half:
        return _mixed(first, second, _XFADES.get(transition, "fade"), frame, count)
    there = _mixed(first, plain_pictures(frame, half, colour), "fade", frame, half)
    rest = second.filter("trim", start_frame=half).filter("setpts", "PTS-STARTPTS")
    # More of the colour than is shown: what is the same as before would be one stream, to be kept for both.
    back = _mixed(plain_pictures(frame, 2 * count, colour), rest, "fade", frame, count - half)
    return _counted(ffmpeg.concat(there, back), frame, count)


def _mixed(first: Any, second: Any, name: str, frame: JoinFrame, count: int) -> Any:
    import ffmpeg

    length = f"{float(count / frame.frame_rate):.6f}"
    return _counted(ffmpeg.filter([first, second], "xfade", transition=name, duration=length, offset=0), frame, count)


def sound_command(
    descriptor: int, cut: AudioCut, target: Path, caps: MediaCaps, *, samples: int, gain_db: float | None
) -> list[str]:
    """Exactly so many samples of the cut, stereo at 48 kHz, as bare 16-bit numbers."""
    sound = cut_sound(descriptor, cut, caps)
    if gain_db is not None:
        sound = sound.filter("volume", f"{gain_db:.2f}dB").filter("alimiter", **LOUDNESS_LIMITER)
    sound = sound.filter("aformat", channel_layouts="stereo").filter("apad", whole_len=samples)
    return compile_command(
        sound.filter("atrim", end_sample=samples),
        target,
        f="s16le",
        map_metadata=-1,
        copyts=None,
        **{"c:a": "pcm_s16le", "ar": CLIP_AUDIO_RATE},
    )
