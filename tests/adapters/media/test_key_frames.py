"""Key frames for the marks of long media: which pictures are decoded, of files with and without an index."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.key_frames import pictures_at
from cuepoint.adapters.media.pictures import picture_stream, time_ms
from cuepoint.adapters.media.source import open_source
from tests.support.media import CodedClip, make_coded_clip, make_film, read_bars

pytestmark = pytest.mark.media

FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov")


def looks(source: Path, length_ms: int, marks: range) -> list[tuple[int, int, bool]]:
    """Time and number of each picture, and whether it is a key frame."""
    descriptor = os.open(source, os.O_RDONLY)
    try:
        opened = open_source(descriptor, MediaCaps())
        stream = picture_stream(opened)
        assert stream is not None
        return [
            (time_ms(opened, frame), read_bars(frame.to_ndarray(format="gray")), frame.key_frame)
            for frame in pictures_at(opened, stream, length_ms, marks)
        ]
    finally:
        os.close(descriptor)


def coded(path: Path, group: int, *further: str) -> Path:
    """210 s of two pictures a second, with B-frames."""
    keys = ("-preset", "ultrafast", "-bf", "2", "-g", str(group), "-sc_threshold", "0")
    clip = CodedClip(frames=420, rate=Fraction(2), audio=None, arguments=("-c:v", "libx264", *keys, *further))
    return make_coded_clip(path, clip)


class TestPicturesAt:
    @pytest.mark.parametrize(("name", "further"), [("a.mp4", ()), ("a.mp4", FRAGMENTS), ("a.mkv", ()), ("a.ts", ())])
    def test_decodes_the_key_frame_of_each_mark_and_nothing_else(
        self, tmp_path: Path, name: str, further: tuple[str, ...]
    ) -> None:
        source = coded(tmp_path / name, 12, *further)

        found = looks(source, 210_000, range(0, 210_000, 10_000))

        # groups of 6 s: before 10 s the one of 6 s, before 20 s the one of 18 s, ...
        wanted = [mark // 6000 * 6000 for mark in range(0, 210_000, 10_000)]
        assert [number for _, number, _ in found] == [2 * at // 1000 for at in wanted]
        assert all(is_key for _, _, is_key in found)

    @pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
    def test_decodes_on_to_a_mark_far_behind_its_key_frame(self, tmp_path: Path, name: str) -> None:
        source = coded(tmp_path / name, 100_000)

        found = looks(source, 210_000, range(0, 210_000, 10_000))

        # a mark of 10 s is nearer than a step and a half; from 20 s on each has its own picture
        assert [number for _, number, _ in found] == [0, *(2 * second for second in range(20, 210, 10))]

    def test_looks_at_small_key_frames_between_the_marks(self, tmp_path: Path) -> None:
        noise = "testsrc2=s=320x180:r=2:d=100"
        black = "color=black:s=320x180:r=2:d=8"
        arguments = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "4", "-sc_threshold", "0")
        source = make_film(tmp_path / "a.mp4", noise, black, noise, arguments=arguments)

        found = looks(source, 208_000, range(0, 208_000, 52_000))

        assert [at_ms // 1000 for at_ms, _, _ in found] == [0, 52, 100, 102, 104, 106, 156]
