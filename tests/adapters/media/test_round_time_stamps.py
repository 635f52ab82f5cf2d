"""MPEG-TS that was recorded while its 33-bit time stamps came round to 0: nothing of it is shifted."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image

from cuepoint.adapters.media.base import ClipMode
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from tests.support.media import (
    CodedClip,
    click_times,
    frame_numbers,
    make_coded_clip,
    read_bars,
    read_samples,
    run_ffmpeg,
)

pytestmark = pytest.mark.media

GROUPS = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-bf", "2", "-c:a", "aac")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds; the time stamps come round after about three, the sound begins after 1.3."""
    folder = tmp_path_factory.mktemp("round")
    plain = make_coded_clip(folder / "plain.ts", CodedClip(audio_delay_seconds=1.3, arguments=GROUPS))
    late = ("-output_ts_offset", f"{2**33 / 90_000 - 3:.3f}", "-muxdelay", "0")
    run_ffmpeg("-i", str(plain), "-c", "copy", *late, str(folder / "a.ts"))
    return folder / "a.ts"


class TestTimeStampsThatComeRound:
    @pytest.mark.parametrize(
        ("mode", "start_ms", "end_ms"),
        [(ClipMode.SMART, 0, 2000), (ClipMode.SMART, 1500, 4000), (ClipMode.RENDER, 1500, 4000)],
        ids=["before, copied", "over it, copied", "over it, rendered"],
    )
    async def test_clips(
        self, tools: ChildMediaTools, source: Path, tmp_path: Path, mode: ClipMode, start_ms: int, end_ms: int
    ) -> None:
        info, target = await tools.probe(source), tmp_path / "clip.mp4"

        made = await tools.render_clip(
            source, target, start_ms=start_ms, end_ms=end_ms, info=info, on_progress=lambda _: None, mode=mode
        )

        assert (made.mode, made.start_ms, made.end_ms) == (mode, start_ms, end_ms)
        assert frame_numbers(target) == list(range(start_ms * 24 // 1000, end_ms * 24 // 1000))
        clicks = [at for at in (1.3, 2.3, 3.3) if start_ms <= at * 1000 < end_ms]
        assert click_times(read_samples(target)) == pytest.approx([at - start_ms / 1000 for at in clicks], abs=0.005)

    async def test_what_is_told_and_heard(self, tools: ChildMediaTools, source: Path, tmp_path: Path) -> None:
        info = await tools.probe(source)
        target = tmp_path / "a.wav"

        made = await tools.extract_audio(source, target, track_index=1, duration_ms=None, on_progress=lambda _: None)

        video, audio = info.tracks
        assert (video.start_ms, audio.start_ms) == (0, made.start_ms)
        clicks = [made.start_ms / 1000 + time for time in click_times(read_samples(target))]
        assert clicks[:3] == pytest.approx([1.3, 2.3, 3.3], abs=0.005)

    async def test_stills(self, looks: ChildLookTools, source: Path, tmp_path: Path) -> None:
        await looks.stills(source, [(tmp_path / "a.jpg", 1280)], at_ms=2500)

        with Image.open(tmp_path / "a.jpg") as picture:
            assert read_bars(numpy.asarray(picture.convert("L"))) == 60
