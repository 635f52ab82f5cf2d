"""The fake behaves like the port: files where asked, progress, configured errors."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from cuepoint.adapters.media.base import MediaTools
from cuepoint.adapters.media.fake import FakeMediaTools, fake_media_info
from cuepoint.errors import CuepointError, ErrorCode


class TestFakeMediaTools:
    async def test_extracts_silence_as_long_as_the_media(self, tmp_path: Path) -> None:
        tools: MediaTools = FakeMediaTools(info=fake_media_info(1500), audio_start_ms=20)
        seen: list[int] = []

        made = await tools.extract_audio(
            tmp_path / "a", tmp_path / "a.wav", track_index=1, duration_ms=1500, on_progress=seen.append
        )

        with wave.open(str(tmp_path / "a.wav"), "rb") as file:
            assert (file.getframerate(), file.getnframes()) == (16_000, 24_000)
        assert (made.duration_ms, made.start_ms, seen) == (1500, 20, [750, 1500])

    async def test_renders_exactly_the_range(self, tmp_path: Path) -> None:
        tools = FakeMediaTools()

        made = await tools.render_clip(
            tmp_path / "a",
            tmp_path / "c.mp4",
            start_ms=100,
            end_ms=900,
            info=tools.info,
            on_progress=lambda _: None,
        )

        assert (made.start_ms, made.end_ms, made.duration_ms, made.size_bytes) == (100, 900, 800, 17)
        assert (tmp_path / "c.mp4").read_bytes() == b"fake clip 100-900"

    async def test_has_no_poster_without_video(self, tmp_path: Path) -> None:
        tools = FakeMediaTools(info=fake_media_info(with_video=False))

        assert await tools.poster(tmp_path / "a", tmp_path / "p.jpg", duration_ms=None) is None
        assert not (tmp_path / "p.jpg").exists()

    async def test_raises_what_it_is_told_and_lists_its_calls(self, tmp_path: Path) -> None:
        tools = FakeMediaTools(failures={"probe": CuepointError(ErrorCode.UNSUPPORTED_MEDIA, "no")})

        with pytest.raises(CuepointError):
            await tools.probe(tmp_path / "a")

        assert tools.calls == [("probe", tmp_path / "a")]
