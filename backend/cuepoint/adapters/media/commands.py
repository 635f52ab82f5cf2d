"""ffmpeg command lines: a foreign file comes in by descriptor only, so no name and no other file is reachable."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.plan import AudioCut, ClipPlan, VideoCut
from cuepoint.adapters.media.screen import on_screen, woven_apart
from cuepoint.adapters.media.sniff import DEMUXERS

SPEECH_RATE = 16_000  # what speech models take
CLIP_AUDIO_RATE = 48_000
CLIP_AUDIO_BIT_RATE_PER_CHANNEL = 96_000  # transparent for ffmpeg's own AAC encoder
CLIP_CRF = 20  # x264's scale; 18 is visually lossless, 23 its default
CLIP_PRESET = "veryfast"
# Decoders and encoders keep frames per thread: more threads cost address space, and gain little above this.
MAX_THREADS = 8
# Sound before a cut that the decoder needs to come to its full output (AAC 1 frame, Opus 80 ms, MP3 2 frames).
_AUDIO_LEAD_SECONDS = 1
# How `aresample` keeps sound where its time stamps say: gaps and overlaps from 30 ms on become silence or are left out.
# With ffmpeg's own 0.1 s, what follows lost packets comes early, and a clock that runs wrong is off by as much. Files
# that tell times by bytes (AVI) are off by up to a packet of MP3, 26 ms, and have no gap there.
IN_TIME = {"async": 1, "min_hard_comp": 0.03}
# Containers with an index jump to the very key frame asked for; in the others a seek lands near a time of decoding.
_INDEXED = ("mp4", "mov", "m4a", "3gp")
_STREAM_LEAD_SECONDS = 1


@cache
def ffmpeg_binary() -> str:
    """Path of the ffmpeg that comes with imageio-ffmpeg."""
    from imageio_ffmpeg import get_ffmpeg_exe

    return str(get_ffmpeg_exe())


def wav_command(
    descriptor: int, target: Path, *, track_index: int, caps: MediaCaps, most_ms: int | None = None
) -> list[str]:
    """The track as 16 kHz mono s16 WAV, at most so much of it, with its times kept."""
    source = open_input(descriptor, caps, vn=None, sn=None, dn=None)
    in_time = ":".join(f"{name}={value}" for name, value in IN_TIME.items())
    resample = f"aresample={SPEECH_RATE}:{in_time}:out_chlayout=mono:out_sample_fmt=s16"
    return compile_command(
        source[str(track_index)],
        target,
        f="wav",
        af=resample,
        acodec="pcm_s16le",
        t=decimal(Fraction(most_ms or caps.max_duration_ms, 1000)),
        max_error_rate=1,  # what can be decoded is taken; the caller looks at the length
        map_metadata=-1,
        bitexact=None,
    )


def clip_command(
    video_descriptor: int,
    audio_descriptor: int,
    target: Path,
    *,
    plan: ClipPlan,
    container: str,
    size: tuple[int, int],
    caps: MediaCaps,
) -> list[str]:
    """The planned cut as H.264/AAC in MP4; each descriptor needs its own position in the file.

    Pictures and sound are cut by their own time stamps (`-copyts`): an input seek with `-t` loses the last frame in
    four of six cases. `-movie_timescale 1000` because ffmpeg 9 writes a broken chapter track without it.
    """
    streams = []
    options: dict[str, Any] = {}
    if plan.video is not None:
        pictures = cut_pictures(video_descriptor, plan.video, container, caps)
        streams.append(on_screen(pictures, size, plan.video.kind))
        options |= video_options(plan.video)
    if plan.audio is not None:
        streams.append(cut_sound(audio_descriptor, plan.audio, caps, has_pictures=plan.video is not None))
        options |= {
            "c:a": "aac",
            "b:a": CLIP_AUDIO_BIT_RATE_PER_CHANNEL * plan.audio.channels,
        }
    return compile_command(
        *streams,
        target,
        f="mp4",
        movflags="+faststart",
        movie_timescale=1000,
        map_metadata=-1,
        map_chapters=-1,
        copyts=None,
        **options,
    )


def cut_pictures(descriptor: int, cut: VideoCut, container: str, caps: MediaCaps) -> Any:
    """The pictures of the cut, upright and of one moment each; time 0 is the start of the clip."""
    # One millisecond more, because the seek is rounded to microseconds and must not fall before the key frame.
    lead = Fraction(-1, 1000) if container in _INDEXED else Fraction(_STREAM_LEAD_SECONDS)
    source = open_input(descriptor, caps, **_seek(cut.seek - lead), an=None, sn=None, dn=None)
    return (
        woven_apart(source[str(cut.index)], cut.kind)
        .filter("settb", expr=f"1/{cut.scale}")
        .filter("trim", start_pts=cut.first_tick, end_pts=cut.end_tick)
        .filter("setpts", f"max(PTS-({cut.base_tick}),0)")  # 0: a long picture that began before the range
    )


def cut_sound(descriptor: int, cut: AudioCut, caps: MediaCaps, *, has_pictures: bool = False) -> Any:
    """The sound of the cut at 48 kHz, mono or stereo, exact to the sample; silence where there is none before its end,
    and beside pictures where what is there cannot be decoded."""
    source = open_input(descriptor, caps, **_seek(cut.start - _AUDIO_LEAD_SECONDS), vn=None, sn=None, dn=None)
    start = f"({cut.start.numerator}/{cut.start.denominator})"
    until = cut.heard_until if has_pictures and cut.heard_until is not None else cut.start
    return (
        source[str(cut.index)]
        .filter("atrim", start=decimal(cut.start), end=decimal(cut.end))
        .filter("asetpts", f"PTS-{start}/TB")
        .filter("aresample", CLIP_AUDIO_RATE, **IN_TIME, first_pts=0)
        .filter("apad", whole_len=math.floor((until - cut.start) * CLIP_AUDIO_RATE))
        .filter("aformat", channel_layouts="mono" if cut.channels == 1 else "stereo")
    )


def _seek(time: Fraction) -> dict[str, Any]:
    return {"ss": decimal(time), "seek_timestamp": 1, "noaccurate_seek": None} if time > 0 else {}


def video_options(cut: VideoCut) -> dict[str, Any]:
    """H.264 with the time stamps of the source."""
    length, last = round((cut.end - cut.base_seconds) * cut.scale), cut.last_tick - cut.base_tick
    duration = f"if(gte(PTS\\,{last})\\,{length}-PTS\\,DURATION)"  # the last picture ends with the range
    return {
        "c:v": "libx264",
        "preset": CLIP_PRESET,
        "crf": CLIP_CRF,
        "profile:v": "high",
        "fps_mode": "passthrough",
        "enc_time_base": f"1:{cut.scale}",
        "video_track_timescale": cut.scale,
        "bsf:v": f"setts=pts=PTS:dts=DTS:duration={duration}",
        "threads": threads(),
    }


def open_input(descriptor: int, caps: MediaCaps, **options: Any) -> Any:
    """A foreign file as ffmpeg-python's input: by descriptor, of the formats that we take, within the caps."""
    import ffmpeg

    return ffmpeg.input(
        "fd:",
        fd=descriptor,
        protocol_whitelist="fd",
        format_whitelist=DEMUXERS,
        max_pixels=caps.max_pixels,
        threads=threads(),
        **options,
    )


def compile_command(*streams_and_target: Any, **options: Any) -> list[str]:
    """The command line that writes the streams to the target (the last argument) and tells its progress."""
    import ffmpeg

    *streams, target = streams_and_target
    command = ffmpeg.output(*streams, f"file:{target}", **options).compile(cmd=ffmpeg_binary(), overwrite_output=True)
    quiet = ["-nostdin", "-hide_banner", "-nostats", "-loglevel", "warning"]
    return [command[0], *quiet, "-progress", "pipe:1", "-stats_period", "0.25", *command[1:]]


def threads() -> int:
    """Threads of one decoder or encoder."""
    return min(MAX_THREADS, os.cpu_count() or 1)


def decimal(seconds: Fraction) -> str:
    """Seconds to the microsecond, ffmpeg's own unit, without an exponent."""
    return f"{round(seconds * 1_000_000) / 1_000_000:.6f}"
