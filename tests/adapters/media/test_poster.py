"""Posters: upright, bright enough, sharp, small, and there for every file that has a picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cuepoint.adapters.media.tools import ChildMediaTools
from tests.support.media import CodedClip, make_clip, make_coded_clip, make_truncated, make_wav, names, run_ffmpeg

pytestmark = pytest.mark.media


class TestPoster:
    async def test_is_a_jpeg_of_the_video(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source, target = make_clip(tmp_path / "a.mp4"), tmp_path / "poster.jpg"

        made = await tools.poster(source, target, duration_ms=2000)

        assert made is not None
        with Image.open(target) as picture:
            assert (picture.format, picture.size) == ("JPEG", (320, 180))
        assert (made.at_ms, made.width, made.height) == (0, 320, 180)
        assert names(tmp_path) == ["a.mp4", "poster.jpg"]

    async def test_is_not_black(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source, target = tmp_path / "a.mp4", tmp_path / "poster.jpg"
        run_ffmpeg(
            *(
                "-f",
                "lavfi",
                "-i",
                "color=black:s=320x180:r=10:d=6",
                "-f",
                "lavfi",
                "-i",
                "testsrc2=s=320x180:r=10:d=2",
            ),
            *("-filter_complex", "[0][1]concat", "-g", "5", str(source)),
        )

        made = await tools.poster(source, target, duration_ms=8000)

        assert made is not None
        assert made.at_ms >= 6000

    async def test_is_not_blurred(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source, target = tmp_path / "a.mp4", tmp_path / "poster.jpg"
        run_ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=8", "-g", "5"),
            *("-vf", "gblur=sigma=8:enable='not(between(t,4,4.9))'", str(source)),
        )

        made = await tools.poster(source, target, duration_ms=8000)

        assert made is not None
        assert 4000 <= made.at_ms < 5000

    @pytest.mark.parametrize(("turn", "size"), [(90, (180, 320)), (270, (180, 320)), (180, (320, 180))])
    async def test_stands_upright(
        self, tools: ChildMediaTools, tmp_path: Path, turn: int, size: tuple[int, int]
    ) -> None:
        upright, source, target = tmp_path / "upright.mp4", tmp_path / "a.mp4", tmp_path / "poster.jpg"
        # White on the left; the display matrix then turns it, so that white moves with it.
        run_ffmpeg(
            *("-f", "lavfi", "-i", "color=black:s=320x180:r=10:d=1"),
            *("-vf", "drawbox=w=160:h=180:c=white:t=fill", str(upright)),
        )
        run_ffmpeg("-display_rotation", str(-turn), "-i", str(upright), "-c", "copy", str(source))

        await tools.poster(source, target, duration_ms=1000)

        with Image.open(target) as picture:
            grey = picture.convert("L")
            width, height = grey.size
            white_at = {90: (width // 2, 20), 180: (width - 20, height // 2), 270: (width // 2, height - 20)}[turn]
            assert grey.size == size
            assert grey.getpixel(white_at) == pytest.approx(255, abs=20)
            assert grey.getpixel((width - 1 - white_at[0], height - 1 - white_at[1])) == pytest.approx(0, abs=20)

    async def test_has_at_most_1280_pixels_a_side(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=0.2, size=(1920, 1080), audio=None)

        made = await tools.poster(source, tmp_path / "poster.jpg", duration_ms=200)

        assert made is not None
        assert (made.width, made.height) == (1280, 720)

    async def test_one_frame_and_no_known_duration_suffice(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_coded_clip(tmp_path / "a.mkv", CodedClip(frames=1, audio=None))

        made = await tools.poster(source, tmp_path / "poster.jpg", duration_ms=None)

        assert made is not None
        assert made.at_ms == 0

    async def test_a_truncated_file_gives_what_it_has(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_truncated(tmp_path / "a.mp4", with_index=True)

        assert await tools.poster(source, tmp_path / "poster.jpg", duration_ms=8000) is not None

    async def test_sound_alone_has_none_and_leaves_no_file(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_wav(tmp_path / "a.wav")

        assert await tools.poster(source, tmp_path / "poster.jpg", duration_ms=2000) is None
        assert names(tmp_path) == ["a.wav"]
