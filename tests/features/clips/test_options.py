"""Which options of a clip go together."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from cuepoint.adapters.media.base import ClipMode, MediaInfo
from cuepoint.adapters.media.fake import fake_media_info
from cuepoint.adapters.media.forms import (
    CaptionForm,
    CaptionMode,
    CaptionStyle,
    ClipAspect,
    ClipFit,
    ClipForm,
    ClipFormat,
    ClipQuality,
    CropKey,
)
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.clips.options import check_form, content_type_of

BURN, SIDECAR, EMBED = (CaptionForm(mode) for mode in (CaptionMode.BURN, CaptionMode.SIDECAR, CaptionMode.EMBED))
KEYS = (CropKey(0, 0.5, 0.5), CropKey(1000, 0.6, 0.5))
BAD, CONFLICT = ErrorCode.BAD_USER_INPUT, ErrorCode.CONFLICTING_OPTIONS


def refused(form: ClipForm, mode: ClipMode | None = None, info: MediaInfo | None = None) -> tuple[ErrorCode, str]:
    with pytest.raises(CuepointError) as caught:
        check_form(form, mode, 10_000, info or fake_media_info())
    return caught.value.code, caught.value.field[-1]


class TestCheckForm:
    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"format": ClipFormat.WEBM, "captions": EMBED, "resolution": 720, "frame_rate": Fraction(30)},
            {"format": ClipFormat.GIF, "captions": BURN, "aspect": ClipAspect.R1_1, "fit": ClipFit.BLUR},
            {"format": ClipFormat.MP3, "quality": ClipQuality.HIGH, "loudness_lufs": -16.0, "captions": SIDECAR},
            {"aspect": ClipAspect.R9_16, "fit": ClipFit.KEYFRAMES, "keys": KEYS},
            {"fade_in_ms": 5_000, "fade_out_ms": 5_000},
            {"audio_track": 1},
        ],
        ids=str,
    )
    def test_takes(self, values: dict[str, Any]) -> None:
        check_form(ClipForm(**values), None, 10_000, fake_media_info())

    @pytest.mark.parametrize(
        ("values", "code", "name"),
        [
            ({"resolution": 62}, BAD, "resolution"),
            ({"resolution": 361}, BAD, "resolution"),
            ({"resolution": 4322}, BAD, "resolution"),
            ({"frame_rate": Fraction(121)}, BAD, "frameRate"),
            ({"loudness_lufs": -4.0}, BAD, "loudness"),
            ({"loudness_lufs": float("nan")}, BAD, "loudness"),
            ({"fade_in_ms": 31_000}, BAD, "fadeIn"),
            ({"fade_in_ms": 6_000, "fade_out_ms": 6_000}, CONFLICT, "fadeOut"),
            ({"fit": ClipFit.BLUR}, CONFLICT, "fit"),
            ({"aspect": ClipAspect.R1_1, "fit": ClipFit.KEYFRAMES}, CONFLICT, "keyframes"),
            ({"aspect": ClipAspect.R1_1, "keys": KEYS}, CONFLICT, "keyframes"),
            ({"aspect": ClipAspect.R1_1, "fit": ClipFit.KEYFRAMES, "keys": KEYS[::-1]}, BAD, "keyframes"),
            ({"aspect": ClipAspect.R1_1, "fit": ClipFit.KEYFRAMES, "keys": (CropKey(10_001, 0, 0),)}, BAD, "keyframes"),
            ({"aspect": ClipAspect.R1_1, "fit": ClipFit.KEYFRAMES, "keys": (CropKey(0, 1.1, 0),)}, BAD, "keyframes"),
            ({"format": ClipFormat.MP3, "aspect": ClipAspect.R1_1}, CONFLICT, "aspect"),
            ({"format": ClipFormat.WAV, "captions": BURN}, CONFLICT, "captions"),
            ({"format": ClipFormat.FLAC, "quality": ClipQuality.LOW}, CONFLICT, "quality"),
            ({"format": ClipFormat.GIF, "loudness_lufs": -16.0}, CONFLICT, "loudness"),
            ({"format": ClipFormat.WEBP, "captions": EMBED}, CONFLICT, "captions"),
            ({"format": ClipFormat.GIF, "frame_rate": Fraction(50)}, CONFLICT, "frameRate"),
            ({"captions": CaptionForm(CaptionMode.SIDECAR, CaptionStyle.BOX)}, CONFLICT, "captions"),
            ({"audio_track": 0}, BAD, "audioTrack"),
        ],
        ids=str,
    )
    def test_refuses(self, values: dict[str, Any], code: ErrorCode, name: str) -> None:
        assert refused(ClipForm(**values)) == (code, name)

    def test_fast_can_change_nothing(self) -> None:
        assert refused(ClipForm(resolution=360), ClipMode.FAST) == (CONFLICT, "mode")
        check_form(ClipForm(captions=SIDECAR), ClipMode.FAST, 10_000, fake_media_info())

    def test_a_long_animation_is_refused(self) -> None:
        with pytest.raises(CuepointError) as caught:
            check_form(ClipForm(format=ClipFormat.GIF), None, 60_001, fake_media_info())

        assert caught.value.code is CONFLICT

    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ({"format": ClipFormat.GIF}, "format"),
            ({"resolution": 360}, "resolution"),
            ({"captions": BURN}, "captions"),
        ],
        ids=str,
    )
    def test_sound_alone_has_no_picture(self, values: dict[str, Any], name: str) -> None:
        assert refused(ClipForm(**values), info=fake_media_info(with_video=False)) == (CONFLICT, name)

    @pytest.mark.parametrize(
        ("values", "name"), [({"format": ClipFormat.MP3}, "format"), ({"loudness_lufs": -16.0}, "loudness")], ids=str
    )
    def test_pictures_alone_have_no_sound(self, values: dict[str, Any], name: str) -> None:
        assert refused(ClipForm(**values), info=fake_media_info(with_audio=False)) == (CONFLICT, name)


class TestContentTypeOf:
    @pytest.mark.parametrize(
        ("form", "has_pictures", "wanted"),
        [
            (ClipFormat.MP4, True, ("video/mp4", ".mp4")),
            (ClipFormat.MP4, False, ("audio/mp4", ".m4a")),
            (ClipFormat.MOV, True, ("video/quicktime", ".mov")),
            (ClipFormat.WEBM, True, ("video/webm", ".webm")),
            (ClipFormat.GIF, True, ("image/gif", ".gif")),
            (ClipFormat.WEBP, True, ("image/webp", ".webp")),
            (ClipFormat.MP3, True, ("audio/mpeg", ".mp3")),
            (ClipFormat.WAV, True, ("audio/wav", ".wav")),
            (ClipFormat.FLAC, False, ("audio/flac", ".flac")),
        ],
    )
    def test_follows_from_format(self, form: ClipFormat, has_pictures: bool, wanted: tuple[str, str]) -> None:
        assert content_type_of(ClipForm(format=form), has_pictures=has_pictures) == wanted


class TestForm:
    def test_is_stored_and_read_again(self) -> None:
        form = ClipForm(
            format=ClipFormat.WEBM,
            resolution=720,
            frame_rate=Fraction(30000, 1001),
            quality=ClipQuality.LOW,
            fade_in_ms=500,
            loudness_lufs=-16.0,
            aspect=ClipAspect.R9_16,
            fit=ClipFit.KEYFRAMES,
            keys=KEYS,
            captions=CaptionForm(highlights_words=True),
        )

        assert ClipForm.from_json(form.to_json()) == form
        assert ClipForm().to_json() == {}
        assert ClipForm.from_json({}) == ClipForm()

    def test_says_what_forces_rendering(self) -> None:
        assert ClipForm().reasons_to_render() == ClipForm(captions=SIDECAR).reasons_to_render() == ()
        assert ClipForm(captions=EMBED, fade_out_ms=1).reasons_to_render() == ("fadeOut", "captions")
