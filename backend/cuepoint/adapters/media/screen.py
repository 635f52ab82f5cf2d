"""Filters that bring pictures onto any screen: whole instead of woven of fields, SDR, Rec. 709 in video range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cuepoint.adapters.media.plan import PictureKind

LABELS = {"range": "tv", "color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}
_WHOLE = {"mode": "send_frame", "deint": "interlaced"}
_REC_709 = {"p": "bt709", "t": "bt709", "m": "bt709", "r": "tv"}
# What zscale reads in any size with even sides; ffmpeg chooses the nearest.
_PLANAR = "yuv420p|yuv422p|yuv444p|yuv420p10le|yuv422p10le|yuv444p10le|gbrp|gbrp10le"
# From PQ or HLG to what every screen shows: linear light, the primaries of Rec. 709, then Hable's curve. 203 cd/m2 is
# the white of graphics in HDR (ITU-R BT.2408).
_TONE_MAP = (
    ("zscale", {"t": "linear", "npl": 203}),
    ("format", {"pix_fmts": "gbrpf32le"}),
    ("zscale", {"p": "bt709"}),
    ("tonemap", {"tonemap": "hable", "desat": 0}),
    ("zscale", _REC_709),
)


# Back as they are stored, and upright once more: ffmpeg has turned them before, and fields are lines only as stored.
_STORED: Mapping[int, tuple[str, ...]] = {90: ("transpose", "cclock"), 180: ("vflip",), 270: ("transpose", "clock")}
_UPRIGHT: Mapping[int, tuple[str, ...]] = {90: ("transpose", "clock"), 180: ("vflip",), 270: ("transpose", "cclock")}


def woven_apart(pictures: Any, kind: PictureKind) -> Any:
    """As many pictures at the same times: what is marked as two fields is filled up from one of them."""
    if not kind.may_be_woven:
        return pictures
    if kind.woven_turn not in _STORED:
        return pictures.filter("bwdif", **_WHOLE)
    stored = pictures.filter(*_STORED[kind.woven_turn])
    return stored.filter("bwdif", **_WHOLE).filter(*_UPRIGHT[kind.woven_turn])


def on_screen(pictures: Any, size: tuple[int, int], kind: PictureKind) -> Any:
    """The pictures in this size (even sides) with square pixels, and labelled as what they are.

    All curves of SDR are taken for the same one, as players do; only PQ and HLG are mapped.
    """
    shown = pictures.filter("setparams", **_labels(kind)).filter("scale", w=size[0], h=size[1])
    if kind.is_hdr or (kind.is_yuv and not kind.is_rec_709):
        shown = shown.filter("format", _PLANAR)
        for name, options in _TONE_MAP if kind.is_hdr else (("zscale", _REC_709),):
            shown = shown.filter(name, **options)
    elif not kind.is_yuv:
        shown = shown.filter("scale", out_color_matrix="bt709", out_range="tv")
    return shown.filter("format", "yuv420p").filter("setparams", **LABELS).filter("setsar", 1)


def _labels(kind: PictureKind) -> dict[str, Any]:
    """What holds for the whole track. Pictures may say what filters refuse (YCgCo, logarithmic curves)."""
    said = {"color_primaries": kind.primaries, "color_trc": kind.curve}
    return said | {"colorspace": kind.matrix, "range": "pc" if kind.is_full_range else "tv"} if kind.is_yuv else said
