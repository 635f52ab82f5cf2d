"""Pictures of two fields: told by the probe, copied as they are, and whole wherever they are encoded for watching."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy
import pytest
from PIL import Image

from cuepoint.adapters.media.base import ClipMode, ReelPart, RenderedClip
from cuepoint.adapters.media.forms import PLAIN, ClipAspect, ClipForm
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from tests.support.colours import pictures
from tests.support.cuts import media_zero, numbers_by_command_line, source_pictures, wanted
from tests.support.media import CodedClip, frame_numbers, make_clip, make_coded_clip, run_ffmpeg
from tests.support.woven import ENCODINGS, combs, make_woven

pytestmark = pytest.mark.media

RANGE_MS = (330, 1210)
COMBED = 50  # pixels; in a picture of two moments there are some 250, in a whole one none


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("woven")
    return {name: make_woven(folder, name) for name in ENCODINGS}


def worst(path: Path) -> int:
    """The combs of the picture that has most of them."""
    with av.open(str(path)) as container:
        return max(combs(frame.to_ndarray(format="gray")) for frame in container.decode(video=0))


def asked(source: Path) -> list[int]:
    """The pictures of the range that `cut` asks for."""
    return [shown.number for shown in wanted(source_pictures(source), media_zero(source), *RANGE_MS)]


async def cut(
    tools: ChildMediaTools, source: Path, target: Path, mode: ClipMode = ClipMode.RENDER, form: ClipForm = PLAIN
) -> RenderedClip:
    info, (start_ms, end_ms) = await tools.probe(source), RANGE_MS
    return await tools.render_clip(
        source, target, start_ms=start_ms, end_ms=end_ms, info=info, on_progress=lambda _: None, mode=mode, form=form
    )


def turned(folder: Path, source: Path, degrees: int) -> Path:
    """The same packets, which players turn clockwise."""
    path = folder / f"turned{source.suffix}"
    run_ffmpeg("-display_rotation", str(-degrees), "-i", str(source), "-c", "copy", str(path))
    return path


class TestProbe:
    @pytest.mark.parametrize("name", ENCODINGS)
    async def test_tells_fields(self, tools: ChildMediaTools, sources: dict[str, Path], name: str) -> None:
        info = await tools.probe(sources[name])

        assert info.video is not None
        assert info.video.is_interlaced is True

    async def test_tells_whole_pictures(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        info = await tools.probe(make_clip(tmp_path / "a.mp4"))

        assert info.video is not None
        assert info.video.is_interlaced is False

    async def test_says_nothing_where_the_file_says_nothing(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_coded_clip(tmp_path / "a.avi", CodedClip(frames=4, audio=None, arguments=("-c:v", "mpeg4")))

        info = await tools.probe(source)

        assert info.video is not None
        assert info.video.is_interlaced is None


class TestClips:
    @pytest.mark.parametrize("name", ENCODINGS)
    async def test_rendered_ones_are_whole_and_exact(
        self, tools: ChildMediaTools, sources: dict[str, Path], tmp_path: Path, name: str
    ) -> None:
        made = await cut(tools, sources[name], tmp_path / "clip.mp4")

        assert worst(sources[name]) > COMBED
        assert worst(tmp_path / "clip.mp4") < COMBED
        expected = asked(sources[name])
        assert frame_numbers(tmp_path / "clip.mp4") == expected
        assert numbers_by_command_line(tmp_path / "clip.mp4") == expected
        assert made.end_ms - made.start_ms == 40 * len(expected)

    async def test_rendered_ones_have_any_form(
        self, tools: ChildMediaTools, sources: dict[str, Path], tmp_path: Path
    ) -> None:
        await cut(tools, sources["mpeg2 ts"], tmp_path / "clip.mp4", form=ClipForm(aspect=ClipAspect.R1_1))

        assert worst(tmp_path / "clip.mp4") < COMBED

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("h264 mp4", "interlaced pictures are not cut by copying"),
            ("h264 ts of single fields", "the fields of its pictures lie apart"),
        ],
    )
    async def test_what_smart_would_have_to_encode_is_rendered_and_said(
        self, tools: ChildMediaTools, sources: dict[str, Path], tmp_path: Path, name: str, reason: str
    ) -> None:
        made = await cut(tools, sources[name], tmp_path / "clip.mp4", ClipMode.SMART)

        assert (made.mode, made.reason) == (ClipMode.RENDER, f"It could not be cut by copying: {reason}.")
        assert worst(tmp_path / "clip.mp4") < COMBED
        assert frame_numbers(tmp_path / "clip.mp4") == asked(sources[name])

    async def test_whole_groups_are_copied_as_they_are(
        self, tools: ChildMediaTools, sources: dict[str, Path], tmp_path: Path
    ) -> None:
        source, target = sources["h264 mp4"], tmp_path / "clip.mp4"
        info = await tools.probe(source)

        made = await tools.render_clip(
            source, target, start_ms=480, end_ms=1440, info=info, on_progress=lambda _: None, mode=ClipMode.SMART
        )

        again = await tools.probe(target)
        assert made.mode is ClipMode.SMART
        assert frame_numbers(target) == list(range(12, 36))
        assert again.video is not None
        assert again.video.is_interlaced is True
        assert worst(target) > COMBED


class TestOtherPictures:
    async def test_proxies_are_whole(
        self, tools: ChildMediaTools, looks: ChildLookTools, sources: dict[str, Path], tmp_path: Path
    ) -> None:
        source, target = sources["h264 mkv bottom first"], tmp_path / "proxy.mp4"

        await looks.proxy(source, target, info=await tools.probe(source), on_progress=lambda _: None)

        assert worst(target) < COMBED
        assert frame_numbers(target) == list(range(50))

    async def test_reels_are_whole(self, tools: ChildMediaTools, sources: dict[str, Path], tmp_path: Path) -> None:
        named = [sources[name] for name in ("mpeg2 ts", "h264 ts of single fields")]
        parts = [ReelPart(path, await tools.probe(path), 320, 720) for path in named]

        await tools.join_parts(parts, tmp_path / "reel.mp4", on_progress=lambda _: None)

        assert worst(tmp_path / "reel.mp4") < COMBED

    @pytest.mark.parametrize("name", ["mpeg2 ts", "h264 ts of single fields"])
    async def test_stills_and_posters_are_whole(
        self, tools: ChildMediaTools, looks: ChildLookTools, sources: dict[str, Path], tmp_path: Path, name: str
    ) -> None:
        still, poster = tmp_path / "still.jpg", tmp_path / "poster.jpg"

        await looks.stills(sources[name], [(still, 640)], at_ms=600)
        await tools.poster(sources[name], poster, duration_ms=2000)

        for path in (still, poster):
            with Image.open(path) as picture:
                assert picture.size == (320, 192)
                assert combs(numpy.asarray(picture.convert("L"))) < COMBED

    async def test_tiles_of_small_films_are_whole(
        self, looks: ChildLookTools, sources: dict[str, Path], tmp_path: Path
    ) -> None:
        made = await looks.storyboard(
            sources["mpeg2 ts"], tmp_path / "pack", duration_ms=2000, on_progress=lambda _: None
        )

        assert made is not None
        tiles = (tmp_path / "pack").read_bytes()[made.sheet_ends[-1] : made.tile_ends[0]]
        with Image.open(io.BytesIO(tiles)) as picture:
            assert picture.size == (320, 192)
            assert combs(numpy.asarray(picture.convert("L"))) < COMBED


@pytest.mark.parametrize("degrees", [90, 180, 270])
class TestTurned:
    """A camera that lay on its side: fields are lines of the picture as it is stored, not as it is shown."""

    async def test_clips_are_those_of_what_was_not_turned(
        self, tools: ChildMediaTools, sources: dict[str, Path], tmp_path: Path, degrees: int
    ) -> None:
        source = sources["h264 mp4"]
        await cut(tools, source, tmp_path / "plain.mp4")

        await cut(tools, turned(tmp_path, source, degrees), tmp_path / "clip.mp4")

        assert_alike(tmp_path / "clip.mp4", tmp_path / "plain.mp4", degrees)

    async def test_proxies_are_those_of_what_was_not_turned(
        self, tools: ChildMediaTools, looks: ChildLookTools, sources: dict[str, Path], tmp_path: Path, degrees: int
    ) -> None:
        plain = sources["h264 mp4"]
        lying = turned(tmp_path, plain, degrees)

        for source, name in ((plain, "plain"), (lying, "proxy")):
            info = await tools.probe(source)
            await looks.proxy(source, tmp_path / f"{name}.mp4", info=info, on_progress=lambda _: None)

        assert_alike(tmp_path / "proxy.mp4", tmp_path / "plain.mp4", degrees)

    async def test_stills_and_tiles_are_upright_and_whole(
        self, tools: ChildMediaTools, looks: ChildLookTools, sources: dict[str, Path], tmp_path: Path, degrees: int
    ) -> None:
        source = turned(tmp_path, sources["h264 mp4"], degrees)
        still, poster, pack = tmp_path / "still.jpg", tmp_path / "poster.jpg", tmp_path / "pack"

        await looks.stills(source, [(still, 640)], at_ms=600)
        await tools.poster(source, poster, duration_ms=2000)
        made = await looks.storyboard(source, pack, duration_ms=2000, on_progress=lambda _: None)

        assert made is not None
        tile = pack.read_bytes()[made.sheet_ends[-1] : made.tile_ends[0]]
        for path in (still, poster, io.BytesIO(tile)):
            with Image.open(path) as picture:
                assert picture.size == ((320, 192) if degrees == 180 else (192, 320))
                assert combs(as_stored(numpy.asarray(picture.convert("L")), degrees)) < COMBED


def as_stored(picture: numpy.ndarray, degrees: int) -> numpy.ndarray:
    return numpy.rot90(picture, degrees // 90)


def assert_alike(shown: Path, plain: Path, degrees: int) -> None:
    """The same pictures, turned."""
    found, expected = pictures(shown), pictures(plain)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        difference = abs(as_stored(one, degrees).astype(int) - other)
        assert difference.mean() < 1  # the other field, or another turn, makes more than that
