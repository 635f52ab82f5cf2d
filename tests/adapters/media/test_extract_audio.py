"""Extracted sound: its form, its place in time, its progress, and what is left behind when it fails."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import pytest

from cuepoint.adapters.media.base import AudioInfo
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.errors import CuepointError, ErrorCode
from tests.support.media import (
    CodedClip,
    click_times,
    make_clip,
    make_coded_clip,
    make_playlist,
    make_truncated,
    make_wav,
    names,
    read_samples,
    run_ffmpeg,
)

pytestmark = pytest.mark.media


async def extract(tools: ChildMediaTools, source: Path, track_index: int = 1) -> tuple[AudioInfo, Path]:
    target = source.parent / "sound.wav"
    made = await tools.extract_audio(
        source, target, track_index=track_index, duration_ms=None, on_progress=lambda _: None
    )
    return made, target


class TestExtractAudio:
    async def test_is_16_khz_mono_s16(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=3)

        made, target = await extract(tools, source)

        with wave.open(str(target), "rb") as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            assert made.duration_ms == round(file.getnframes() / 16)
        assert (made.start_ms, made.size_bytes) == (0, target.stat().st_size)
        assert abs(made.duration_ms - 3000) <= 70
        assert click_times(read_samples(target)) == pytest.approx([0, 1, 2], abs=0.003)
        assert names(tmp_path) == ["a.mp4", "sound.wav"]

    async def test_takes_no_more_than_is_wanted(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=3)

        made = await tools.extract_audio(
            source, tmp_path / "a.wav", track_index=1, duration_ms=None, on_progress=lambda _: None, most_ms=1_000
        )

        assert made.duration_ms == 1_000

    @pytest.mark.parametrize(
        ("file", "clip"),
        [
            ("a.mp4", CodedClip(audio_delay_seconds=0.7)),
            ("a.mkv", CodedClip(audio_delay_seconds=0.7)),
            ("a.ts", CodedClip(audio_delay_seconds=0.7)),
        ],
    )
    async def test_start_and_place_add_up(
        self, tools: ChildMediaTools, tmp_path: Path, file: str, clip: CodedClip
    ) -> None:
        source = make_coded_clip(tmp_path / file, clip)

        made, target = await extract(tools, source)

        clicks = [time + made.start_ms / 1000 for time in click_times(read_samples(target))]
        assert clicks[1:] == pytest.approx([1.7, 2.7, 3.7], abs=0.005)

    async def test_a_gap_becomes_silence(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        whole, source = make_wav(tmp_path / "whole.wav", seconds=4), tmp_path / "a.mka"
        run_ffmpeg(
            *("-i", str(whole), "-af", "aselect='not(between(t,1.2,2.7))'", "-c:a", "pcm_s16le"),
            *("-fps_mode", "passthrough", str(source)),
        )

        _, target = await extract(tools, source, track_index=0)

        assert click_times(read_samples(target)) == pytest.approx([0, 1, 3], abs=0.02)

    async def test_progress_ends_at_the_duration(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source = make_wav(tmp_path / "a.wav", seconds=5)
        seen: list[int] = []

        await tools.extract_audio(source, tmp_path / "b.wav", track_index=0, duration_ms=5000, on_progress=seen.append)

        assert seen == sorted(seen)
        assert seen[-1] == 5000

    async def test_a_truncated_file_gives_what_it_has(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        made, _ = await extract(tools, make_truncated(tmp_path / "a.mp4", with_index=True))

        assert 2500 < made.duration_ms < 5500

    @pytest.mark.parametrize("track_index", [0, 7])
    async def test_a_track_that_is_no_sound(self, tools: ChildMediaTools, tmp_path: Path, track_index: int) -> None:
        source = make_clip(tmp_path / "a.mp4", seconds=1)

        with pytest.raises(CuepointError) as caught:
            await extract(tools, source, track_index)

        assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA
        assert names(tmp_path) == ["a.mp4"]

    async def test_a_playlist_reaches_no_other_file(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        other = make_clip(tmp_path / "secret.ts", seconds=1)
        source = make_playlist(tmp_path / "a.mp4", other)

        with pytest.raises(CuepointError) as caught:
            await extract(tools, source, 0)

        assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA

    async def test_more_sound_than_the_file_declares_meets_the_limit(
        self, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        source = tmp_path / "a.wav"
        run_ffmpeg("-f", "lavfi", "-i", "anullsrc=r=1000:cl=mono:d=3000", "-c:a", "pcm_u8", str(source))

        with pytest.raises(CuepointError) as caught:
            await tools.extract_audio(
                source, tmp_path / "b.wav", track_index=0, duration_ms=10, on_progress=lambda _: None
            )

        assert caught.value.code is ErrorCode.MEDIA_LIMIT_EXCEEDED
        assert names(tmp_path) == ["a.wav"]

    async def test_a_cancelled_task_leaves_the_old_file(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        source, target = make_wav(tmp_path / "a.wav", seconds=5), tmp_path / "b.wav"
        target.write_bytes(b"old")
        started = asyncio.Event()

        async def work() -> None:
            await tools.extract_audio(source, target, track_index=0, duration_ms=None, on_progress=lambda _: cancel())

        def cancel() -> None:
            started.set()
            task.cancel()

        task = asyncio.create_task(work())
        with pytest.raises(asyncio.CancelledError):
            await task

        assert started.is_set()
        assert target.read_bytes() == b"old"
        assert names(tmp_path) == ["a.wav", "b.wav"]
