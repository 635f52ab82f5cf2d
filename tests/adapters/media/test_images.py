"""Still pictures as assets: what they are, and their poster."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from cuepoint.adapters.media.base import MediaCaps, MediaInfo, TrackInfo
from cuepoint.adapters.media.images import write_image
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from cuepoint.errors import CuepointError, ErrorCode

pytestmark = pytest.mark.media

# Orientation 6, and a resolution that is a text: what cannot be written again as it was.
TEXT_FOR_A_NUMBER = b"Exif\0\0II*\0" + struct.pack(
    "<IHHHIHHHHI4sI", 8, 2, 0x0112, 3, 1, 6, 0, 0x011A, 2, 4, b"abc\0", 0
)
RED, BLUE = (220, 20, 20), (20, 20, 220)


def paint(path: Path, size: tuple[int, int] = (1600, 800), **values: object) -> Path:
    """Red, with a blue upper left quarter."""
    picture = Image.new("RGB", size, RED)
    picture.paste(BLUE, (0, 0, size[0] // 2, size[1] // 2))
    picture.save(path, **values)
    return path


def is_near(pixel: object, colour: tuple[int, int, int]) -> bool:
    return isinstance(pixel, tuple) and all(abs(a - b) < 30 for a, b in zip(pixel, colour, strict=True))


class TestProbe:
    @pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif"])
    async def test_size_and_kind(self, tools: ChildMediaTools, tmp_path: Path, kind: str) -> None:
        source = paint(tmp_path / "a.bin", format=kind.upper())

        info = await tools.probe(source)

        track = TrackInfo(0, "IMAGE", kind, is_default=True, width=1600, height=800, rotation_degrees=0)
        assert info == MediaInfo(kind, None, source.stat().st_size, None, (track,))
        assert (info.is_image, info.video, info.audio, info.picture) == (True, None, None, track)

    async def test_what_a_camera_turned(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        source = paint(tmp_path / "a.jpg", exif=exif)

        info = await tools.probe(source)

        assert info.picture is not None
        assert (info.picture.width, info.picture.height, info.picture.rotation_degrees) == (800, 1600, 90)

    async def test_too_many_pixels(self, tmp_path: Path) -> None:
        tools = ChildMediaTools(Settings(media_max_pixels=1_000_000))

        with pytest.raises(CuepointError) as caught:
            await tools.probe(paint(tmp_path / "a.png"))

        assert caught.value.code is ErrorCode.MEDIA_LIMIT_EXCEEDED
        assert caught.value.message.startswith("The picture has 1600 x 800 pixels; at most 1000000 are accepted")


class TestPoster:
    async def test_is_upright_and_no_larger_than_a_poster(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        source, target = paint(tmp_path / "a.jpg", exif=exif), tmp_path / "poster.jpg"

        made = await tools.poster(source, target, duration_ms=None)

        assert made is not None
        with Image.open(target) as picture:
            assert picture.size == (made.width, made.height) == (640, 1280)
            assert is_near(picture.getpixel((600, 40)), BLUE)  # the upper left quarter is now at the right
            assert is_near(picture.getpixel((40, 40)), RED)

    @pytest.mark.parametrize(
        ("exif", "size"),
        [(TEXT_FOR_A_NUMBER, (640, 1280)), (b"Exif\0\0no TIFF at all", (1280, 640))],
        ids=["a tag of the wrong type", "garbage"],
    )
    async def test_broken_metadata_do_no_harm(
        self, tools: ChildMediaTools, tmp_path: Path, exif: bytes, size: tuple[int, int]
    ) -> None:
        source, target = paint(tmp_path / "a.jpg", exif=exif), tmp_path / "poster.jpg"

        info, made = await tools.probe(source), await tools.poster(source, target, duration_ms=None)

        assert made is not None
        assert info.picture is not None
        assert (made.width, made.height) == size
        assert (info.picture.width == 800) is (size == (640, 1280))
        with Image.open(target) as picture:
            assert (picture.size, dict(picture.getexif())) == (size, {})

    @pytest.mark.parametrize("number", range(1, 9))
    async def test_every_orientation_is_turned_back(self, tmp_path: Path, number: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = number
        source, target = paint(tmp_path / "a.jpg", (64, 32), exif=exif), tmp_path / "poster.jpg"

        with source.open("rb") as read, target.open("wb") as written:
            write_image(read.fileno(), "jpeg", os.dup(written.fileno()), MediaCaps(10_000, 10_000), 1280, 95)

        with Image.open(source) as picture, Image.open(target) as made:
            wanted = ImageOps.exif_transpose(picture)
            middles = [(made.width * x // 4, made.height * y // 4) for x in (1, 3) for y in (1, 3)]
            assert made.size == wanted.size
            assert all(is_near(made.getpixel(at), wanted.getpixel(at)) for at in middles)  # type: ignore[arg-type]

    async def test_grey_of_16_bits_keeps_its_greys(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source, target = tmp_path / "a.png", tmp_path / "poster.jpg"
        row = struct.pack("<64H", *[0x4000] * 32, *[0xC000] * 32)
        Image.frombytes("I;16", (64, 48), row * 48).save(source)

        await tools.poster(source, target, duration_ms=None)

        with Image.open(target) as made:
            assert is_near(made.getpixel((8, 24)), (64, 64, 64))
            assert is_near(made.getpixel((56, 24)), (192, 192, 192))

    async def test_what_is_transparent_lies_on_white(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source, target = tmp_path / "a.png", tmp_path / "poster.jpg"
        Image.new("RGBA", (64, 48), (0, 0, 0, 0)).save(source)

        await tools.poster(source, target, duration_ms=None)

        with Image.open(target) as picture:
            assert is_near(picture.getpixel((10, 10)), (255, 255, 255))
