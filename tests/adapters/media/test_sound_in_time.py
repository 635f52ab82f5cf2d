"""Sound that lost packets, or whose clock runs wrong: what is made of it stays where its time stamps say."""

from __future__ import annotations

from pathlib import Path

import pytest

from cuepoint.adapters.media.base_looks import AudioFormat, AudioRequest
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from tests.support.media import click_times, make_wav, read_samples, run_ffmpeg

pytestmark = pytest.mark.media

# Clicks lie at whole seconds of the sound. A packet has 23 ms, a second 43 of them; none with a click is lost.
SPOILT = {
    "four packets a second are lost": ("noise=drop='gt(mod(n,43),0)*not(mod(mod(n,43),10))'", 1.0),
    "more sound than time": ("setts=pts=PTS*0.96:dts=DTS*0.96", 0.96),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    sound = make_wav(folder / "a.wav", seconds=5, sample_rate=44_100)
    run_ffmpeg("-i", str(sound), "-c:a", "aac", str(folder / "a.m4a"))
    return folder / "a.m4a"


class TestSoundInTime:
    @pytest.mark.parametrize(("spoil", "second"), SPOILT.values(), ids=SPOILT)
    async def test_for_speech_proxies_and_files(
        self, tools: ChildMediaTools, looks: ChildLookTools, whole: Path, tmp_path: Path, spoil: str, second: float
    ) -> None:
        source = tmp_path / "a.mkv"
        run_ffmpeg("-i", str(whole), "-c", "copy", "-bsf:a", spoil, str(source))
        speech, proxy, file = (tmp_path / name for name in ("speech.wav", "proxy.mp4", "file.wav"))

        await tools.extract_audio(source, speech, track_index=0, duration_ms=None, on_progress=lambda _: None)
        await looks.proxy(source, proxy, info=await tools.probe(source), on_progress=lambda _: None)
        request = AudioRequest(0, AudioFormat.WAV)
        await looks.export_audio(source, file, request=request, duration_ms=None, on_progress=lambda _: None)

        for made in (speech, proxy, file):
            assert click_times(read_samples(made)) == pytest.approx([second * n for n in range(5)], abs=0.035)
