"""Rendered clips hold exactly the frames of their range, by the number painted into each, and are in sync."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from cuepoint.adapters.media.base import ClipMode, MediaInfo, RenderedClip
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.errors import CuepointError, ErrorCode
from tests.support.cuts import rendered
from tests.support.media import (
    CodedClip,
    click_times,
    frame_numbers,
    make_clip,
    make_coded_clip,
    make_truncated,
    make_wav,
    names,
    read_samples,
    run_ffmpeg,
    timed_frame_numbers,
)

pytestmark = pytest.mark.media

NTSC = Fraction(30000, 1001)
H264 = CodedClip.arguments
SHORT_GROUPS = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-bf", "0", "-c:a", "aac")
OPEN_GROUPS = ("-c:v", "libx264", "-preset", "fast", "-g", "24", "-bf", "3", "-x264-params", "open-gop=1")
SOURCES = {
    "long groups": ("a.mp4", CodedClip()),
    "no b-frames": ("a.mp4", CodedClip(arguments=SHORT_GROUPS)),
    "open groups": ("a.mp4", CodedClip(arguments=(*OPEN_GROUPS, "-c:a", "aac"))),
    "29.97": ("a.mp4", CodedClip(rate=NTSC)),
    "59.94 matroska": ("a.mkv", CodedClip(rate=Fraction(60000, 1001), frames=240, arguments=H264)),
    "transport stream": ("a.ts", CodedClip(arguments=(*OPEN_GROUPS, "-c:a", "aac", "-muxdelay", "1.4"))),
    "webm": ("a.webm", CodedClip(arguments=("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"))),
    "avi": ("a.avi", CodedClip(arguments=("-c:v", "mpeg4", "-bf", "2", "-c:a", "mp3"))),
    "program stream": ("a.mpg", CodedClip(rate=Fraction(25), arguments=("-c:v", "mpeg2video", "-bf", "2"))),
    "quicktime": ("a.mov", CodedClip(rate=Fraction(25), arguments=("-c:v", "mjpeg", "-c:a", "pcm_s16le"))),
}


def expected_frames(source: Path, start_ms: int, end_ms: int) -> list[tuple[Fraction, int]]:
    """The rule of the glossary on the times the file itself gives its pictures, counted from its start."""
    half = Fraction(1, 2)
    with av.open(str(source)) as container:
        zero = Fraction(container.start_time, av.time_base)
    times = [(time - zero, number) for time, number in timed_frame_numbers(source)]
    return [(time, number) for time, number in times if start_ms - half <= time * 1000 < end_ms - half]


async def render(
    tools: ChildMediaTools, source: Path, start_ms: int, end_ms: int, info: MediaInfo | None = None
) -> tuple[RenderedClip, Path]:
    target = source.parent / "clip.mp4"
    info = info or await tools.probe(source)
    made = await tools.render_clip(
        source,
        target,
        start_ms=start_ms,
        end_ms=end_ms,
        info=info,
        on_progress=lambda _: None,
        mode=ClipMode.RENDER,
    )
    assert made.mode is ClipMode.RENDER
    return made, target


class TestFrames:
    @pytest.mark.parametrize("name", SOURCES)
    @pytest.mark.parametrize(("start_ms", "end_ms"), [(0, 1000), (1010, 2475), (1500, 1501 + 41), (2990, 3990)])
    def test_first_and_last_frame_are_right(self, tmp_path: Path, name: str, start_ms: int, end_ms: int) -> None:
        file, clip = SOURCES[name]
        source = make_coded_clip(tmp_path / file, clip)
        end_ms = min(end_ms, int(clip.seconds * 1000))
        wanted = expected_frames(source, start_ms, end_ms)

        target = tmp_path / "clip.mp4"
        made = rendered(source, target, start_ms, end_ms).made

        frames = timed_frame_numbers(target)
        assert [number for _, number in frames] == [number for _, number in wanted]
        lead = wanted[0][0] - Fraction(start_ms, 1000)
        assert abs(frames[0][0] - (0 if lead < 1 / clip.rate else lead)) < Fraction(1, 1000)
        assert abs(made.start_ms - wanted[0][0] * 1000) <= 1
        assert abs(made.end_ms - (wanted[-1][0] + 1 / clip.rate) * 1000) <= 2

    async def test_a_container_without_time_stamps_is_cut_by_the_order_of_its_frames(
        self, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        source = make_coded_clip(tmp_path / "a.avi", CodedClip(arguments=(*OPEN_GROUPS, "-c:a", "mp3")))
        reorder_delay = 2

        _, target = await render(tools, source, 1010, 2475)

        shown_at = {number: Fraction(number + reorder_delay, 24) for number in range(96)}
        wanted = [n for n, time in shown_at.items() if Fraction(10095, 10000) <= time < Fraction(24745, 10000)]
        assert frame_numbers(target) == wanted

    async def test_the_whole_file(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=1.0)

        made, target = await render(tools, source, 0, 1000)

        assert frame_numbers(target) == list(range(24))
        assert (made.start_ms, made.end_ms, made.width, made.height) == (0, 1000, 320, 180)
        assert made.size_bytes == target.stat().st_size

    async def test_frames_of_uneven_length_keep_their_times(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        uneven = ("-vf", "select='not(eq(mod(n,5),2))'", "-fps_mode", "passthrough", *H264)
        clip = CodedClip(arguments=uneven, audio=None)
        source = make_coded_clip(tmp_path / "a.mp4", clip)

        _, target = await render(tools, source, 1000, 2000)

        kept = [number for number in range(24, 48) if number % 5 != 2]
        shown = timed_frame_numbers(target)
        assert [number for _, number in shown] == kept
        assert [time for time, _ in shown] == [Fraction(number - kept[0], 24) for number in kept]


class TestLongPictures:
    """Slides and screen recordings: one picture every four seconds, 0 s to 16 s."""

    @pytest.fixture(params=["a.mp4", "a.mkv"])
    def slides(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        slow = ("-vf", "setpts=N*4/TB", "-fps_mode", "passthrough", "-enc_time_base", "1:1000", *H264)
        pictures = make_coded_clip(tmp_path / "pictures.mp4", CodedClip(frames=4, audio=None, arguments=slow))
        source = tmp_path / request.param
        sound = make_wav(tmp_path / "sound.wav", seconds=16)
        run_ffmpeg("-i", str(pictures), "-i", str(sound), "-c:v", "copy", "-c:a", "aac", str(source))
        return source

    async def test_a_range_inside_one_picture_shows_it(self, tools: ChildMediaTools, slides: Path) -> None:
        made, target = await render(tools, slides, 5000, 7000)

        assert timed_frame_numbers(target) == [(0, 1)]
        assert (made.start_ms, made.end_ms) == (5000, 7000)
        assert abs(made.duration_ms - 2000) <= 25
        assert click_times(read_samples(target)) == pytest.approx([0, 1], abs=0.003)

    async def test_a_range_over_two_pictures_shows_both_from_its_start_to_its_end(
        self, tools: ChildMediaTools, slides: Path
    ) -> None:
        made, target = await render(tools, slides, 5500, 9250)

        assert timed_frame_numbers(target) == [(0, 1), (Fraction(5, 2), 2)]
        assert (made.start_ms, made.end_ms) == (5500, 9250)
        assert click_times(read_samples(target)) == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.003)


class TestSound:
    @pytest.mark.parametrize(
        ("file", "clip"),
        [
            ("a.mp4", CodedClip()),
            ("a.mp4", CodedClip(rate=NTSC, frames=120)),
            ("a.mkv", CodedClip()),
            ("a.mp4", CodedClip(audio_delay_seconds=0.3)),
            ("a.ts", CodedClip(arguments=(*H264, "-muxdelay", "1.4"))),
        ],
    )
    async def test_sound_and_picture_stay_together(
        self, tools: ChildMediaTools, tmp_path: Path, file: str, clip: CodedClip
    ) -> None:
        source = make_coded_clip(tmp_path / file, clip)

        made, target = await render(tools, source, 1210, 3480)

        first = frame_numbers(target)[0]
        begin = float(first / clip.rate)
        clicks = [second + clip.audio_delay_seconds - begin for second in range(5)]
        wanted = [time for time in clicks if 0.01 < time < made.duration_ms / 1000 - 0.01]
        heard = click_times(read_samples(target))
        assert len(heard) == len(wanted)
        assert max(abs(a - b) for a, b in zip(heard, wanted, strict=True)) < 0.003

    async def test_sound_that_begins_later_than_the_range_leaves_silence(
        self, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        source = make_coded_clip(tmp_path / "a.mp4", CodedClip(audio_delay_seconds=1.5))

        _, target = await render(tools, source, 500, 3000)

        assert click_times(read_samples(target)) == pytest.approx([1.0, 2.0], abs=0.003)

    async def test_a_file_without_sound_gives_a_clip_without(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mp4", audio=None)

        _, target = await render(tools, source, 500, 1500)

        with av.open(str(target)) as container:
            assert [stream.type for stream in container.streams] == ["video"]

    async def test_a_file_without_pictures_gives_sound_alone(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_wav(tmp_path / "a.wav", seconds=4)

        made, target = await render(tools, source, 1500, 3500)

        assert (made.start_ms, made.width, made.height) == (1500, None, None)
        assert abs(made.end_ms - 3500) <= 25
        assert click_times(read_samples(target)) == pytest.approx([0.5, 1.5], abs=0.003)


class TestForm:
    async def test_is_h264_high_and_aac_with_the_index_in_front(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mp4")

        _, target = await render(tools, source, 0, 1000)

        data = target.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")
        with av.open(str(target)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec_context.name, video.codec_context.profile) == ("h264", "High")
            assert (video.codec_context.pix_fmt, audio.codec_context.name) == ("yuv420p", "aac")

    async def test_odd_sides_become_even(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        odd = CodedClip(size=(321, 181), arguments=("-c:v", "libvpx", "-deadline", "realtime"), audio=None)
        source = make_coded_clip(tmp_path / "a.webm", odd)

        made, _ = await render(tools, source, 0, 500)

        assert (made.width, made.height) == (320, 180)

    @pytest.mark.parametrize(("turn", "size"), [(90, (180, 320)), (180, (320, 180)), (270, (180, 320))])
    async def test_a_turned_picture_stands_upright(
        self, tools: ChildMediaTools, tmp_path: Path, turn: int, size: tuple[int, int]
    ) -> None:
        flat = make_clip(tmp_path / "flat.mp4", audio=None)
        source = tmp_path / "a.mp4"
        run_ffmpeg("-display_rotation", str(-turn), "-i", str(flat), "-c", "copy", str(source))

        made, target = await render(tools, source, 0, 500)

        again = await tools.probe(target)
        assert (made.width, made.height) == size
        assert again.video is not None
        assert again.video.rotation_degrees == 0

    async def test_pixels_become_square(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        wide = CodedClip(arguments=("-vf", "setsar=4/3", *H264), audio=None)
        source = make_coded_clip(tmp_path / "a.mp4", wide)

        made, _ = await render(tools, source, 0, 500)

        assert (made.width, made.height) == (426, 180)


class TestRefusals:
    @pytest.mark.parametrize(("start_ms", "end_ms"), [(1000, 1000), (1500, 1200), (-1, 500), (0, 2500), (9000, 9500)])
    async def test_a_range_outside_the_media(
        self, tools: ChildMediaTools, tmp_path: Path, start_ms: int, end_ms: int
    ) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=2)

        with pytest.raises(CuepointError) as caught:
            await render(tools, source, start_ms, end_ms)

        assert caught.value.code is ErrorCode.RANGE_OUTSIDE_MEDIA
        assert names(tmp_path) == ["a.mp4"]

    async def test_the_readable_part_of_a_truncated_file_can_be_cut(
        self, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        source = make_truncated(tmp_path / "a.mp4", with_index=True)

        _, target = await render(tools, source, 1000, 2000)

        assert frame_numbers(target) == list(range(24, 48))

    async def test_an_exception_of_on_progress_leaves_no_file(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        class StopError(Exception):
            pass

        def stop(_: int) -> None:
            raise StopError

        source = make_clip(tmp_path / "a.mp4")
        info = await tools.probe(source)

        with pytest.raises(StopError):
            await tools.render_clip(
                source,
                tmp_path / "clip.mp4",
                start_ms=0,
                end_ms=2000,
                info=info,
                on_progress=stop,
                mode=ClipMode.RENDER,
            )

        assert names(tmp_path) == ["a.mp4"]
