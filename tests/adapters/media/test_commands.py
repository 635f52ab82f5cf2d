"""Command lines that reach nothing but the descriptors they were given."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.commands import clip_command, wav_command
from cuepoint.adapters.media.plan import AudioCut, ClipPlan, VideoCut
from cuepoint.processes.child import run_child
from tests.support.media import make_clip, make_playlist

PLAN = ClipPlan(
    zero=Fraction(7, 5),
    video=VideoCut(
        index=2,
        scale=90_000,
        seek=Fraction(10),
        first_tick=1_080_000,
        end_tick=1_170_000,
        base_tick=1_080_030,
        last_tick=1_166_280,
        first_frame=Fraction(1_080_030, 90_000),
        end=Fraction(13),
        frame_duration=Fraction(1, 24),
        frame_count=24,
    ),
    audio=AudioCut(index=3, start=Fraction(1_080_030, 90_000), end=Fraction(13), channels=2),
)


class TestWavCommand:
    def test_a_hostile_target_name_stays_one_argument(self) -> None:
        target = Path("/tmp/-y 'a\"\n%d;$(id)[x].wav")

        argv = wav_command(7, target, track_index=1, caps=MediaCaps())

        assert argv.count(f"file:{target}") == 1
        assert argv[argv.index("-i") + 1] == "fd:"
        assert argv[argv.index("-protocol_whitelist") + 1] == "fd"
        assert argv.index("-vn") < argv.index("-i")

    @pytest.mark.media
    async def test_ffmpeg_itself_refuses_a_playlist(self, tmp_path: Path) -> None:
        source = make_playlist(tmp_path / "a.mp4", make_clip(tmp_path / "secret.ts", seconds=1))
        descriptor = os.open(source, os.O_RDONLY)
        try:
            argv = wav_command(descriptor, tmp_path / "b.wav", track_index=1, caps=MediaCaps())
            result = await run_child(argv, timeout=30, pass_fds=(descriptor,))
        finally:
            os.close(descriptor)

        assert result.returncode > 0
        assert not (tmp_path / "b.wav").exists()


class TestClipCommand:
    def test_cuts_by_ticks_and_uses_each_descriptor_once(self) -> None:
        argv = clip_command(7, 8, Path("/tmp/c.mp4"), plan=PLAN, container="mpegts", size=(640, 360), caps=MediaCaps())

        graph = argv[argv.index("-filter_complex") + 1]
        assert [argv[index + 1] for index, word in enumerate(argv) if word == "-fd"] == ["7", "8"]
        assert "settb=expr=1/90000" in graph
        assert "trim=end_pts=1170000:start_pts=1080000" in graph
        assert "PTS-(1080030)" in graph
        assert argv[argv.index("-movie_timescale") + 1] == "1000"
        assert "+faststart" in argv


class TestClipPlan:
    def test_survives_json(self) -> None:
        assert ClipPlan.from_json(PLAN.to_json()) == PLAN

    def test_without_tracks(self) -> None:
        plan = ClipPlan(zero=Fraction(0), video=None, audio=PLAN.audio)

        assert ClipPlan.from_json(plan.to_json()) == plan

    def test_sound_stops_with_the_last_frame_unless_the_pictures_end_early(self) -> None:
        assert PLAN.video is not None
        assert PLAN.video.stop_seconds(Fraction(1298, 100)) == Fraction(13)
        assert PLAN.video.stop_seconds(Fraction(20)) == Fraction(20)
