"""ffmpeg command lines of clips that are more than a cut: frame, rate, fades, loudness, captions, and every format."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.commands import (
    CLIP_AUDIO_BIT_RATE_PER_CHANNEL,
    CLIP_CRF,
    compile_command,
    cut_pictures,
    cut_sound,
    threads,
    video_options,
)
from cuepoint.adapters.media.forms import ClipForm, ClipFormat, ClipQuality
from cuepoint.adapters.media.frames import Frame, framed
from cuepoint.adapters.media.plan import AudioCut, ClipPlan, VideoCut

# One scale for each encoder; MEDIUM is what a clip has without a word about it.
_CRF = {ClipQuality.LOW: 28, ClipQuality.MEDIUM: CLIP_CRF, ClipQuality.HIGH: 16}
_VP9_CRF = {ClipQuality.LOW: 42, ClipQuality.MEDIUM: 33, ClipQuality.HIGH: 24}  # counts to 63
_WEBP = {ClipQuality.LOW: 50, ClipQuality.MEDIUM: 75, ClipQuality.HIGH: 90}
_MP3 = {ClipQuality.LOW: 6, ClipQuality.MEDIUM: 2, ClipQuality.HIGH: 0}  # about 115, 190 and 245 kbit/s
_MUXERS = {
    ClipFormat.MP4: "mp4",
    ClipFormat.MOV: "mov",
    ClipFormat.WEBM: "webm",
    ClipFormat.GIF: "gif",
    ClipFormat.WEBP: "webp",
    ClipFormat.MP3: "mp3",
    ClipFormat.WAV: "wav",
    ClipFormat.FLAC: "flac",
}
# Peaks at -1 dB at the most: what EBU R 128 leaves for the codecs that follow.
LOUDNESS_LIMITER = {"limit": 0.891, "level": 0, "latency": 1, "attack": 5, "release": 50}
_NO_FILE = Path("/dev/null")


@dataclass(frozen=True)
class FormSources:
    """Descriptors of the source (pictures and sound need a position each) and of the captions to embed."""

    video: int
    audio: int
    captions: int | None = None


@dataclass(frozen=True)
class Finish:
    """What the form needs besides itself: its frame, the gain in dB that reaches its loudness, the captions to burn."""

    frame: Frame | None
    frame_rate: Fraction | None
    gain_db: float | None = None
    ass: Path | None = None
    fonts: Path | None = None


def form_command(
    sources: FormSources,
    target: Path,
    *,
    plan: ClipPlan,
    form: ClipForm,
    finish: Finish,
    container: str,
    caps: MediaCaps,
) -> list[str]:
    """The planned cut in its form. Pictures and sound are cut exactly as in a plain clip; the form comes after."""
    streams = []
    options: dict[str, Any] = {}
    if plan.video is not None and finish.frame is not None:
        pictures = cut_pictures(sources.video, plan.video, container, caps)
        streams.append(finished_pictures(pictures, plan.video, form, finish))
        options |= _picture_options(plan.video, form, finish)
    if plan.audio is not None:
        sound = cut_sound(sources.audio, plan.audio, caps, has_pictures=plan.video is not None)
        streams.append(finished_sound(sound, plan.audio, form, finish))
        options |= _sound_options(plan.audio, form)
    if sources.captions is not None:
        streams.append(_text_input(sources.captions))
        options["c:s"] = "webvtt" if form.format is ClipFormat.WEBM else "mov_text"
        options["disposition:s:0"] = "default"
    if form.format in {ClipFormat.MP4, ClipFormat.MOV}:
        options |= {"movflags": "+faststart", "movie_timescale": 1000}
    return compile_command(
        *streams, target, f=_MUXERS[form.format], map_metadata=-1, map_chapters=-1, copyts=None, **options
    )


def loudness_command(descriptor: int, cut: AudioCut, caps: MediaCaps) -> list[str]:
    """Measures the cut's sound by EBU R 128; the summary stands at the end of stderr."""
    sound = cut_sound(descriptor, cut, caps).filter("ebur128", framelog="quiet")
    command = compile_command(sound, _NO_FILE, f="null", copyts=None)
    command[command.index("-loglevel") + 1] = "info"
    return command


