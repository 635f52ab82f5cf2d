"""Parts of files of different size, rate and sound as one file, through the boxed children."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import pytest

from cuepoint.adapters.media.base import ReelJoin, ReelPart, ReelTransition, RenderedClip
from cuepoint.adapters.media.forms import PLAIN, ClipAspect, ClipFit, ClipForm
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from tests.support.colours import brightness, colour, make_colours, make_hdr, make_plain, pictures
from tests.support.cuts import numbers_by_command_line
from tests.support.media import click_times, frame_numbers, make_clip, make_wav, names, read_samples, run_ffmpeg

pytestmark = pytest.mark.media


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts")


async def part(tools: ChildMediaTools, path: Path, start_ms: int, end_ms: int) -> ReelPart:
    return ReelPart(path, await tools.probe(path), start_ms, end_ms)


async def join(tools: ChildMediaTools, parts: list[ReelPart], target: Path, **values: object) -> RenderedClip:
    return await tools.join_parts(parts, target, on_progress=lambda _: None, **values)  # type: ignore[arg-type]


class TestJoinParts:
    async def test_pieces_of_one_video_follow_each_other_exactly(
        self, tools: ChildMediaTools, folder: Path, tmp_path: Path
    ) -> None:
        source = make_clip(folder / "a.mp4", seconds=4)
        ranges = [(500, 1000), (2000, 3250), (3500, 4000)]

        made = await join(tools, [await part(tools, source, *each) for each in ranges], tmp_path / "reel.mp4")

        wanted = [*range(12, 24), *range(48, 78), *range(84, 96)]
        assert frame_numbers(tmp_path / "reel.mp4") == wanted
        assert numbers_by_command_line(tmp_path / "reel.mp4") == wanted
        assert click_times(read_samples(tmp_path / "reel.mp4")) == pytest.approx([0.5, 1.5], abs=0.003)
        assert (made.start_ms, made.end_ms, made.duration_ms) == (0, 2250, 2250)
        assert (made.begins_ms, made.loudness_lufs) == ((0, 500, 1750), None)
        assert names(tmp_path) == ["reel.mp4"]

    async def test_sizes_rates_and_missing_tracks_become_alike(
        self, tools: ChildMediaTools, folder: Path, tmp_path: Path
    ) -> None:
        parts = [
            await part(tools, make_clip(folder / "b.mp4", seconds=2, audio=None), 0, 1000),
            await part(tools, make_clip(folder / "upright.mkv", seconds=2, size=(180, 320), fps=30), 1000, 2000),
            await part(tools, make_wav(folder / "c.wav", seconds=2), 0, 1000),
        ]

        made = await join(tools, parts, tmp_path / "reel.mp4")

        shown = pictures(tmp_path / "reel.mp4")
        assert (made.width, made.height, made.duration_ms, len(shown)) == (320, 180, 3000, 72)
        assert frame_numbers(tmp_path / "reel.mp4")[:24] == list(range(24))
        assert brightness(shown[60]) < 3  # a part without pictures is black
        assert brightness(shown[36][:, :40]) > 20  # an upright one stands before its blur
        with av.open(str(tmp_path / "reel.mp4")) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.average_rate, audio.codec_context.channels, audio.rate) == (24, 2, 48_000)
        assert click_times(read_samples(tmp_path / "reel.mp4")) == pytest.approx([1, 2], abs=0.003)

    async def test_hdr_of_any_size_that_states_only_its_curve(
        self, tools: ChildMediaTools, folder: Path, tmp_path: Path
    ) -> None:
        sources = [
            make_hdr(folder / "said.mkv"),
            make_hdr(folder / "unsaid.mkv", says_colours=False),
            make_hdr(folder / "odd.mkv", size="321x181"),
            make_hdr(folder / "tall.mkv", size="91x161"),
        ]

        await join(tools, [await part(tools, source, 0, 1000) for source in sources], tmp_path / "reel.mp4")

        shown = [picture.astype(int) for picture in pictures(tmp_path / "reel.mp4")[5::10]]
        assert len(shown) == 4
        assert abs(shown[0] - shown[1]).mean() < 1
        assert abs(shown[0] - shown[2]).mean() < 12  # another scaling of the same

    async def test_tells_where_parts_begin_that_last_whole_pictures(
        self, tools: ChildMediaTools, folder: Path, tmp_path: Path
    ) -> None:
        source = await part(tools, make_clip(folder / "g.mp4", seconds=2, audio=None), 0, 110)

        made = await join(tools, [source, source, source], tmp_path / "reel.mp4")

        assert (made.begins_ms, made.duration_ms) == ((0, 125, 250), 375)  # three pictures at 24 a second each

    async def test_sound_alone_keeps_the_milliseconds(
        self, tools: ChildMediaTools, folder: Path, tmp_path: Path
    ) -> None:
        sound = make_wav(folder / "h.wav", seconds=3)
        parts = [await part(tools, sound, 890, 1_101), await part(tools, sound, 1_503, 2_210)]

        made = await join(tools, parts, tmp_path / "reel.m4a")

        assert (made.begins_ms, made.end_ms, made.width) == ((0, 211), 918, None)
        assert click_times(read_samples(tmp_path / "reel.m4a")) == pytest.approx([0.110, 0.708], abs=0.003)

    async def test_a_cross_fade_mixes_pictures_and_sound_and_a_cut_does_not(
        self, tools: ChildMediaTools, folder: Path, tmp_path: Path
    ) -> None:
        grey, colours = make_plain(folder / "grey.mp4", 255), make_colours(folder / "colours.mp4", sound=True)
        ranges = [(grey, 1975), (colours, 1975), (grey, 1000)]  # 47 pictures, of which 23 are half
        parts = [await part(tools, source, 0, end_ms) for source, end_ms in ranges]
        joins = [ReelJoin(ReelTransition.CROSS_FADE, 987), ReelJoin()]

        made = await join(tools, parts, tmp_path / "reel.mp4", joins=joins)

        shown = pictures(tmp_path / "reel.mp4")
        assert (made.duration_ms, len(shown), made.begins_ms) == (3958, 95, (0, 1000, 2958))
        assert [colour(shown[at], 0.1, 0.5) for at in (10, 60, 70, 71)] == ["?", "red", "red", "?"]
        blue = [int(shown[at][90, 30, 2]) for at in (23, 30, 36, 42, 47)]
        assert blue == sorted(blue, reverse=True)
        assert 60 < blue[2] < 200
        samples = abs(read_samples(tmp_path / "reel.mp4"))
        quiet, half, loud, cut = (samples[at : at + 4800].max() for at in (40_000, 69_600, 110_000, 144_000))
        assert quiet < 0.01 < half < 0.75 * loud
        assert cut < 0.01

    async def test_every_part_gets_the_same_loudness(
        self, tools: ChildMediaTools, folder: Path, tmp_path: Path
    ) -> None:
        loud = make_wav(folder / "loud.wav", seconds=3)
        soft = make_clip(folder / "soft.mp4", seconds=3)
        parts = [await part(tools, loud, 0, 3000), await part(tools, soft, 0, 3000)]

        made = await join(tools, parts, tmp_path / "reel.mp4", form=ClipForm(loudness_lufs=-20.0))

        assert made.loudness_lufs == pytest.approx(-20, abs=1)

    async def test_files_become_as_loud_as_the_first_and_keep_what_is_quiet_in_them(
        self, tools: ChildMediaTools, folder: Path, tmp_path: Path
    ) -> None:
        first, steps = folder / "first.wav", folder / "steps.wav"
        run_ffmpeg("-f", "lavfi", "-i", "sine=500:d=2", "-af", "volume=-10dB", str(first))
        run_ffmpeg("-f", "lavfi", "-i", "sine=500:d=4", "-af", "volume='if(lt(t,2),1,0.25)':eval=frame", str(steps))
        parts = [
            await part(tools, first, 0, 2000),
            await part(tools, steps, 0, 2000),
            await part(tools, steps, 2000, 4000),
        ]

        made = await join(tools, parts, tmp_path / "reel.mp4")

        samples = read_samples(tmp_path / "reel.mp4")
        levels = [20 * math.log10(samples[int(at * 48_000) :][:48_000].std()) for at in (0.5, 2.5, 4.5)]
        mean = 10 * math.log10((10 ** (levels[1] / 10) + 10 ** (levels[2] / 10)) / 2)
        assert mean == pytest.approx(levels[0], abs=0.5)
        assert levels[1] - levels[2] == pytest.approx(12, abs=0.5)
        assert made.loudness_lufs is None

    async def test_every_part_is_fitted_into_the_frame_that_was_asked_for(
        self, tools: ChildMediaTools, folder: Path, tmp_path: Path
    ) -> None:
        wide, upright = make_clip(folder / "d.mp4", seconds=2), make_plain(folder / "up.mp4", 255, size="180x320")
        parts = [await part(tools, wide, 0, 500), await part(tools, upright, 0, 501)]
        form = ClipForm(aspect=ClipAspect.R9_16, fit=ClipFit.BLUR, resolution=90, frame_rate=Fraction(30000, 1001))

        made = await join(tools, parts, tmp_path / "reel.mp4", form=form)

        assert (made.width, made.height) == (90, 160)
        assert brightness(pictures(tmp_path / "reel.mp4")[20]) > 250  # whole, not small within the wide frame
        with av.open(str(tmp_path / "reel.mp4")) as container:
            times = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.size]
        assert sorted(times) == [Fraction(1001 * place, 30000) for place in range(30)]

    async def test_refuses_a_cross_fade_that_does_not_fit(
        self, tools: ChildMediaTools, folder: Path, tmp_path: Path
    ) -> None:
        source = make_clip(folder / "e.mp4", seconds=2, audio=None)
        parts = [await part(tools, source, 0, 2000), await part(tools, source, 0, 500)]

        with pytest.raises(CuepointError) as caught:
            await join(tools, parts, tmp_path / "reel.mp4", joins=[ReelJoin(ReelTransition.CROSS_FADE, 400)])

        assert caught.value.code is ErrorCode.CONFLICTING_OPTIONS
        assert names(tmp_path) == []

    async def test_a_broken_part_leaves_nothing(self, tools: ChildMediaTools, folder: Path, tmp_path: Path) -> None:
        source = make_clip(folder / "f.mp4", seconds=2)
        good = await part(tools, source, 0, 1000)
        broken = tmp_path / "broken.mp4"
        broken.write_bytes(source.read_bytes()[:2000])

        with pytest.raises((CuepointError, AdapterError)):
            await join(tools, [good, ReelPart(broken, good.info, 0, 1000)], tmp_path / "reel.mp4")

        assert names(tmp_path) == ["broken.mp4"]


class TestAfterJoining:
    @pytest.mark.parametrize(
        ("form", "left"),
        [
            (ClipForm(loudness_lufs=-16.0, resolution=360, frame_rate=Fraction(30)), PLAIN),
            (ClipForm(aspect=ClipAspect.R9_16, fit=ClipFit.BLUR, fade_in_ms=500), ClipForm(fade_in_ms=500)),
            (
                ClipForm(aspect=ClipAspect.R1_1, resolution=360, frame_rate=Fraction(30)),
                ClipForm(aspect=ClipAspect.R1_1, resolution=360),
            ),
        ],
        ids=["size and rate", "blur", "cut out"],
    )
    def test_what_cuts_nothing_away_is_done(self, form: ClipForm, left: ClipForm) -> None:
        assert form.after_joining() == left
