"""A clip that is not what was planned is refused, whatever ffmpeg says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.cut import check_clip, plan_clip
from cuepoint.adapters.media.plan import ClipPlan
from cuepoint.errors import AdapterError, ErrorCode
from tests.support.media import make_clip, make_text, make_wav, run_ffmpeg

pytestmark = pytest.mark.media

CAPS = MediaCaps()


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def plan_of(path: Path, start_ms: int, end_ms: int, audio_index: int | None = None) -> ClipPlan:
    with opened(path) as descriptor:
        return plan_clip(descriptor, CAPS, start_ms=start_ms, end_ms=end_ms, video_index=0, audio_index=audio_index)


def refusal(path: Path, plan: ClipPlan) -> str:
    with opened(path) as descriptor, pytest.raises(AdapterError) as caught:
        check_clip(descriptor, CAPS, plan)
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.RENDER_FAILED, False)
    return caught.value.message


class TestPlanClip:
    def test_names_the_key_frame_the_frames_and_the_end(self, tmp_path: Path) -> None:
        plan = plan_of(make_clip(tmp_path / "a.mp4", seconds=4), 1010, 2475, audio_index=1)

        assert plan.video is not None
        assert plan.audio is not None
        assert (plan.video.seek, plan.video.frame_count) == (0, 35)
        assert (plan.video.first_frame, plan.video.end) == (Fraction(25, 24), Fraction(60, 24))
        assert (plan.audio.start, plan.audio.end, plan.audio.channels) == (Fraction(25, 24), Fraction(60, 24), 1)


class TestCheckClip:
    def test_what_was_planned_passes(self, tmp_path: Path) -> None:
        path = make_clip(tmp_path / "a.mp4", seconds=2, audio=None)

        with opened(path) as descriptor:
            made = check_clip(descriptor, CAPS, plan_of(path, 0, 2000))

        assert (made.start_ms, made.end_ms, made.duration_ms) == (0, 2000, 2000)

    @pytest.mark.parametrize(("start_ms", "end_ms"), [(0, 3000), (0, 1500), (500, 2500)])
    def test_other_frames_than_planned(self, tmp_path: Path, start_ms: int, end_ms: int) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=4, audio=None)
        made = make_clip(tmp_path / "b.mp4", seconds=2, audio=None)
        plan = plan_of(source, start_ms, end_ms)
        if plan.video is not None and plan.video.frame_count == 48:  # the right number of frames, too late by a tenth
            plan = replace(plan, video=replace(plan.video, first_frame=plan.video.first_frame - Fraction(1, 10)))

        assert "The clip holds 48 frames" in refusal(made, plan)

    def test_a_track_that_is_missing(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=2)
        made = make_clip(tmp_path / "b.mp4", seconds=2, audio=None)

        said = "The clip lacks a track: nothing of it can be decoded in this range. Choose another range."
        assert refusal(made, plan_of(source, 0, 2000, audio_index=1)) == said
        assert refusal(make_wav(tmp_path / "c.wav"), plan_of(made, 0, 2000)) == said

    @pytest.mark.parametrize(
        ("sound", "found"),
        [
            ("atrim=end=1.7", "from 0.000 s to 1.7"),
            ("apad=whole_dur=2.3", "from 0.000 s to 2.3"),
            ("asetpts=PTS+0.3/TB", "from 0.236 s to 2.3"),  # with the packet before it
        ],
        ids=["too short", "too long", "too late"],
    )
    def test_sound_of_another_length(self, tmp_path: Path, sound: str, found: str) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=2)
        run_ffmpeg("-i", str(source), "-c:v", "copy", "-af", sound, "-c:a", "aac", str(tmp_path / "b.mp4"))

        said = refusal(tmp_path / "b.mp4", plan_of(source, 0, 2000, audio_index=1))

        assert said.startswith(f"The clip's sound goes {found}")
        assert said.endswith("it was to go from 0.000 s to 2.000 s.")

    def test_sound_that_ends_early_in_the_source_as_well_passes(self, tmp_path: Path) -> None:
        whole, source = make_clip(tmp_path / "a.mp4", seconds=2), tmp_path / "b.mp4"
        run_ffmpeg("-i", str(whole), "-c:v", "copy", "-af", "atrim=end=1.2", "-c:a", "aac", str(source))
        plan = plan_of(source, 500, 2000, audio_index=1)

        assert plan.audio is not None
        assert plan.audio.heard_until is not None
        assert 1.2 <= plan.audio.heard_until < 1.3
        with opened(source) as descriptor:
            whole_plan = plan_of(source, 0, 2000, audio_index=1)
            assert check_clip(descriptor, CAPS, whole_plan).duration_ms == 2000

    def test_no_media_at_all(self, tmp_path: Path) -> None:
        plan = plan_of(make_clip(tmp_path / "a.mp4", seconds=2, audio=None), 0, 2000)

        assert refusal(make_text(tmp_path / "b.mp4"), plan).startswith("The clip cannot be read: This is a text file")
