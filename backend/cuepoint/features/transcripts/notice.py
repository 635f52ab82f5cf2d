"""What a client must be told about the model that made a transcript."""

from __future__ import annotations

DEMO_MODEL_NOTICE = (
    "Made by the bundled demo model: it knows 457 English words in synthetic voices (cooking, space, football, "
    "gardening, computers, music, the ocean, health) and writes nonsense or nothing for anything else. For speech of "
    "your own set CUEPOINT_WHISPER_MODEL to a Whisper size (tiny, base, small, ...) or to a model directory, and "
    "transcribe again."
)

# Below it the language is as good as a guess (facts of faster-whisper: detection stops early at 0.5).
LANGUAGE_CERTAINTY = 0.5


def notice_of(*, is_demo_model: bool) -> str | None:
    """What to tell whoever reads the transcript; None when there is nothing to tell."""
    return DEMO_MODEL_NOTICE if is_demo_model else None


def is_language_uncertain(language_probability: float | None) -> bool:
    """Whether the detected language should be checked by a person; never for one that was given."""
    return language_probability is not None and language_probability < LANGUAGE_CERTAINTY
