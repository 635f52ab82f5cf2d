"""Pictures whose places can be told by their colour, and reading the pictures of a file back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy

from tests.support.media import run_ffmpeg

WIDTHS = (106, 108, 106)  # red, green and blue, side by side
RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
BARS = (
    (191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191),
    (191, 0, 0), (0, 0, 191), (32, 160, 224), (230, 120, 60), (40, 40, 40),
)  # fmt: skip
_BAR = 32  # pixels; the picture has as many as it has bars, in half of that height
# ITU-T H.273: the shares of red and blue in grey, and where red, green and blue lie (x, y).
_SHARES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
_PLACES = {
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
_WHITE = (0.3127, 0.3290)
_SCREEN_GAMMA = 2.4  # ITU-R BT.1886: what a screen makes of Rec. 601, 709 and 2020 alike


@dataclass(frozen=True)
class Bars:
    """How the pictures are stored, by the numbers of ITU-T H.273; `says`: whether the file states it."""

    matrix: int
    primaries: int
    is_full_range: bool = False
    bits: int = 8
    says: bool = True


def make_colours(path: Path, seconds: float = 2.0, *, sound: bool = False) -> Path:
    """320x180 at 24 pictures a second: a third red, a third green, a third blue."""
    inputs: list[str] = []
    for name, width in zip(("0xC80000", "0x00C800", "0x0000C8"), WIDTHS, strict=True):
        inputs += ["-f", "lavfi", "-i", f"color=c={name}:s={width}x180:r=24:d={seconds}"]
    tone = ["-f", "lavfi", "-i", f"sine=440:d={seconds}"] if sound else []
    audio = ["-map", "3:a", "-c:a", "aac"] if sound else []
    graph = ["-filter_complex", "[0][1][2]hstack=inputs=3,format=yuv444p[v]", "-map", "[v]"]
    run_ffmpeg(*inputs, *tone, *graph, *audio, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", str(path))
    return path


def make_plain(path: Path, grey: int = 90, *, seconds: float = 2.0, noise: int = 0, size: str = "320x180") -> Path:
    """One grey, or grains around it."""
    grain = f",noise=alls={noise}:all_seed=7" if noise else ""
    source = f"color=c=0x{grey:02X}{grey:02X}{grey:02X}:s={size}:r=24:d={seconds}{grain}"
    run_ffmpeg("-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path))
    return path


def make_hdr(path: Path, *, says_colours: bool = True, size: str = "320x180") -> Path:
    """A second of ten pictures in PQ, 4:2:0, that state their curve, and their matrix and primaries or not."""
    said = (
        "color_primaries=bt2020:colorspace=bt2020nc" if says_colours else "color_primaries=unknown:colorspace=unknown"
    )
    run_ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=s=320x180:r=10:d=1,scale={size.replace('x', ':')}"),
        *("-vf", f"format=yuv420p10le,setparams={said}:color_trc=smpte2084"),
        *("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", str(path)),
    )
    return path


def make_bars(path: Path, kind: Bars) -> Path:
    """Ten pictures of bars, without loss."""
    width, height = _BAR * len(BARS), _BAR * 5
    values = [_stored(colour, kind) for colour in BARS]
    planes = [
        numpy.repeat([[value[plane] for value in values]], _BAR // step, axis=1).repeat(height // step, axis=0)
        for plane, step in enumerate((1, 2, 2))
    ]
    kinds = (numpy.uint8, "yuv420p") if kind.bits == 8 else ("<u2", "yuv420p10le")
    raw = b"".join(plane.astype(kinds[0]).tobytes() for plane in planes) * 10
    range_ = "pc" if kind.is_full_range else "tv"
    said = f"setparams=color_primaries={kind.primaries}:color_trc=1:colorspace={kind.matrix}:range={range_}"
    run_ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", kinds[1], "-s", f"{width}x{height}", "-r", "25", "-i", "pipe:0"),
        *("-vf", said if kind.says else "null", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", str(path)),
        stdin=raw,
    )
    return path


def pictures(path: Path) -> list[numpy.ndarray]:
    """Every picture as height x width x (red, green, blue)."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(container.streams.video[0])]


def colour(picture: numpy.ndarray, x: float, y: float) -> str:
    """Which of the three colours stands at these shares of width and height; "?" where it is none of them."""
    height, width = picture.shape[:2]
    at = picture[min(height - 1, int(y * height)), min(width - 1, int(x * width))].astype(int)
    for name, wanted in (("red", RED), ("green", GREEN), ("blue", BLUE)):
        if numpy.abs(at - wanted).max() < 70:
            return name
    return "?"


def brightness(picture: numpy.ndarray) -> float:
    """Mean of all values, 0 to 255."""
    return float(picture.mean())


def bars_of(picture: numpy.ndarray) -> list[numpy.ndarray]:
    """The colour of the middle of each bar, whatever it is dithered of."""
    lines = picture[picture.shape[0] // 2 - 8 :][:16]
    bars = numpy.array_split(lines, len(BARS), axis=1)
    return [bar[:, bar.shape[1] // 4 : -(bar.shape[1] // 4)].mean(axis=(0, 1)) for bar in bars]


def meant_by(kind: Bars) -> list[numpy.ndarray]:
    """The colours as a screen with the primaries of Rec. 709 is to show them, 0 to 255."""
    if kind.primaries == 1:
        return [numpy.array(colour, dtype=float) for colour in BARS]
    turn = numpy.linalg.inv(_to_xyz(1)) @ _to_xyz(kind.primaries)
    light = [numpy.clip(turn @ (numpy.array(colour) / 255) ** _SCREEN_GAMMA, 0, 1) for colour in BARS]
    return [255 * one ** (1 / _SCREEN_GAMMA) for one in light]


def _stored(colour: tuple[int, int, int], kind: Bars) -> list[int]:
    share_of_red, share_of_blue = _SHARES[kind.matrix]
    red, green, blue = (value / 255 for value in colour)
    luma = share_of_red * red + (1 - share_of_red - share_of_blue) * green + share_of_blue * blue
    differences = (blue - luma) / (2 * (1 - share_of_blue)), (red - luma) / (2 * (1 - share_of_red))
    unit = 1 << (kind.bits - 8)
    full = (0, 256 * unit - 1, 256 * unit - 1)
    low, luma_span, chroma_span = full if kind.is_full_range else (16, 219 * unit, 224 * unit)
    return [round(low * unit + luma_span * luma), *(round(128 * unit + chroma_span * one) for one in differences)]


def _to_xyz(primaries: int) -> numpy.ndarray:
    places = numpy.array([(x / y, 1, (1 - x - y) / y) for x, y in _PLACES[primaries]]).T
    x, y = _WHITE
    return places * numpy.linalg.solve(places, (x / y, 1, (1 - x - y) / y))
