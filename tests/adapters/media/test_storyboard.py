"""Storyboards: the right picture in each tile, at all lengths, and what the pictures tell of black and standstill."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy
import pytest
from av.video.reformatter import Colorspace, Interpolation
from PIL import Image

from cuepoint.adapters.media.base_looks import StoryboardPack
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.storyboard import interval_of
from cuepoint.config import Settings
from tests.support.media import (
    CodedClip,
    make_clip,
    make_coded_clip,
    make_film,
    make_truncated,
    make_wav,
    names,
    read_bars,
    run_ffmpeg,
)

pytestmark = pytest.mark.media


@pytest.fixture
def tools() -> ChildLookTools:
    return ChildLookTools(Settings())


async def board(tools: ChildLookTools, source: Path, duration_ms: int | None) -> tuple[StoryboardPack, list[int]]:
    """The pack, and the number that the picture in each of its tiles carries."""
    target = source.with_suffix(".pack")
    made = await tools.storyboard(source, target, duration_ms=duration_ms, on_progress=lambda _: None)
    assert made is not None
    data = target.read_bytes()
    assert made.small_ends[-1] == len(data)
    small = [made.tile_ends[-1], *made.small_ends[:-1]]
    shapes = {picture_of(data[start:end]).shape for start, end in zip(small, made.small_ends, strict=True)}
    assert shapes == {((made.tile_height + 1) // 2, (made.tile_width + 1) // 2)}
    starts = [made.sheet_ends[-1], *made.tile_ends[:-1]]
    return made, [number_of(data[start:end]) for start, end in zip(starts, made.tile_ends, strict=True)]


def picture_of(jpeg: bytes) -> numpy.ndarray:
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.format == "JPEG"
        return numpy.asarray(picture.convert("L"))


def number_of(jpeg: bytes) -> int:
    return read_bars(picture_of(jpeg))


class TestIntervalOf:
    @pytest.mark.parametrize(
        ("seconds", "interval", "sheets"),
        [(1, 1, 1), (80, 1, 1), (199, 1, 2), (200, 2, 2), (400, 5, 1), (1000, 10, 2), (7200, 10, 8), (36_000, 15, 25)],
    )
    def test_adapts(self, seconds: int, interval: int, sheets: int) -> None:
        assert interval_of(seconds * 1000) == interval * 1000
        assert -(-(seconds // interval + 1) // 100) == sheets

    @pytest.mark.parametrize("hours", [8, 10, 12, 100, 2000])
    def test_never_takes_thirty_sheets(self, hours: int) -> None:
        length = hours * 3_600_000
        assert -(-length // interval_of(length)) <= 2900


class TestStoryboard:
    async def test_each_tile_shows_the_picture_of_its_time(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source = make_coded_clip(tmp_path / "a.mp4", CodedClip(frames=300))

        made, numbers = await board(tools, source, 12_500)

        assert numbers == [24 * second for second in range(13)]
        assert (made.interval_ms, made.columns, made.rows) == (1000, 10, 10)
        assert (made.tile_width, made.tile_height) == (320, 180)
        assert len(made.hashes) == 8 * 13
        assert made.step_ms <= 42

    async def test_the_sheet_holds_the_same_tiles(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source = make_coded_clip(tmp_path / "a.mp4", CodedClip(frames=300))

        made, numbers = await board(tools, source, 12_500)

        [end] = made.sheet_ends
        sheet = picture_of(source.with_suffix(".pack").read_bytes()[:end])
        assert sheet.shape == (360, 3200)
        cells = [(number // 10 * 180, number % 10 * 320) for number in range(13)]
        assert [read_bars(sheet[y : y + 180, x : x + 320]) for y, x in cells] == numbers

    @pytest.mark.parametrize(
        ("name", "group"),
        [("a.mp4", 2), ("a.mp4", 12), ("a.mp4", 100_000), ("a.ts", 12), ("a.ts", 100_000), ("a.mkv", 12)],
    )
    async def test_long_media_by_key_frames(self, tools: ChildLookTools, tmp_path: Path, name: str, group: int) -> None:
        keys = ("-preset", "ultrafast", "-bf", "2", "-g", str(group), "-sc_threshold", "0")
        clip = CodedClip(frames=420, rate=Fraction(2), audio=None, arguments=("-c:v", "libx264", *keys))
        source = make_coded_clip(tmp_path / name, clip)

        made, numbers = await board(tools, source, 210_000)

        assert made.interval_ms == 2000
        assert len(numbers) == 105
        late = [4 * place - number for place, number in enumerate(numbers)]
        assert min(late) == 0
        assert max(late) <= 6  # one and a half intervals

    async def test_large_key_frames_look_like_those_of_a_plain_decoder(
        self, tools: ChildLookTools, tmp_path: Path
    ) -> None:
        source, target = tmp_path / "a.mp4", tmp_path / "a.pack"
        coding = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "32", "-g", "1", "-pix_fmt", "yuv420p")
        run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x360:r=1:d=130,noise=alls=6", *coding, str(source))

        made = await tools.storyboard(source, target, duration_ms=130_000, on_progress=lambda _: None)

        assert made is not None
        assert (made.interval_ms, len(made.tile_ends)) == (1000, 130)
        data, starts = target.read_bytes(), [made.sheet_ends[-1], *made.tile_ends]
        with av.open(str(source)) as container:
            frames = list(container.decode(video=0))
        for place in range(0, 130, 13):
            small = frames[place].reformat(320, 180, interpolation=Interpolation.AREA)
            plain = io.BytesIO()
            rgb = small.reformat(format="rgb24", src_colorspace=Colorspace.ITU601).to_ndarray()
            Image.fromarray(rgb).save(plain, "JPEG", quality=75)
            tile = picture_of(data[starts[place] : starts[place + 1]]).astype(int)
            assert abs(tile - picture_of(plain.getvalue())).mean() < 1

    @pytest.mark.parametrize("suffix", [".mkv", ".ts", ".webm"])
    async def test_other_containers(self, tools: ChildLookTools, tmp_path: Path, suffix: str) -> None:
        video = ("-c:v", "libvpx", "-deadline", "realtime") if suffix == ".webm" else ("-c:v", "libx264")
        clip = CodedClip(frames=96, arguments=(*video, "-g", "48"), audio=None)
        source = make_coded_clip(tmp_path / f"a{suffix}", clip)

        _, numbers = await board(tools, source, 4000)

        assert numbers == [0, 24, 48, 72]

    async def test_finds_the_length_by_itself(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source = make_coded_clip(tmp_path / "a.ts", CodedClip(frames=96, audio=None))

        _, numbers = await board(tools, source, None)

        assert numbers == [0, 24, 48, 72]

    async def test_a_turned_picture_stands_upright(self, tools: ChildLookTools, tmp_path: Path) -> None:
        plain, source = make_clip(tmp_path / "plain.mp4"), tmp_path / "turned.mp4"
        run_ffmpeg("-display_rotation", "90", "-i", str(plain), "-c", "copy", str(source))
        target = tmp_path / "pack"

        made = await tools.storyboard(source, target, duration_ms=2000, on_progress=lambda _: None)

        assert made is not None
        assert (made.tile_width, made.tile_height) == (180, 320)

    async def test_what_can_be_read_of_a_truncated_file(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source = make_truncated(tmp_path / "a.mp4", with_index=True)

        _, numbers = await board(tools, source, 8000)

        assert len(numbers) == 8
        assert numbers[:3] == [0, 24, 48]

    async def test_sound_alone_has_none(self, tools: ChildLookTools, tmp_path: Path) -> None:
        target = tmp_path / "pack"

        made = await tools.storyboard(
            make_wav(tmp_path / "a.wav"), target, duration_ms=2000, on_progress=lambda _: None
        )

        assert made is None
        assert names(tmp_path) == ["a.wav"]

    async def test_tells_its_progress(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source, seen = make_clip(tmp_path / "a.mp4", seconds=60), []

        await tools.storyboard(source, tmp_path / "pack", duration_ms=60_000, on_progress=seen.append)

        assert seen == sorted(seen)
        assert 0 < seen[-1] <= 60_000


class TestMaps:
    async def test_black_is_found_to_the_picture(self, tools: ChildLookTools, tmp_path: Path) -> None:
        noise = "testsrc2=s=320x180:r=10:d=3"
        source = make_film(tmp_path / "a.mp4", noise, "color=black:s=320x180:r=10:d=2", noise)

        made, _ = await board(tools, source, 8000)

        assert made.black_ranges == (3000, 5000)
        assert made.freeze_ranges == (3000, 5000)

    async def test_standstills_one_behind_the_other_are_apart(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source = make_film(
            tmp_path / "a.mp4",
            "color=gray:s=320x180:r=10:d=2",
            "color=white:s=320x180:r=10:d=2",
            "testsrc2=s=320x180:r=10:d=1",
        )

        made, _ = await board(tools, source, 5000)

        assert made.freeze_ranges == (0, 2000, 2000, 4000)
        assert made.black_ranges == ()

    async def test_moving_pictures_have_none(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source = make_film(tmp_path / "a.mp4", "testsrc2=s=320x180:r=10:d=3")

        made, _ = await board(tools, source, 3000)

        assert (made.black_ranges, made.freeze_ranges) == ((), ())
