"""ffmpeg command lines of proxies and of audio files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from cuepoint.adapters.media.base import MediaCaps, MediaInfo, TrackInfo
from cuepoint.adapters.media.base_looks import AudioFormat, AudioQuality, AudioRequest
from cuepoint.adapters.media.commands import IN_TIME, compile_command, open_input, threads
from cuepoint.adapters.media.plan import PictureKind
from cuepoint.adapters.media.screen import on_screen, woven_apart

PROXY_SIDES = (1920, 1080)  # longer and shorter side; what every browser and its hardware decode
PROXY_CRF = 23  # x264's default
PROXY_KEY_SECONDS = 2  # a seek decodes two seconds at most
PROXY_AUDIO_RATE = 48_000
PROXY_AUDIO_BIT_RATE = 160_000
_CODECS = {
    AudioFormat.WAV: ("wav", "pcm_s16le"),
    AudioFormat.MP3: ("mp3", "libmp3lame"),
    AudioFormat.FLAC: ("flac", "flac"),
    AudioFormat.OPUS: ("ogg", "libopus"),
    AudioFormat.M4A: ("ipod", "aac"),
}
# Bits a second of one channel, by listening tests of the codecs: LOW is right for speech, HIGH transparent for music.
_BIT_RATES = {
    AudioFormat.MP3: {AudioQuality.LOW: 48_000, AudioQuality.STANDARD: 80_000, AudioQuality.HIGH: 128_000},
    AudioFormat.OPUS: {AudioQuality.LOW: 24_000, AudioQuality.STANDARD: 48_000, AudioQuality.HIGH: 80_000},
    AudioFormat.M4A: {AudioQuality.LOW: 48_000, AudioQuality.STANDARD: 80_000, AudioQuality.HIGH: 128_000},
}
_OPUS_LAYOUTS = "3.0|quad|5.0|5.1|6.1|7.1"  # RFC 7845, 5.1.1.2; its encoder refuses speakers in other places
_MOST_CHANNELS = {AudioFormat.MP3: 2}
TARGET_LUFS = -16.0  # of podcasts and of speech on the web (AES TD1008)
PEAK_LIMIT = 0.89  # -1 dB, below what lossy decoders overshoot


def proxy_command(descriptor: int, target: Path, *, info: MediaInfo, kind: PictureKind, caps: MediaCaps) -> list[str]:
    """The file as H.264/AAC. Pictures keep their own times, as far as they rise."""
    video, audio = info.video, info.audio
    source = open_input(descriptor, caps, sn=None, dn=None)
    streams: list[Any] = []
    options: dict[str, Any] = {}
    if video is not None:
        streams.append(on_screen(woven_apart(source[str(video.index)], kind), proxy_size(video), kind))
        options |= {
            "c:v": "libx264",
            "preset": "veryfast",
            "crf": PROXY_CRF,
            "profile:v": "high",
            "fps_mode": "vfr",
            "force_key_frames": f"expr:gte(t,n_forced*{PROXY_KEY_SECONDS})",
            "threads": threads(),
        }
    if audio is not None:
        layout = "mono" if audio.channels == 1 else "stereo"
        sound = source[str(audio.index)].filter("aresample", PROXY_AUDIO_RATE, **IN_TIME, first_pts=0)
        streams.append(sound.filter("aformat", channel_layouts=layout))
        options |= {"c:a": "aac", "b:a": PROXY_AUDIO_BIT_RATE}
    return compile_command(
        *streams,
        target,
        f="mp4",
        movflags="+faststart",
        movie_timescale=1000,
        map_metadata=-1,
        map_chapters=-1,
        max_error_rate=1,
        max_muxing_queue_size=9999,
        t=_seconds(caps.max_duration_ms),
        **options,
    )


def proxy_size(video: TrackInfo) -> tuple[int, int]:
    """Even sides within PROXY_SIDES, whichever way the picture stands; never enlarged."""
    width, height = video.width or 2, video.height or 2
    longest, shortest = PROXY_SIDES
    shrink = min(Fraction(1), Fraction(longest, max(width, height)), Fraction(shortest, min(width, height)))
    return max(2, int(width * shrink) // 2 * 2), max(2, int(height * shrink) // 2 * 2)


def audio_command(
    descriptor: int, target: Path, *, request: AudioRequest, channels: int, gain_db: float | None, caps: MediaCaps
) -> list[str]:
    """One track as a file whose time 0 is that of the media: what begins later has silence in front."""
    container, codec = _CODECS[request.format]
    source = open_input(descriptor, caps, vn=None, sn=None, dn=None)
    rate = {} if request.sample_rate is None else {"osr": request.sample_rate}
    sound = source[str(request.track_index)].filter("aresample", **IN_TIME, first_pts=0, **rate)
    if gain_db is not None:
        sound = sound.filter("volume", f"{gain_db:.2f}dB").filter("alimiter", limit=PEAK_LIMIT, level="disabled")
    wanted = min(request.channels or channels, _MOST_CHANNELS.get(request.format, 8))
    if wanted != channels or (wanted > 2 and request.format is AudioFormat.OPUS):
        layouts = {1: "mono", 2: "stereo"}.get(wanted, _OPUS_LAYOUTS)
        sound = sound.filter("aformat", channel_layouts=layouts)
    options: dict[str, Any] = {"c:a": codec}
    rates = _BIT_RATES.get(request.format)
    if rates is not None:
        options["b:a"] = rates[request.quality] * wanted
    if request.format is AudioFormat.M4A:
        options |= {"movflags": "+faststart", "movie_timescale": 1000}
    limits = {"max_error_rate": 1, "map_metadata": -1, "map_chapters": -1, "t": _seconds(caps.max_duration_ms)}
    return compile_command(sound, target, f=container, **limits, **options)


def loudness_command(descriptor: int, target: Path, *, track_index: int, caps: MediaCaps) -> list[str]:
    """Nothing is written; the summary of `ebur128` goes to stderr."""
    sound = open_input(descriptor, caps, vn=None, sn=None, dn=None)[str(track_index)]
    command = compile_command(sound.filter("ebur128", framelog="quiet"), target, f="null", max_error_rate=1)
    return ["info" if part == "warning" else part for part in command]


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"
