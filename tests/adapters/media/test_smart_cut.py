"""Cuts by copying hold exactly the pictures of their range in both decoders, and their sound lies where it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import av
import pytest

from cuepoint.adapters.media.base import ClipMode, MediaCaps
from cuepoint.adapters.media.bitstreams import NotSmartError
from cuepoint.adapters.media.cut import check_clip, plan_clip
from cuepoint.adapters.media.smart import Files, cut_clip
from tests.support.cut_sources import CUT_SOURCES, SOUND_SOURCES, cut_source, places, sound_source
from tests.support.cuts import (
    Cut,
    assert_exact,
    assert_in_sync,
    media_zero,
    pictures,
    samples,
    sound_offset_ms,
    source_pictures,
    source_samples,
)
from tests.support.media import CodedClip, frame_numbers, make_coded_clip, run_ffmpeg

pytestmark = pytest.mark.media

CAPS = MediaCaps()
SMART = [name for name, source in CUT_SOURCES.items() if source.is_smart]
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "24")


@contextmanager
def opened(*paths: Path) -> Iterator[list[int]]:
    descriptors = [os.open(path, os.O_RDONLY) for path in paths]
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


def cut(source: Path, target: Path, start_ms: int, end_ms: int, mode: ClipMode = ClipMode.SMART) -> Cut:
    with av.open(str(source)) as container:
        video = next((s.index for s in container.streams.video), None)
        audio = next((s.index for s in container.streams.audio), None)
    written = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    with opened(source, source, source) as (planned, first, second):
        plan = plan_clip(planned, CAPS, start_ms=start_ms, end_ms=end_ms, video_index=video, audio_index=audio)
        plan = cut_clip(Files(first, second, written), CAPS, plan, mode, lambda _: None)
        made = check_clip(written, CAPS, plan)
    os.close(written)
    return Cut(source, target, plan, made)


def digests(path: Path) -> dict[int, bytes]:
    with av.open(str(path)) as container:
        sums = [hashlib.sha256(frame.to_ndarray().tobytes()).digest() for frame in container.decode(video=0)]
    return {shown.number: digest for shown, digest in zip(pictures(path), sums, strict=True)}


source_digests = cache(digests)


def copied_numbers(source: Path, clip: Path) -> list[int]:
    """Pictures that are the source's to the last bit."""
    of_source = source_digests(source)
    return [number for number, digest in digests(clip).items() if of_source.get(number) == digest]


