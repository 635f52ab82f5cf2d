"""Single pictures in the colours of screens: the light that the stored numbers mean, mapped to Rec. 709; child only.

The same as what `screen` lets ffmpeg do to moving pictures. Of HDR the brightest light is taken for that of its curve:
the curve's end, not what the file says of itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy

from cuepoint.adapters.media.plan import HDR_CURVES, PictureKind

Array = numpy.ndarray[Any, Any]

_GAMMA = 2.4  # ITU-R BT.1886: what screens make of Rec. 601, 709 and 2020
_WHITE = (0.3127, 0.3290)
# Where red, green and blue lie (x, y), by the numbers of ITU-T H.273, table 2.
_PRIMARIES = {
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    7: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
_LEVELS = 4096  # of light while it is written: no two neighbours are further apart than 8 bits tell, but in the dark
_PQ, _HLG = HDR_CURVES
_PQ_NITS, _HLG_NITS, _WHITE_NITS = 10_000, 1_000, 203


def on_screen(picture: Array, kind: PictureKind) -> Array:
    """Red, green and blue (8 bits) of Rec. 709 for those of the kind, 8 or 16 bits each."""
    light = _table(kind.curve, 1 << 8 * picture.itemsize)[picture] @ _turn(kind.primaries)
    if kind.is_hdr:
        light = _hable(light, (_PQ_NITS if kind.curve == _PQ else _HLG_NITS) / 100)
    shown: Array = _written()[(numpy.clip(light, 0, 1) * (_LEVELS - 1) + 0.5).astype(numpy.uint16)]
    return shown


@cache
def _table(curve: int, levels: int) -> Array:
    """Light by stored value: 1 is white."""
    value = numpy.linspace(0, 1, levels)
    if curve == _PQ:  # SMPTE ST 2084
        root = value ** (1 / 78.84375)
        light = (numpy.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        light = light * _PQ_NITS / _WHITE_NITS
    elif curve == _HLG:  # ARIB STD-B67, and its gamma of 1.2 on a screen of 1000 cd/m2
        scene = numpy.where(
            value <= 0.5, value**2 / 3, (numpy.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
        )
        light = scene**1.2 * _HLG_NITS / _WHITE_NITS
    else:
        light = value**_GAMMA
    return light.astype(numpy.float32)


@cache
def _written() -> Array:
    """8 bits by light."""
    return (numpy.linspace(0, 1, _LEVELS) ** (1 / _GAMMA) * 255 + 0.5).astype(numpy.uint8)


def _turn(primaries: int) -> Array:
    """What a row of red, green and blue is multiplied with."""
    turn: Array = numpy.linalg.solve(_to_xyz(1), _to_xyz(primaries)).T.astype(numpy.float32)
    return turn


def _to_xyz(primaries: int) -> Array:
    places = numpy.array([(x / y, 1, (1 - x - y) / y) for x, y in _PRIMARIES[primaries]]).T
    x, y = _WHITE
    found: Array = places * numpy.linalg.solve(places, numpy.array((x / y, 1, (1 - x - y) / y)))
    return found


def _hable(light: Array, peak: float) -> Array:
    """The curve of ffmpeg's `tonemap=hable`, by the brightest of the three."""
    brightest = numpy.maximum(light.max(axis=2, keepdims=True), 1e-6)
    mapped: Array = light * (_filmic(brightest) / _filmic(peak) / brightest)
    return mapped


def _filmic(light: Any) -> Any:
    return (light * (0.15 * light + 0.05) + 0.004) / (light * (0.15 * light + 0.5) + 0.06) - 0.02 / 0.3
