"""Pictures whose places can be told by their colour, and reading the pictures of a file back."""

from __future__ import annotations

from pathlib import Path

import av
import numpy

from tests.support.media import run_ffmpeg

WIDTHS = (106, 108, 106)  # red, green and blue, side by side
RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


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
