"""Ten hours in one file: fewer than thirty sheets, and memory that does not grow with the length."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.media import run_ffmpeg

pytestmark = [pytest.mark.media, pytest.mark.long]

MEGABYTE = 1024  # ru_maxrss counts KiB
SCRIPT = """
import asyncio, json, resource, sys
from pathlib import Path
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings

async def main():
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    media, looks = ChildMediaTools(Settings()), ChildLookTools(Settings())
    info = await media.probe(source)
    quiet = lambda done: None
    board = await looks.storyboard(source, folder / "board", duration_ms=info.duration_ms, on_progress=quiet)
    wav = folder / "wav"
    audio = await media.extract_audio(
        source, wav, track_index=info.audio.index, duration_ms=info.duration_ms, on_progress=quiet
    )
    sound = await looks.listen(wav, folder / "wave", on_progress=quiet)
    print(json.dumps({
        "duration": info.duration_ms, "sheets": len(board.sheet_ends), "tiles": len(board.tile_ends),
        "interval": board.interval_ms, "wav": audio.duration_ms, "silences": len(sound.silences) // 2,
        "children": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
        "own": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }))

asyncio.run(main())
"""


def make_film(path: Path, seconds: int) -> Path:
    """Moving pictures of one a second with a key frame every ten, and a tone that pauses every minute."""
    pictures = ("-f", "lavfi", "-i", f"testsrc=s=320x180:r=1:d={seconds}")
    sound = ("-f", "lavfi", "-i", f"sine=f=440:r=16000:d={seconds},volume='if(lt(mod(t,60),2),0,1)':eval=frame")
    codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p", "-c:a", "flac")
    run_ffmpeg(*pictures, *sound, *codecs, str(path))
    return path


def look_at(source: Path, folder: Path) -> dict[str, Any]:
    """What came of it, and the most memory that this took."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(source), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


class TestTenHours:
    def test_memory_is_flat_and_sheets_are_few(self, tmp_path: Path) -> None:
        short = look_at(make_film(tmp_path / "short.mkv", 1_800), tmp_path / "a")

        long = look_at(make_film(tmp_path / "long.mkv", 36_000), tmp_path / "b")

        assert abs(long["duration"] - 36_000_000) < 2_000
        assert (long["interval"], long["tiles"], long["sheets"]) == (15_000, 2_400, 24)
        assert abs(long["wav"] - 36_000_000) < 1_000
        assert (short["silences"], long["silences"]) == (30, 600)
        assert long["own"] - short["own"] < 20 * MEGABYTE
        assert long["children"] - short["children"] < 60 * MEGABYTE  # the tiles themselves, of 10 KB each
