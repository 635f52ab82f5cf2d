"""Clips in their forms through the boxed children: the pictures and the sound are looked at, not only their length."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy
import pytest
from PIL import Image

from cuepoint.adapters.media.base import ClipMode, RenderedClip
from cuepoint.adapters.media.forms import (
    CaptionForm,
    CaptionMode,
    CaptionPosition,
    CaptionStyle,
    CaptionText,
    CaptionWord,
    ClipAspect,
    ClipFit,
    ClipForm,
    ClipFormat,
    ClipQuality,
    CropKey,
)
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.errors import CuepointError, ErrorCode
from tests.support.colours import brightness, colour, make_colours, make_plain, pictures
from tests.support.media import click_times, frame_numbers, make_clip, make_wav, names, read_samples, run_ffmpeg

pytestmark = pytest.mark.media


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_colours(tmp_path_factory.mktemp("colours") / "a.mp4")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plain(tmp_path_factory.mktemp("plain") / "a.mp4")


async def render(
    tools: ChildMediaTools,
    source: Path,
    target: Path,
    form: ClipForm,
    captions: CaptionText | None = None,
    *,
    start_ms: int = 0,
    end_ms: int = 2000,
) -> RenderedClip:
    info = await tools.probe(source)
    return await tools.render_clip(
        source,
        target,
        start_ms=start_ms,
        end_ms=end_ms,
        info=info,
        on_progress=lambda _: None,
        form=form,
        captions=captions,
    )


def said(*words: str, start_ms: int = 0, word_ms: int = 400) -> CaptionText:
    times = range(start_ms, start_ms + word_ms * len(words), word_ms)
    return CaptionText((tuple(CaptionWord(w, at, at + word_ms) for w, at in zip(words, times, strict=True)),))


def bright_rows(picture: numpy.ndarray) -> list[int]:
    """Rows that hold white letters."""
    return numpy.flatnonzero((picture.min(axis=2) > 200).any(axis=1)).tolist()


def grain(picture: numpy.ndarray) -> float:
    """How much a place differs from the one beside it."""
    return float(numpy.abs(numpy.diff(picture.astype(int), axis=1)).mean())


def begin_of(path: Path) -> float:
    """When the file begins, in seconds: an MP3 counts the silence of its encoder, which players leave out."""
    with av.open(str(path)) as container:
        return max(0, container.start_time or 0) / av.time_base


def loudness(path: Path) -> float:
    """By ffmpeg's own filter, apart from the product."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostats", "-i", str(path), "-af", "ebur128"]
    done = subprocess.run([*command, "-f", "null", "-"], capture_output=True, check=True)
    return float(re.findall(r"I:\s+(-?[\d.]+) LUFS", done.stderr.decode())[-1])