class TestSmart:
    @pytest.mark.parametrize("name", SMART)
    def test_holds_exactly_the_range_and_in_sync(self, tmp_path: Path, name: str) -> None:
        source = cut_source(name)
        for start_ms, end_ms in places(name, 2):
            made = cut(source, tmp_path / "clip.mp4", start_ms, end_ms)

            assert_exact(made, start_ms, end_ms)
            assert_in_sync(made)

    @pytest.mark.long
    @pytest.mark.parametrize("name", SMART)
    def test_holds_exactly_the_range_and_in_sync_in_many_places(self, tmp_path: Path, name: str) -> None:
        source = cut_source(name)
        for start_ms, end_ms in places(name, 12):
            made = cut(source, tmp_path / "clip.mp4", start_ms, end_ms)

            assert_exact(made, start_ms, end_ms)
            assert_in_sync(made)

    @pytest.mark.parametrize("name", SMART)
    def test_the_whole_file(self, tmp_path: Path, name: str) -> None:
        source = cut_source(name)
        end_ms = round((source_pictures(source)[-1].time - media_zero(source)) * 1000) + 30

        made = cut(source, tmp_path / "clip.mp4", 0, end_ms)

        assert_exact(made, 0, end_ms)
        assert_in_sync(made)

    @pytest.mark.parametrize("name", ["h264 mp4 b-pyramid", "hevc mkv open groups", "vp9 webm", "av1 mp4"])
    def test_pictures_of_whole_groups_are_the_sources_own(self, tmp_path: Path, name: str) -> None:
        source = cut_source(name)
        with av.open(str(source)) as container:
            rate = container.streams.video[0].average_rate
        start_ms, end_ms = (round(1000 * n / rate) for n in (20, 100))

        made = cut(source, tmp_path / "clip.mp4", start_ms, end_ms)

        copied = copied_numbers(source, made.path)
        assert set(range(24, 93)) <= set(copied)  # leading pictures of the group at 96 belong to it

    def test_a_whole_file_of_whole_groups_is_copied(self, tmp_path: Path) -> None:
        source = cut_source("h264 mp4 no b")

        made = cut(source, tmp_path / "clip.mp4", 0, 5000)

        assert copied_numbers(source, made.path) == list(range(120))

    @pytest.mark.parametrize("name", [name for name, source in CUT_SOURCES.items() if not source.is_smart])
    def test_says_that_a_source_cannot_be_cut_by_copying(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(NotSmartError):
            cut(cut_source(name), tmp_path / "clip.mp4", 500, 4000)

    def test_says_that_no_whole_group_lies_in_the_range(self, tmp_path: Path) -> None:
        with pytest.raises(NotSmartError, match="no whole group of pictures lies in the range"):
            cut(cut_source("h264 mp4 no b"), tmp_path / "clip.mp4", 900, 1900)


class TestSmartForm:
    def test_has_the_index_in_front(self, tmp_path: Path) -> None:
        made = cut(cut_source("h264 mp4 b-pyramid"), tmp_path / "clip.mp4", 500, 4000)

        data = made.path.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")

    @pytest.mark.parametrize("mode", [ClipMode.SMART, ClipMode.FAST])
    @pytest.mark.parametrize(("turn", "size"), [(90, (180, 320)), (180, (320, 180)), (270, (180, 320))])
    def test_a_turned_picture_stays_turned(
        self, tmp_path: Path, mode: ClipMode, turn: int, size: tuple[int, int]
    ) -> None:
        source = tmp_path / "a.mp4"
        flat = cut_source("h264 mp4 no b")
        run_ffmpeg("-display_rotation", str(-turn), "-i", str(flat), "-c", "copy", str(source))

        made = cut(source, tmp_path / "clip.mp4", 500, 4000, mode)

        with av.open(str(made.path)) as container:
            turns = {round(-frame.rotation) % 360 for frame in container.decode(video=0)}
        assert (turns, made.made.width, made.made.height) == ({turn}, *size)

    @pytest.mark.parametrize("mode", [ClipMode.SMART, ClipMode.FAST])
    def test_pixels_and_colours_stay_what_they_are(self, tmp_path: Path, mode: ClipMode) -> None:
        wide = ("-vf", "setsar=4/3,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv")
        source = make_coded_clip(tmp_path / "a.mp4", CodedClip(frames=120, arguments=(*wide, *X264), audio=None))

        made = cut(source, tmp_path / "clip.mp4", 500, 4000, mode)

        assert (made.made.width, made.made.height) == (427, 180)
        with av.open(str(made.path)) as container:
            kinds = {
                (f.color_primaries, f.color_trc, f.colorspace, f.color_range, f.format.name)
                for f in container.decode(video=0)
            }
        assert kinds == {(1, 1, 1, 1, "yuv420p")}

    def test_interlaced_pictures_are_not_cut_by_copying(self, tmp_path: Path) -> None:
        fields = (*X264, "-flags", "+ildct+ilme", "-x264-params", "tff=1")
        source = make_coded_clip(tmp_path / "a.mp4", CodedClip(frames=120, arguments=fields, audio=None))

        with pytest.raises(NotSmartError, match="interlaced"):
            cut(source, tmp_path / "clip.mp4", 500, 4000)

    def test_sound_that_players_do_not_take_in_mp4_becomes_aac(self, tmp_path: Path) -> None:
        made = cut(cut_source("h264 mov pcm"), tmp_path / "clip.mp4", 500, 4000)

        with av.open(str(made.path)) as container:
            assert container.streams.audio[0].codec.canonical_name == "aac"

    def test_a_file_without_sound_gives_a_clip_without(self, tmp_path: Path) -> None:
        source = make_coded_clip(tmp_path / "a.mp4", CodedClip(frames=120, arguments=X264, audio=None))

        made = cut(source, tmp_path / "clip.mp4", 500, 4000)

        with av.open(str(made.path)) as container:
            assert [stream.type for stream in container.streams] == ["video"]


class TestFailures:
    def test_a_full_disk_is_no_reason_to_render(self) -> None:
        source = cut_source("h264 mp4 no b")
        full = Path("/dev/full")
        with opened(source, source, source) as (planned, first, second):
            plan = plan_clip(planned, CAPS, start_ms=500, end_ms=4000, video_index=0, audio_index=1)
            target = os.open(full, os.O_RDWR)

            with pytest.raises(OSError, match="No space left on device"):
                cut_clip(Files(first, second, target), CAPS, plan, ClipMode.SMART, lambda _: None)

            os.close(target)


class TestSoundAlone:
    @pytest.mark.parametrize("mode", [ClipMode.SMART, ClipMode.FAST])
    @pytest.mark.parametrize("name", SOUND_SOURCES)
    def test_begins_at_the_sample_and_ends_with_the_range(self, tmp_path: Path, name: str, mode: ClipMode) -> None:
        source = sound_source(name)

        made = cut(source, tmp_path / "clip.m4a", 1234, 3456, mode)

        assert abs(sound_offset_ms(source_samples(source), samples(made.path), made.plan.audio.start)) <= 1
        assert (made.made.start_ms, made.made.duration_ms, made.made.width) == (1234, 2222, None)


class TestFast:
    @pytest.mark.parametrize("name", SMART)
    def test_says_which_range_it_holds(self, tmp_path: Path, name: str) -> None:
        source = cut_source(name)
        start_ms, end_ms = 1700, 2900

        made = cut(source, tmp_path / "clip.mp4", start_ms, end_ms, ClipMode.FAST)

        assert made.made.start_ms <= start_ms
        assert made.made.end_ms >= end_ms
        assert_exact(made, made.made.start_ms, made.made.end_ms)
        assert_in_sync(made)

    def test_leaves_out_no_picture_that_is_stored_behind_a_later_one(self, tmp_path: Path) -> None:
        deep = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-bf", "5", "-c:a", "aac")
        pyramid = ("-x264-params", "b-adapt=0:b-pyramid=normal:ref=3:scenecut=0")
        source = make_coded_clip(tmp_path / "deep.mp4", CodedClip(frames=60, arguments=(*deep, *pyramid)))

        made = cut(source, tmp_path / "clip.mp4", 0, 1323, ClipMode.FAST)

        assert made.made.end_ms == 1542
        assert frame_numbers(made.path) == list(range(37))

    def test_says_that_the_key_frame_is_not_clean(self, tmp_path: Path) -> None:
        with pytest.raises(NotSmartError, match="not a clean one"):
            cut(cut_source("h264 mp4 open groups"), tmp_path / "clip.mp4", 1700, 2900, ClipMode.FAST)

    def test_begins_at_the_key_frame_and_ends_where_no_picture_is_missing(self, tmp_path: Path) -> None:
        source = cut_source("h264 mp4 no b")

        made = cut(source, tmp_path / "clip.mp4", 1700, 2900, ClipMode.FAST)

        assert (made.made.start_ms, made.made.end_ms) == (1000, 2917)
        assert copied_numbers(source, made.path) == list(range(24, 70))
