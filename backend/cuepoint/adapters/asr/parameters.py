"""The fixed parameters of recognition: whoever changes one changes the model's key, so results are made anew."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 16_000  # what Whisper and Silero VAD take
MS_PER_SECOND: Final = 1000

# Windows do not depend on each other and never on chance: text is the same whatever is run, in whatever order.
# `condition_on_previous_text` lets errors spread (6 % of words instead of 0.2 % on five-minute narrations);
# temperatures above 0 sample at random; windows are cut by our own VAD pass.
DECODING: Final[dict[str, float | int | bool]] = {
    "beam_size": 5,
    "temperature": 0.0,
    "condition_on_previous_text": False,
    "vad_filter": False,
    "word_timestamps": True,
    "without_timestamps": False,
}

# A mean log-probability below -1 is Whisper's own sign of failed decoding (OpenAI's `logprob_threshold`): text that
# was invented for music or noise.
MIN_AVG_LOGPROB: Final = -1.0

MAX_WINDOW_MS: Final = 30_000  # Whisper's own input length
# Wide enough for soft onsets; faster-whisper's own `speech_pad_ms`. Half a pause where the pause is shorter.
PAD_MS: Final = 400
# A window is not stretched over a longer pause: what lies there is not speech (music, noise), and Whisper invents text.
MAX_PAUSE_MS: Final = 5_000
# Three frames of the VAD (32 ms each): less speech than that in a whole window is a click.
MIN_SPEECH_MS: Final = 100
# Pauses are found as fine as they come (Silero's own least pause at its length limit is 98 ms); planning takes the
# longest of them.
MIN_SILENCE_MS: Final = 100
VAD_THRESHOLD: Final = 0.5  # Silero's default
# Audio in memory at once during the VAD pass. On an hour of speech this peaks at 188 MB of RSS, 5 min at 300 MB; the
# time is the same.
PIECE_MS: Final = 120_000
BORDER_MS: Final = 1_000  # speech that ends so near to a piece's end may go on behind it

HEARD_SPEECH_MS: Final = 1_000  # a sentence; the VAD takes a cough or a note for less than that

LANGUAGE_WINDOWS: Final = 3  # windows that vote on the language: one encoder run each

PLANNING: Final[dict[str, float | int]] = {
    "max_window_ms": MAX_WINDOW_MS,
    "pad_ms": PAD_MS,
    "max_pause_ms": MAX_PAUSE_MS,
    "min_speech_ms": MIN_SPEECH_MS,
    "min_silence_ms": MIN_SILENCE_MS,
    "vad_threshold": VAD_THRESHOLD,
    "piece_ms": PIECE_MS,
    "language_windows": LANGUAGE_WINDOWS,
}
# Raised by hand when code changes what comes out although no parameter above does.
REVISION: Final = 1