class TestFrame:
    async def test_the_centre_is_cut_out(self, tools: ChildMediaTools, colours: Path, tmp_path: Path) -> None:
        made = await render(tools, colours, tmp_path / "clip.mp4", ClipForm(aspect=ClipAspect.R1_1))

        shown = pictures(tmp_path / "clip.mp4")[10]
        assert (made.width, made.height) == (180, 180)
        assert [colour(shown, x, 0.5) for x in (0.02, 0.17, 0.23, 0.77, 0.83, 0.98)] == [
            "red",
            "red",
            "green",
            "green",
            "blue",
            "blue",
        ]
        assert names(tmp_path) == ["clip.mp4"]

    async def test_blurred_sides_show_the_whole_picture_before_itself(
        self, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        source = make_plain(tmp_path / "a.mp4", 128, noise=80)
        form = ClipForm(aspect=ClipAspect.R9_16, fit=ClipFit.BLUR)

        made = await render(tools, source, tmp_path / "clip.mp4", form, end_ms=500)

        shown = pictures(tmp_path / "clip.mp4")[5].astype(int)
        assert (made.width, made.height) == (180, 320)
        top, middle, bottom = shown[10:90], shown[115:205], shown[230:310]
        assert grain(middle) > 10 * max(grain(top), grain(bottom))
        assert min(top.mean(), bottom.mean()) > 100  # not bars of black

    async def test_a_ribbon_stands_before_its_blur_as_a_line(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = tmp_path / "a.mp4"
        run_ffmpeg("-f", "lavfi", "-i", "color=white:s=1000x16:d=0.2", "-pix_fmt", "yuv420p", str(source))
        form = ClipForm(aspect=ClipAspect.R9_16, fit=ClipFit.BLUR)

        made = await render(tools, source, tmp_path / "clip.mp4", form, end_ms=200)

        assert (made.width, made.height) == (16, 28)

    async def test_key_frames_move_the_part_that_is_cut_out(
        self, tools: ChildMediaTools, colours: Path, tmp_path: Path
    ) -> None:
        keys = (CropKey(0, 0.0, 0.5), CropKey(500, 0.0, 0.5), CropKey(1500, 1.0, 0.5))
        form = ClipForm(aspect=ClipAspect.R9_16, fit=ClipFit.KEYFRAMES, keys=keys)

        made = await render(tools, colours, tmp_path / "clip.mp4", form)

        shown = pictures(tmp_path / "clip.mp4")
        assert (made.width, made.height) == (102, 180)
        assert [colour(shown[at], 0.5, 0.5) for at in (0, 11, 24, 36, 47)] == ["red", "red", "green", "blue", "blue"]
        assert colour(shown[0], 0.99, 0.5) == "red"
        assert colour(shown[47], 0.01, 0.5) == "blue"

    async def test_resolution_and_rate(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=2)
        form = ClipForm(resolution=90, frame_rate=Fraction(12), quality=ClipQuality.HIGH)

        made = await render(tools, source, tmp_path / "clip.mp4", form, start_ms=500, end_ms=1500)

        assert (made.width, made.height, made.start_ms, made.end_ms) == (160, 90, 500, 1500)
        assert frame_numbers(tmp_path / "clip.mp4") == list(range(12, 36, 2))
        assert (made.mode, made.reason) == (
            ClipMode.RENDER,
            "Copied packets cannot have: resolution, frameRate, quality.",
        )

    async def test_a_turned_picture_is_upright_before_it_is_cut(
        self, tools: ChildMediaTools, colours: Path, tmp_path: Path
    ) -> None:
        source = tmp_path / "a.mp4"
        run_ffmpeg("-display_rotation", "-90", "-i", str(colours), "-c", "copy", str(source))

        made = await render(tools, source, tmp_path / "clip.mp4", ClipForm(aspect=ClipAspect.R1_1), end_ms=300)

        shown = pictures(tmp_path / "clip.mp4")[2]
        assert (made.width, made.height) == (180, 180)
        assert [colour(shown, 0.5, y) for y in (0.05, 0.5, 0.95)] == ["red", "green", "blue"]


class TestFades:
    async def test_the_ends_are_dark_and_silent(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_colours(tmp_path / "a.mp4", sound=True)
        form = ClipForm(fade_in_ms=500, fade_out_ms=500)

        await render(tools, source, tmp_path / "clip.mp4", form)

        shown = [brightness(picture) for picture in pictures(tmp_path / "clip.mp4")]
        assert shown[0] < 5
        assert shown[-1] < shown[24] / 5
        assert shown[12] == pytest.approx(shown[24], rel=0.1)
        samples = numpy.abs(read_samples(tmp_path / "clip.mp4"))
        loud = samples[48_000:52_800].max()
        assert max(samples[:480].max(), samples[95_520:96_000].max()) < loud / 10


class TestLoudness:
    @pytest.mark.parametrize("target", [-16.0, -31.0])
    async def test_is_reached_within_one_unit(self, tools: ChildMediaTools, tmp_path: Path, target: float) -> None:
        source = make_wav(tmp_path / "a.wav", seconds=4)

        made = await render(
            tools, source, tmp_path / "clip.mp4", ClipForm(loudness_lufs=target), start_ms=500, end_ms=3500
        )

        assert loudness(tmp_path / "clip.mp4") == pytest.approx(target, abs=1)
        assert made.loudness_lufs == pytest.approx(target, abs=1)

    async def test_silence_stays_silent(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_wav(tmp_path / "a.wav", audio="silence")

        made = await render(tools, source, tmp_path / "clip.wav", ClipForm(format=ClipFormat.WAV, loudness_lufs=-16.0))

        assert made.loudness_lufs is None
        assert numpy.abs(read_samples(tmp_path / "clip.wav")).max() < 0.001


class TestFormats:
    @pytest.mark.parametrize(
        ("form", "codecs"),
        [(ClipFormat.MOV, ["h264", "aac"]), (ClipFormat.WEBM, ["vp9", "opus"])],
        ids=["mov", "webm"],
    )
    async def test_of_video_hold_exactly_the_range(
        self, tools: ChildMediaTools, tmp_path: Path, form: ClipFormat, codecs: list[str]
    ) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=3)
        target = tmp_path / f"clip.{form.value.lower()}"

        made = await render(tools, source, target, ClipForm(format=form), start_ms=1010, end_ms=2475)

        assert frame_numbers(target) == list(range(25, 60))
        assert (made.start_ms, made.end_ms) == (1042, 2500)
        with av.open(str(target)) as container:
            assert [stream.codec.canonical_name for stream in container.streams] == codecs

    @pytest.mark.parametrize(
        ("form", "codec"),
        [(ClipFormat.MP3, "mp3"), (ClipFormat.WAV, "pcm_s16le"), (ClipFormat.FLAC, "flac")],
        ids=["mp3", "wav", "flac"],
    )
    async def test_of_sound_hold_exactly_the_range(
        self, tools: ChildMediaTools, tmp_path: Path, form: ClipFormat, codec: str
    ) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=4)
        target = tmp_path / f"clip.{form.value.lower()}"

        made = await render(tools, source, target, ClipForm(format=form), start_ms=1500, end_ms=3500)

        assert (made.start_ms, made.width, made.height) == (1500, None, None)
        assert abs(made.duration_ms - 2000) <= 30
        heard = [time - begin_of(target) for time in click_times(read_samples(target))]
        assert heard == pytest.approx([0.5, 1.5], abs=0.004)
        with av.open(str(target)) as container:
            assert [stream.codec.canonical_name for stream in container.streams] == [codec]

    @pytest.mark.parametrize("form", [ClipFormat.GIF, ClipFormat.WEBP], ids=["gif", "webp"])
    async def test_of_animation_hold_every_picture_of_their_rate(
        self, tools: ChildMediaTools, tmp_path: Path, form: ClipFormat
    ) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=2)
        target = tmp_path / f"clip.{form.value.lower()}"

        made = await render(tools, source, target, ClipForm(format=form, resolution=90), end_ms=1500)

        with Image.open(target) as picture:
            assert (picture.size, picture.n_frames, picture.info["loop"]) == ((160, 90), 18, 0)  # type: ignore[attr-defined]
        assert (made.width, made.height) == (160, 90)
        assert abs(made.duration_ms - 1500) <= 100

    async def test_need_what_they_hold(self, tools: ChildMediaTools, plain: Path, tmp_path: Path) -> None:
        with pytest.raises(CuepointError) as caught:
            await render(tools, plain, tmp_path / "clip.mp3", ClipForm(format=ClipFormat.MP3))

        assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA
        assert names(tmp_path) == []


class TestBurnedCaptions:
    async def test_are_in_their_band_while_they_are_said(
        self, tools: ChildMediaTools, plain: Path, tmp_path: Path
    ) -> None:
        form = ClipForm(captions=CaptionForm())

        await render(tools, plain, tmp_path / "clip.mp4", form, said("Hello", "world", start_ms=500))

        shown = pictures(tmp_path / "clip.mp4")
        rows = bright_rows(shown[24])
        assert rows
        assert min(rows) > 180 * 0.75
        assert max(rows) < 180 * 0.95 + 1
        assert bright_rows(shown[5]) == bright_rows(shown[46]) == []
        assert names(tmp_path) == ["clip.mp4"]

    async def test_without_them_the_picture_is_bare(self, tools: ChildMediaTools, plain: Path, tmp_path: Path) -> None:
        await render(tools, plain, tmp_path / "clip.mp4", ClipForm(quality=ClipQuality.HIGH))

        assert [bright_rows(picture) for picture in pictures(tmp_path / "clip.mp4")] == [[]] * 48

    async def test_stand_where_the_apps_of_telephones_leave_room(
        self, tools: ChildMediaTools, plain: Path, tmp_path: Path
    ) -> None:
        captions = CaptionForm(style=CaptionStyle.BOLD)
        form = ClipForm(aspect=ClipAspect.R9_16, fit=ClipFit.BLUR, captions=captions)

        await render(tools, plain, tmp_path / "clip.mp4", form, said("Many", "words", "that", "need", "two", "lines"))

        rows = bright_rows(pictures(tmp_path / "clip.mp4")[12])
        assert rows
        assert max(rows) <= 320 * 0.8
        assert max(rows) - min(rows) > 25  # two lines

    async def test_hostile_text_is_only_text(self, tools: ChildMediaTools, plain: Path, tmp_path: Path) -> None:
        form = ClipForm(captions=CaptionForm())
        hostile = said("{\\an8}", "{\\pos(9,9)}up", "a\\Nb", "c\nDialogue:", "\x00{", "\u202e}", word_ms=200)

        await render(tools, plain, tmp_path / "clip.mp4", form, hostile)

        rows = [row for picture in pictures(tmp_path / "clip.mp4") for row in bright_rows(picture)]
        assert rows
        assert min(rows) > 180 / 2

    async def test_words_change_their_colour_when_they_are_said(
        self, tools: ChildMediaTools, plain: Path, tmp_path: Path
    ) -> None:
        captions = CaptionForm(highlights_words=True, position=CaptionPosition.TOP)
        form = ClipForm(captions=captions, resolution=360)

        await render(tools, plain, tmp_path / "clip.mp4", form, said("MMMM", "MMMM", word_ms=800))

        def yellow(picture: numpy.ndarray) -> int:
            red, blue = picture[..., 0].astype(int), picture[..., 2].astype(int)
            return int(((red > 180) & (blue < 110)).sum())

        shown = pictures(tmp_path / "clip.mp4")
        first, second = yellow(shown[10]), yellow(shown[30])
        assert 0 < first < second
        assert second == pytest.approx(2 * first, rel=0.2)
        assert max(numpy.flatnonzero((shown[10][..., 0] > 180).any(axis=1))) < 360 / 4

    @pytest.mark.parametrize("text", ["مرحبا", "שלום", "नमस्ते", "สวัสดี", "Привет", "Ελληνικά", "Tiếng"], ids=ascii)
    async def test_are_drawn_in_other_scripts(
        self, tools: ChildMediaTools, plain: Path, tmp_path: Path, text: str
    ) -> None:
        form = ClipForm(captions=CaptionForm())

        await render(tools, plain, tmp_path / "clip.mp4", form, said(text), end_ms=300)

        assert bright_rows(pictures(tmp_path / "clip.mp4")[4])

    async def test_missing_glyphs_are_found_before_anything_is_rendered(
        self, tools: ChildMediaTools, plain: Path, tmp_path: Path
    ) -> None:
        form = ClipForm(captions=CaptionForm())

        with pytest.raises(CuepointError) as caught:
            await render(tools, plain, tmp_path / "clip.mp4", form, said("Hi", "漢字", "🎉"))

        assert caught.value.code is ErrorCode.FONT_MISSING_GLYPHS
        assert "漢 (U+6F22), 字 (U+5B57), 🎉 (U+1F389)" in caught.value.message
        assert names(tmp_path) == []


class TestEmbeddedCaptions:
    VTT = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nOne &lt;b&gt; {\\an8}\n\n00:00:01.000 --> 00:00:02.000\ntwo\n\n"

    @pytest.mark.parametrize(
        ("form", "codec"),
        [(ClipFormat.MP4, "mov_text"), (ClipFormat.MOV, "mov_text"), (ClipFormat.WEBM, "webvtt")],
        ids=["mp4", "mov", "webm"],
    )
    async def test_are_a_text_track(
        self, tools: ChildMediaTools, plain: Path, tmp_path: Path, form: ClipFormat, codec: str
    ) -> None:
        target = tmp_path / f"clip.{form.value.lower()}"

        await render(
            tools,
            plain,
            target,
            ClipForm(format=form, captions=CaptionForm(CaptionMode.EMBED)),
            CaptionText(vtt=self.VTT),
        )

        with av.open(str(target)) as container:
            (track,) = container.streams.subtitles
            assert track.codec_context.codec.canonical_name == codec
            texts = [bytes(packet) for packet in container.demux(track) if packet.size > 2]
        assert len(texts) == 2
        assert b"One" in texts[0]
        assert b"two" in texts[1]

    async def test_without_words_there_is_no_track(self, tools: ChildMediaTools, plain: Path, tmp_path: Path) -> None:
        form = ClipForm(captions=CaptionForm(CaptionMode.EMBED))

        await render(tools, plain, tmp_path / "clip.mp4", form, CaptionText(), end_ms=300)

        with av.open(str(tmp_path / "clip.mp4")) as container:
            assert [stream.type for stream in container.streams] == ["video"]