def finished_pictures(pictures: Any, cut: VideoCut, form: ClipForm, finish: Finish) -> Any:
    """The cut's pictures in their frame, at their rate, with captions and fades."""
    if finish.frame is None:
        raise ValueError("pictures without a frame")
    length = cut.end - cut.base_seconds
    shown = framed(pictures, finish.frame, cut.kind, form.keys)
    if finish.frame_rate is not None:
        shown = shown.filter("fps", fps=str(finish.frame_rate), start_time=0)
    if finish.ass is not None:
        shown = shown.filter("ass", filename=str(finish.ass), fontsdir=str(finish.fonts))
    shown = _faded(shown, "fade", form, length)
    if form.format is ClipFormat.GIF:
        parts = shown.split()  # a palette for each picture: no picture has to wait for the last one
        palette = parts[0].filter("palettegen", stats_mode="single", reserve_transparent=0)
        return _join(parts[1], palette, "paletteuse", new=1, dither="bayer", bayer_scale=3)
    # The encoder of WebP takes colours for those of Rec. 601 unless it turns them itself.
    return shown.filter("format", "bgra" if form.format is ClipFormat.WEBP else "yuv420p")


def finished_sound(sound: Any, cut: AudioCut, form: ClipForm, finish: Finish) -> Any:
    """The cut's sound at its loudness, with fades."""
    if finish.gain_db is not None:
        sound = sound.filter("volume", f"{finish.gain_db:.2f}dB").filter("alimiter", **LOUDNESS_LIMITER)
    return _faded(sound, "afade", form, cut.end - cut.start)


def _faded(stream: Any, name: str, form: ClipForm, length: Fraction) -> Any:
    if form.fade_in_ms:
        stream = stream.filter(name, type="in", start_time=0, duration=form.fade_in_ms / 1000)
    if form.fade_out_ms:
        begin = max(0.0, float(length) - form.fade_out_ms / 1000)
        stream = stream.filter(name, type="out", start_time=f"{begin:.6f}", duration=form.fade_out_ms / 1000)
    return stream


def _join(first: Any, second: Any, name: str, **options: Any) -> Any:
    import ffmpeg

    return ffmpeg.filter([first, second], name, **options)


def _text_input(descriptor: int) -> Any:
    import ffmpeg

    return ffmpeg.input("fd:", fd=descriptor, protocol_whitelist="fd", f="webvtt")["s:0"]


def _picture_options(cut: VideoCut, form: ClipForm, finish: Finish) -> dict[str, Any]:
    quality = form.quality or ClipQuality.MEDIUM
    if form.format is ClipFormat.GIF:
        return {"loop": 0}
    if form.format is ClipFormat.WEBP:
        return {"c:v": "libwebp_anim", "quality": _WEBP[quality], "loop": 0, "fps_mode": "passthrough"}
    own_times = {} if finish.frame_rate is not None else {"fps_mode": "passthrough", "enc_time_base": f"1:{cut.scale}"}
    if form.format is ClipFormat.WEBM:
        speed = {"deadline": "good", "cpu-used": 5, "row-mt": 1, "threads": threads()}
        return {"c:v": "libvpx-vp9", "crf": _VP9_CRF[quality], "b:v": 0, **speed, **own_times}
    options = video_options(cut) | {"crf": _CRF[quality]}
    if finish.frame_rate is not None:  # the times are the filter's, not the source's
        for name in ("bsf:v", "enc_time_base", "video_track_timescale", "fps_mode"):
            options.pop(name)
    return options


def _sound_options(cut: AudioCut, form: ClipForm) -> dict[str, Any]:
    bit_rate = CLIP_AUDIO_BIT_RATE_PER_CHANNEL * cut.channels
    if form.format is ClipFormat.MP3:
        return {"c:a": "libmp3lame", "q:a": _MP3[form.quality or ClipQuality.MEDIUM]}
    if form.format is ClipFormat.WAV:
        return {"c:a": "pcm_s16le"}
    if form.format is ClipFormat.FLAC:
        return {"c:a": "flac", "sample_fmt": "s16"}
    return {"c:a": "libopus" if form.format is ClipFormat.WEBM else "aac", "b:a": bit_rate}
