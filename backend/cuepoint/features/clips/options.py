"""Which options of a clip go together, decided here alone; pure.

A value outside its bounds is BAD_USER_INPUT; two options that contradict each other are CONFLICTING_OPTIONS.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from cuepoint.adapters.media.base import ClipMode, MediaInfo
from cuepoint.adapters.media.forms import CaptionForm, CaptionMode, ClipAspect, ClipFit, ClipForm, ClipFormat
from cuepoint.errors import BadInputError, CuepointError, ErrorCode

RESOLUTIONS = (64, 4320)
FRAME_RATES = (Fraction(1), Fraction(120))
ANIMATION_MAX_RATE = Fraction(30)  # players slow down what GIF cannot count
ANIMATION_MAX_MS = 60_000  # every picture is stored: a minute of 12 a second is 720 of them
LOUDNESS = (-40.0, -5.0)  # LUFS; louder than -5 is distortion
MAX_FADE_MS = 30_000
MAX_KEYS = 200
FIELD = ("output",)


def check_form(form: ClipForm, mode: ClipMode | None, duration_ms: int, info: MediaInfo) -> None:
    """Raises BadInputError or CONFLICTING_OPTIONS; `mode` is None where nobody said one."""
    _check_values(form, duration_ms)
    _check_mode(form, mode)
    _check_frame(form, duration_ms)
    _check_format(form, duration_ms)
    _check_source(form, info)


def content_type_of(form: ClipForm, *, has_pictures: bool) -> tuple[str, str]:
    """MIME type and suffix of the file."""
    if form.format is ClipFormat.MP4:
        return ("video/mp4", ".mp4") if has_pictures else ("audio/mp4", ".m4a")
    if form.format is ClipFormat.MOV:
        return "video/quicktime", ".mov"
    if form.format is ClipFormat.WEBM:
        return "video/webm" if has_pictures else "audio/webm", ".webm"
    suffix = f".{form.format.value.lower()}"
    types = {ClipFormat.MP3: "audio/mpeg", ClipFormat.WAV: "audio/wav", ClipFormat.FLAC: "audio/flac"}
    return types.get(form.format, f"image/{form.format.value.lower()}"), suffix


def conflict(message: str, *names: str) -> CuepointError:
    """Two options that contradict each other; the last of `names` is the one to blame."""
    return CuepointError(ErrorCode.CONFLICTING_OPTIONS, message, field=(*FIELD, names[-1]) if names else FIELD)


def _bad(message: str, name: str) -> BadInputError:
    return BadInputError(message, field=(*FIELD, name))


def _check_values(form: ClipForm, duration_ms: int) -> None:
    low, high = RESOLUTIONS
    if form.resolution is not None and (not low <= form.resolution <= high or form.resolution % 2):
        raise _bad(f"resolution is the shorter side: an even number of pixels from {low} to {high}.", "resolution")
    if form.frame_rate is not None and not FRAME_RATES[0] <= form.frame_rate <= FRAME_RATES[1]:
        raise _bad("frameRate must lie between 1 and 120 pictures a second.", "frameRate")
    if form.loudness_lufs is not None and not LOUDNESS[0] <= form.loudness_lufs <= LOUDNESS[1]:
        raise _bad(f"loudness must lie between {LOUDNESS[0]:g} and {LOUDNESS[1]:g} LUFS.", "loudness")
    for name, value in (("fadeIn", form.fade_in_ms), ("fadeOut", form.fade_out_ms)):
        if not 0 <= value <= MAX_FADE_MS:
            raise _bad(f"{name} may last {MAX_FADE_MS // 1000} seconds.", name)
    if form.fade_in_ms + form.fade_out_ms > duration_ms:
        raise conflict("The fades together are longer than the clip.", "fadeIn", "fadeOut")


def _check_mode(form: ClipForm, mode: ClipMode | None) -> None:
    reasons = form.reasons_to_render()
    if mode is ClipMode.FAST and reasons:
        raise CuepointError(
            ErrorCode.CONFLICTING_OPTIONS,
            f"mode FAST copies and cannot change anything, but this changes {', '.join(reasons)}. Leave mode out, or "
            "say RENDER.",
            field=("mode",),
        )


def _check_frame(form: ClipForm, duration_ms: int) -> None:
    has_keys = bool(form.keys)
    if form.fit is not ClipFit.CENTER and form.aspect is ClipAspect.ORIGINAL:
        raise conflict(f"fit {form.fit.value} needs an aspect other than ORIGINAL.", "aspect", "fit")
    if has_keys != (form.fit is ClipFit.KEYFRAMES):
        raise conflict("keyframes and fit KEYFRAMES need each other.", "fit", "keyframes")
    if len(form.keys) > MAX_KEYS:
        raise _bad(f"At most {MAX_KEYS} keyframes.", "keyframes")
    times = [key.at_ms for key in form.keys]
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise _bad("keyframes must be in order, each at a time of its own.", "keyframes")
    if any(not 0 <= key.at_ms <= duration_ms for key in form.keys):
        raise _bad("A keyframe lies outside the clip; its time counts from the clip's start.", "keyframes")
    if any(not (0 <= key.x <= 1 and 0 <= key.y <= 1) for key in form.keys):
        raise _bad("x and y of a keyframe are shares of width and height, 0 to 1.", "keyframes")


def _check_format(form: ClipForm, duration_ms: int) -> None:
    name = form.format.value
    pictures = {
        "resolution": form.resolution is not None,
        "frameRate": form.frame_rate is not None,
        "aspect": form.aspect is not ClipAspect.ORIGINAL,
        "captions": form.captions is not None and form.captions.mode is not CaptionMode.SIDECAR,
    }
    if not form.format.has_pictures:
        _refuse(pictures, f"{name} has no picture")
        if form.quality is not None and form.format is not ClipFormat.MP3:
            raise conflict(f"{name} loses nothing: it has no quality to choose.", "format", "quality")
    if form.format.is_animation:
        if form.loudness_lufs is not None:
            raise conflict(f"{name} has no sound.", "format", "loudness")
        if duration_ms > ANIMATION_MAX_MS:
            raise conflict(f"{name} may last {ANIMATION_MAX_MS // 1000} seconds; take a shorter range.", "format")
        if form.frame_rate is not None and form.frame_rate > ANIMATION_MAX_RATE:
            raise conflict(f"{name} has at most {ANIMATION_MAX_RATE} pictures a second.", "format", "frameRate")
        if form.captions is not None and form.captions.mode is CaptionMode.EMBED:
            raise conflict(f"{name} holds no text track; burn the captions.", "format", "captions")
    _check_captions(form.captions)


def _check_captions(captions: CaptionForm | None) -> None:
    plain = CaptionForm()
    if captions is None or captions.mode is CaptionMode.BURN:
        return
    looks = (captions.style, captions.position, captions.highlights_words)
    if looks != (plain.style, plain.position, plain.highlights_words):
        raise conflict(
            f"style, position and highlightWords are of burned captions; {captions.mode.value} has none of them.",
            "captions",
        )


def _refuse(asked: dict[str, bool], why: str) -> None:
    for name, is_asked in asked.items():
        if is_asked:
            raise conflict(f"{why}, so {name} does not apply.", "format", name)


def _check_source(form: ClipForm, info: MediaInfo) -> None:
    known = [track.index for track in info.tracks if track.type == "AUDIO"]
    if form.audio_track is not None and form.audio_track not in known:
        said = f"its audio tracks are {', '.join(map(str, known))}" if known else "it has no audio track"
        raise _bad(f"The video has no audio track {form.audio_track}; {said}.", "audioTrack")
    if info.video is None:
        if form.format.is_animation:
            raise conflict(f"The video has no picture, and {form.format.value} holds nothing else.", "format")
        asked = {
            "resolution": form.resolution is not None,
            "frameRate": form.frame_rate is not None,
            "aspect": form.aspect is not ClipAspect.ORIGINAL,
            "captions": form.captions is not None and form.captions.mode is CaptionMode.BURN,
        }
        _refuse(asked, "The video has no picture")
    if info.audio is None:
        if not form.format.has_pictures:
            raise conflict(f"The video has no sound, and {form.format.value} holds nothing else.", "format")
        _refuse({"loudness": form.loudness_lufs is not None}, "The video has no sound")
