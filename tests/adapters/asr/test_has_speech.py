"""Whether somebody speaks in a file: the detector of speech in a child of its own, without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cuepoint.adapters.asr.whisper import WhisperTranscriber
from cuepoint.config import Settings
from cuepoint.errors import AdapterError, ErrorCode
from tests.support.speech import NARRATION, decode_to_wav, noise, read_wav, silence, tone, write_wav

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def narration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decode_to_wav(NARRATION, tmp_path_factory.mktemp("narration") / "audio.wav")


class TestHasSpeech:
    @pytest.mark.parametrize(
        ("samples", "hears"),
        [
            pytest.param(None, True, id="narration"),
            pytest.param(silence(20), False, id="silence"),
            pytest.param(noise(20), False, id="noise"),
            pytest.param(tone(20), False, id="tone"),
            pytest.param(silence(0), False, id="nothing"),
        ],
    )
    async def test_needs_no_model(
        self, narration: Path, tmp_path: Path, samples: np.ndarray | None, hears: bool
    ) -> None:
        transcriber = WhisperTranscriber(Settings(whisper_model="/nowhere"))
        audio = narration if samples is None else write_wav(tmp_path / "audio.wav", samples)

        assert await transcriber.has_speech(audio) is hears

        assert transcriber.child_pids == []

    async def test_is_found_behind_two_minutes_of_silence(self, narration: Path, tmp_path: Path) -> None:
        audio = write_wav(tmp_path / "audio.wav", np.concatenate([silence(125), read_wav(narration)]))

        assert await WhisperTranscriber(Settings()).has_speech(audio) is True

    async def test_what_is_no_wav_fails_for_good(self, tmp_path: Path) -> None:
        (tmp_path / "audio.wav").write_bytes(b"not a sound at all")

        with pytest.raises(AdapterError) as failed:
            await WhisperTranscriber(Settings()).has_speech(tmp_path / "audio.wav")

        assert (failed.value.code, failed.value.retryable) == (ErrorCode.MODEL_FAILED, True)
