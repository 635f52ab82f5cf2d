"""Whatever is made for watching shows the colours that the source means, and says how they are to be read."""

from __future__ import annotations

from pathlib import Path

import av
import numpy
import pytest
from PIL import Image

from cuepoint.adapters.media.base import ClipMode, ReelPart
from cuepoint.adapters.media.forms import PLAIN, ClipForm, ClipFormat
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from tests.support.colours import Bars, bars_of, make_bars, make_hdr, meant_by, pictures
from tests.support.media import run_ffmpeg

pytestmark = pytest.mark.media

KINDS = {
    "525 lines": Bars(matrix=6, primaries=6),
    "625 lines": Bars(matrix=5, primaries=5),
    "unsaid": Bars(matrix=6, primaries=1, says=False),
    "full range": Bars(matrix=1, primaries=1, is_full_range=True),
    "bt2020 of 8 bits": Bars(matrix=9, primaries=9),
    "bt2020 of 10 bits": Bars(matrix=9, primaries=9, bits=10),
    "p3": Bars(matrix=1, primaries=12),
}
TOLERANCE, COARSE = 5, 10  # of 255: values are rounded several times on their way; JPEG, WebP and palettes are coarser
JOINED = ("unsaid", "full range", "625 lines", "bt2020 of 10 bits")
REC_709 = (1, 1, 1, 1)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bars")
    return {name: make_bars(folder / f"{number}.mkv", kind) for number, (name, kind) in enumerate(KINDS.items())}


def off(picture: numpy.ndarray, kind: Bars) -> int:
    """By how much the worst bar misses its colour."""
    return round(max(abs(found - meant).max() for found, meant in zip(bars_of(picture), meant_by(kind), strict=True)))


def off_in(path: Path, kind: Bars) -> int:
    """The same of the first picture of a file that Pillow reads."""
    with Image.open(path) as picture:
        return off(numpy.asarray(picture.convert("RGB")), kind)


def labels(path: Path) -> tuple[int, ...]:
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.colorspace, context.color_primaries, context.color_trc, context.color_range


async def render(tools: ChildMediaTools, source: Path, target: Path, form: ClipForm = PLAIN) -> Path:
    info, mode = await tools.probe(source), ClipMode.RENDER
    await tools.render_clip(
        source, target, start_ms=0, end_ms=400, info=info, on_progress=lambda _: None, mode=mode, form=form
    )
    return target


class TestColours:
    @pytest.mark.parametrize("name", ["525 lines", "bt2020 of 8 bits", "p3"])
    async def test_of_rendered_clips(
        self, tools: ChildMediaTools, sources: dict[str, Path], tmp_path: Path, name: str
    ) -> None:
        target = await render(tools, sources[name], tmp_path / "clip.mp4")

        assert labels(target) == REC_709
        assert off(pictures(target)[2], KINDS[name]) <= TOLERANCE

    @pytest.mark.parametrize("name", ["625 lines", "full range", "bt2020 of 10 bits", "p3"])
    async def test_of_stills(self, looks: ChildLookTools, sources: dict[str, Path], tmp_path: Path, name: str) -> None:
        target = tmp_path / "still.jpg"

        await looks.stills(sources[name], [(target, 640)], at_ms=100)

        assert off_in(target, KINDS[name]) <= COARSE

    async def test_of_proxies(
        self, tools: ChildMediaTools, looks: ChildLookTools, sources: dict[str, Path], tmp_path: Path
    ) -> None:
        name, target = "bt2020 of 10 bits", tmp_path / "proxy.mp4"

        await looks.proxy(sources[name], target, info=await tools.probe(sources[name]), on_progress=lambda _: None)

        assert labels(target) == REC_709
        assert off(pictures(target)[2], KINDS[name]) <= TOLERANCE

    @pytest.mark.parametrize("format", [ClipFormat.GIF, ClipFormat.WEBP], ids=lambda one: one.value)
    async def test_of_animations(
        self, tools: ChildMediaTools, sources: dict[str, Path], tmp_path: Path, format: ClipFormat
    ) -> None:
        name = "525 lines"

        target = await render(tools, sources[name], tmp_path / "clip", ClipForm(format=format))

        assert off_in(target, KINDS[name]) <= COARSE

    async def test_that_filters_refuse_are_taken_for_unsaid(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        said = ("-x264-params", "colormatrix=YCgCo:transfer=log100:colorprim=smpte428")
        pattern = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=0.5", "-c:v", "libx264", "-pix_fmt", "yuv420p")
        run_ffmpeg(*pattern, *said, str(tmp_path / "a.mp4"))

        assert labels(await render(tools, tmp_path / "a.mp4", tmp_path / "clip.mp4")) == REC_709

    async def test_of_reels(self, tools: ChildMediaTools, sources: dict[str, Path], tmp_path: Path) -> None:
        parts = [ReelPart(source, await tools.probe(source), 0, 200) for source in map(sources.__getitem__, JOINED)]

        await tools.join_parts(parts, tmp_path / "reel.mp4", on_progress=lambda _: None)

        shown = pictures(tmp_path / "reel.mp4")[2::5]
        found = {name: off(picture, KINDS[name]) for name, picture in zip(JOINED, shown, strict=True)}
        assert max(found.values()) <= TOLERANCE, found
        assert labels(tmp_path / "reel.mp4") == REC_709

    async def test_of_hdr_are_those_of_sdr_everywhere(
        self, tools: ChildMediaTools, looks: ChildLookTools, tmp_path: Path
    ) -> None:
        source = make_hdr(tmp_path / "hdr.mkv")
        proxy, still = tmp_path / "proxy.mp4", tmp_path / "still.jpg"

        await looks.proxy(source, proxy, info=await tools.probe(source), on_progress=lambda _: None)
        clip = await render(tools, source, tmp_path / "clip.mp4")
        await looks.stills(source, [(still, 640)], at_ms=0)

        wanted = pictures(proxy)[0].astype(int)
        assert labels(clip) == REC_709
        assert abs(pictures(clip)[0] - wanted).mean() < 2
        with Image.open(still) as picture:
            assert abs(numpy.asarray(picture.convert("RGB")) - wanted).mean() < 20
