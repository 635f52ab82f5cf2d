"""Stills of chosen moments and smaller copies of them."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image

from cuepoint.adapters.media.base_looks import StillPicture
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.config import Settings
from cuepoint.errors import CuepointError, ErrorCode
from tests.support.media import CodedClip, make_clip, make_coded_clip, make_wav, names, read_bars, run_ffmpeg

pytestmark = pytest.mark.media


@pytest.fixture
def tools() -> ChildLookTools:
    return ChildLookTools(Settings())


def number_of(path: Path) -> int:
    with Image.open(path) as picture:
        return read_bars(numpy.asarray(picture.convert("L")))


class TestStills:
    @pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv"])
    @pytest.mark.parametrize(("at_ms", "number"), [(0, 0), (2500, 60), (2541, 60), (2542, 61), (9000, 95)])
    async def test_shows_the_very_picture(
        self, tools: ChildLookTools, tmp_path: Path, suffix: str, at_ms: int, number: int
    ) -> None:
        source, target = make_coded_clip(tmp_path / f"a{suffix}", CodedClip(audio=None)), tmp_path / "still.jpg"

        [made] = await tools.stills(source, [(target, 1280)], at_ms=at_ms)

        assert number_of(target) == number
        assert abs(made.at_ms - number * 1000 / 24) <= 1
        assert (made.width, made.height) == (320, 180)

    async def test_several_sizes_at_once(self, tools: ChildLookTools, tmp_path: Path) -> None:
        plain, source = make_clip(tmp_path / "plain.mp4"), tmp_path / "turned.mp4"
        run_ffmpeg("-display_rotation", "90", "-i", str(plain), "-c", "copy", str(source))
        targets = [(tmp_path / "large.jpg", 1280), (tmp_path / "small.jpg", 160)]

        made = await tools.stills(source, targets, at_ms=0)

        assert made == [StillPicture(0, 180, 320), StillPicture(0, 90, 160)]

    async def test_sound_alone_is_refused(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source = make_wav(tmp_path / "a.wav")

        with pytest.raises(CuepointError) as refusal:
            await tools.stills(source, [(tmp_path / "still.jpg", 1280)], at_ms=0)

        assert refusal.value.code is ErrorCode.UNSUPPORTED_MEDIA
        assert names(tmp_path) == ["a.wav"]


class TestShrink:
    async def test_makes_smaller_copies(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source, still = make_clip(tmp_path / "a.mp4"), tmp_path / "still.jpg"
        await tools.stills(source, [(still, 1280)], at_ms=1000)

        made = await tools.shrink(still, [(tmp_path / "160.jpg", 160), (tmp_path / "640.jpg", 640)])

        assert made == [StillPicture(0, 160, 90), StillPicture(0, 320, 180)]
        assert number_of(tmp_path / "160.jpg") == number_of(still) == 24
