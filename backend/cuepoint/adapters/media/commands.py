"""ffmpeg command lines: a foreign file comes in by descriptor only, so no name and no other file is reachable."""

from __future__ import annotations

import os
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.plan import AudioCut, ClipPlan, VideoCut
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
# Containers with an index jump to the very key frame asked for; in the others a seek lands near a time of decoding.
_INDEXED = ("mp4", "mov", "m4a", "3gp")
_STREAM_LEAD_SECONDS = 1


@cache
def ffmpeg_binary() -> str:
    """Path of the ffmpeg that comes with imageio-ffmpeg."""
    from imageio_ffmpeg import get_ffmpeg_exe

    return str(get_ffmpeg_exe())


def wav_command(descriptor: int, target: Path, *, track_index: int, caps: MediaCaps) -> list[str]:
    """The track as 16 kHz mono s16 WAV; gaps in the track become silence, so that later times stay right."""
    source = _input(descriptor, caps, vn=None, sn=None, dn=None)
    resample = f"aresample={SPEECH_RATE}:async=1:out_chlayout=mono:out_sample_fmt=s16"
    return _compile(
        source[str(track_index)],
        target,
        f="wav",
        af=resample,
        acodec="pcm_s16le",
        t=_decimal(Fraction(caps.max_duration_ms, 1000)),
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
        streams.append(_pictures(video_descriptor, plan.video, container, size, caps))
        options |= _video_options(plan.video)
    if plan.audio is not None:
        streams.append(_sound(audio_descriptor, plan.audio, caps))
        options |= {
            "c:a": "aac",
            "b:a": CLIP_AUDIO_BIT_RATE_PER_CHANNEL * plan.audio.channels,
        }
    return _compile(
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


def _pictures(descriptor: int, cut: VideoCut, container: str, size: tuple[int, int], caps: MediaCaps) -> Any:
    # One millisecond more, because the seek is rounded to microseconds and must not fall before the key frame.
    lead = Fraction(-1, 1000) if container in _INDEXED else Fraction(_STREAM_LEAD_SECONDS)
    source = _input(descriptor, caps, **_seek(cut.seek - lead), an=None, sn=None, dn=None)
    return (
        source[str(cut.index)]
        .filter("settb", expr=f"1/{cut.scale}")
        .filter("trim", start_pts=cut.first_tick, end_pts=cut.end_tick)
        .filter("setpts", f"max(PTS-({cut.base_tick}),0)")  # 0: a long picture that began before the range
        .filter("scale", w=size[0], h=size[1])
        .filter("setsar", 1)
        .filter("format", "yuv420p")
    )


def _sound(descriptor: int, cut: AudioCut, caps: MediaCaps) -> Any:
    source = _input(descriptor, caps, **_seek(cut.start - _AUDIO_LEAD_SECONDS), vn=None, sn=None, dn=None)
    start = f"({cut.start.numerator}/{cut.start.denominator})"
    return (
        source[str(cut.index)]
        .filter("atrim", start=_decimal(cut.start), end=_decimal(cut.end))
        .filter("asetpts", f"PTS-{start}/TB")
        .filter("aresample", CLIP_AUDIO_RATE, **{"async": 1, "first_pts": 0})
        .filter("aformat", channel_layouts="mono" if cut.channels == 1 else "stereo")
    )


def _seek(time: Fraction) -> dict[str, Any]:
    return {"ss": _decimal(time), "seek_timestamp": 1, "noaccurate_seek": None} if time > 0 else {}


def _video_options(cut: VideoCut) -> dict[str, Any]:
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


def _input(descriptor: int, caps: MediaCaps, **options: Any) -> Any:
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


def _compile(*streams_and_target: Any, **options: Any) -> list[str]:
    import ffmpeg

    *streams, target = streams_and_target
    command = ffmpeg.output(*streams, f"file:{target}", **options).compile(cmd=ffmpeg_binary(), overwrite_output=True)
    quiet = ["-nostdin", "-hide_banner", "-nostats", "-loglevel", "warning"]
    return [command[0], *quiet, "-progress", "pipe:1", "-stats_period", "0.25", *command[1:]]


def threads() -> int:
    """Threads of one decoder or encoder."""
    return min(MAX_THREADS, os.cpu_count() or 1)


def _decimal(seconds: Fraction) -> str:
    """Seconds to the microsecond, ffmpeg's own unit, without an exponent."""
    return f"{round(seconds * 1_000_000) / 1_000_000:.6f}"
