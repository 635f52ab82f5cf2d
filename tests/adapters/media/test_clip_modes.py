"""The three modes through the children: what was done is said, and what cannot be copied is rendered."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import pytest

from cuepoint.adapters.media.base import ClipMode, RenderedClip
from cuepoint.adapters.media.forms import ClipForm, ClipFormat
from cuepoint.adapters.media.tools import ChildMediaTools
from tests.support.cut_sources import CUT_SOURCES, cut_source, places
from tests.support.cuts import assert_exact, assert_in_sync, rendered
from tests.support.media import click_times, frame_numbers, make_clip, make_wav, names, read_samples, run_ffmpeg

pytestmark = pytest.mark.media


async def cut(
    tools: ChildMediaTools, source: Path, target: Path, start_ms: int, end_ms: int, mode: ClipMode
) -> tuple[RenderedClip, list[int]]:
    told: list[int] = []
    info = await tools.probe(source)
    made = await tools.render_clip(
        source, target, start_ms=start_ms, end_ms=end_ms, info=info, on_progress=told.append, mode=mode
    )
    return made, told


class TestRender:
    @pytest.mark.parametrize("name", CUT_SOURCES)
    def test_holds_exactly_the_range_and_in_sync(self, tmp_path: Path, name: str) -> None:
        for start_ms, end_ms in places(name, 2):
            made = rendered(cut_source(name), tmp_path / "clip.mp4", start_ms, end_ms)

            assert_exact(made, start_ms, end_ms)
            assert_in_sync(made)

    @pytest.mark.long
    @pytest.mark.parametrize("name", CUT_SOURCES)
    def test_holds_exactly_the_range_and_in_sync_in_many_places(self, tmp_path: Path, name: str) -> None:
        for start_ms, end_ms in places(name, 12):
            made = rendered(cut_source(name), tmp_path / "clip.mp4", start_ms, end_ms)

            assert_exact(made, start_ms, end_ms)
            assert_in_sync(made)


class TestModes:
    async def test_smart_is_the_default_and_exact(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = cut_source("h264 mp4 b-pyramid")
        target = tmp_path / "clip.mp4"
        told: list[int] = []

        made = await tools.render_clip(
            source,
            target,
            start_ms=500,
            end_ms=4000,
            info=await tools.probe(source),
            on_progress=told.append,
        )

        assert (made.mode, made.start_ms, made.end_ms, made.duration_ms) == (ClipMode.SMART, 500, 4000, 3500)
        assert frame_numbers(target) == list(range(12, 96))
        assert made.size_bytes == target.stat().st_size
        assert told
        assert max(told) <= 3500
        assert names(tmp_path) == ["clip.mp4"]

    async def test_fast_begins_at_a_key_frame(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        target = tmp_path / "clip.mp4"

        made, _ = await cut(tools, cut_source("h264 mp4 no b"), target, 1500, 3000, ClipMode.FAST)

        assert (made.mode, made.start_ms, made.end_ms) == (ClipMode.FAST, 1000, 3000)
        assert frame_numbers(target) == list(range(24, 72))

    @pytest.mark.parametrize("mode", [ClipMode.SMART, ClipMode.FAST])
    async def test_what_cannot_be_copied_is_rendered_and_said(
        self, tools: ChildMediaTools, tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: ClipMode
    ) -> None:
        caplog.set_level(logging.INFO, logger="cuepoint.adapters.media.tools")
        target = tmp_path / "clip.mp4"

        made, _ = await cut(tools, cut_source("h264 mp4 open groups"), target, 1500, 3000, mode)

        assert (made.mode, made.start_ms, made.end_ms) == (ClipMode.RENDER, 1500, 3000)
        assert frame_numbers(target) == list(range(36, 72))
        assert names(tmp_path) == ["clip.mp4"]
        assert f"a clip is rendered instead of cut {mode.value}" in caplog.text

    async def test_uncompressed_sound_is_rendered(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_wav(tmp_path / "a.wav", seconds=4)
        target = tmp_path / "clip.m4a"

        made, _ = await cut(tools, source, target, 1000, 3000, ClipMode.SMART)

        with av.open(str(target)) as container:
            assert container.streams.audio[0].codec.canonical_name == "aac"
        assert (made.mode, made.start_ms, made.end_ms) == (ClipMode.RENDER, 1000, 3000)

    async def test_an_exception_of_on_progress_leaves_no_file(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        class StopError(Exception):
            pass

        def stop(_: int) -> None:
            raise StopError

        source = cut_source("h264 mp4 b-pyramid")
        info = await tools.probe(source)

        with pytest.raises(StopError):
            await tools.render_clip(
                source, tmp_path / "clip.mp4", start_ms=500, end_ms=4000, info=info, on_progress=stop
            )

        assert names(tmp_path) == []


class TestSound:
    async def test_that_begins_late_and_ends_early_is_no_failure(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        whole, source = make_clip(tmp_path / "whole.mp4", seconds=4), tmp_path / "a.mp4"
        sound = "atrim=end=2,asetpts=PTS+1/TB"
        run_ffmpeg("-i", str(whole), "-c:v", "copy", "-af", sound, "-c:a", "aac", "-ar", "48000", str(source))

        for mode in ClipMode:
            made, _ = await cut(tools, source, tmp_path / "clip.mp4", 0, 4000, mode)

            assert (made.mode, made.end_ms) == (mode, 4000)
        info, form = await tools.probe(source), ClipForm(format=ClipFormat.MP3)
        made = await tools.render_clip(
            source, tmp_path / "a.mp3", start_ms=0, end_ms=4000, info=info, on_progress=lambda _: None, form=form
        )
        assert 3000 <= made.duration_ms <= 3100

    async def test_a_packet_that_is_lost_leaves_the_others_in_their_places(
        self, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        whole, source = make_clip(tmp_path / "whole.mp4", seconds=4), tmp_path / "a.mp4"
        lost = "noise=drop='eq(n,20)'"  # 64 ms at 1.2 s
        run_ffmpeg("-i", str(whole), "-c", "copy", "-bsf:a", lost, str(source))

        await cut(tools, source, tmp_path / "clip.mp4", 0, 4000, ClipMode.RENDER)

        assert click_times(read_samples(tmp_path / "clip.mp4")) == pytest.approx([0, 1, 2, 3], abs=0.01)

    async def test_what_cannot_be_decoded_is_silence(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        whole, source = make_clip(tmp_path / "whole.mp4", seconds=4), tmp_path / "a.mp4"
        broken = "noise=amount='between(n,21,35)'"  # 1.3 to 2.3 s
        run_ffmpeg("-i", str(whole), "-c", "copy", "-bsf:a", broken, str(source))

        made, _ = await cut(tools, source, tmp_path / "clip.mp4", 0, 2000, ClipMode.RENDER)

        assert (made.mode, made.duration_ms) == (ClipMode.RENDER, 2000)
        assert len(read_samples(tmp_path / "clip.mp4")) / 48_000 == pytest.approx(2, abs=0.03)
