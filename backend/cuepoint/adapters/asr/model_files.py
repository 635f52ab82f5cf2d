"""Which directory a setting names, whether the model in it is whole, and the key of what it would produce."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import orjson

from cuepoint.adapters.asr.parameters import DECODING, MIN_AVG_LOGPROB, PLANNING, REVISION
from cuepoint.errors import CuepointError, ErrorCode

DEMO_MODEL: Final = Path(__file__).resolve().parent / "models" / "whisper-demo"
ENGINE: Final = "faster-whisper"

# faster-whisper 1.2.1's own table (a test compares them): reading it there costs the parent 0.3 s of imports.
HUB_REPOSITORIES: Final = {
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "tiny": "Systran/faster-whisper-tiny",
    "base.en": "Systran/faster-whisper-base.en",
    "base": "Systran/faster-whisper-base",
    "small.en": "Systran/faster-whisper-small.en",
    "small": "Systran/faster-whisper-small",
    "medium.en": "Systran/faster-whisper-medium.en",
    "medium": "Systran/faster-whisper-medium",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}

# A model is told from another by its small files and by so many evenly spread blocks of its weights.
_SAMPLED_BLOCKS = 16
_BLOCK_BYTES = 65_536


@dataclass(frozen=True)
class ModelSource:
    """The model that a setting names. `directory` is None for a size that is yet to be fetched from `repository`."""

    name: str
    directory: Path | None
    repository: str | None = None

    @property
    def is_demo(self) -> bool:
        """Whether this is the bundled toy model."""
        return self.directory == DEMO_MODEL


def find_model(setting: str | None, *, downloads: bool) -> ModelSource:
    """The model of `CUEPOINT_WHISPER_MODEL`. Raises CuepointError MODEL_NOT_FOUND that says what to change.

    A size name is looked up in the local hub cache before anything else; write `./tiny` for a directory of that name.
    """
    if setting is None:
        return ModelSource(DEMO_MODEL.name, _checked(DEMO_MODEL))
    if setting in HUB_REPOSITORIES:
        return _find_size(setting, downloads=downloads)
    directory = Path(setting)
    if directory.is_dir():
        return ModelSource(directory.resolve().name, _checked(directory.resolve()))
    raise CuepointError(
        ErrorCode.MODEL_NOT_FOUND,
        f"CUEPOINT_WHISPER_MODEL is {setting!r}, which is neither a directory nor a known size.",
        hint=f"Give a directory with a CTranslate2 Whisper model, or one of: {', '.join(HUB_REPOSITORIES)}; "
        "or leave it empty for the bundled demo model.",
    )


def _find_size(size: str, *, downloads: bool) -> ModelSource:
    from huggingface_hub import try_to_load_from_cache

    repository = HUB_REPOSITORIES[size]
    cached = try_to_load_from_cache(repository, "config.json")
    if isinstance(cached, str) and not missing_files(Path(cached).parent):
        return ModelSource(size, Path(cached).parent, repository)
    if downloads:
        return ModelSource(size, None, repository)
    raise CuepointError(
        ErrorCode.MODEL_NOT_FOUND,
        f"CUEPOINT_WHISPER_MODEL is {size!r}, but {repository} is not in the local model cache "
        "and CUEPOINT_MODEL_DOWNLOADS is off.",
        hint="Set CUEPOINT_MODEL_DOWNLOADS=true to fetch it once, or copy the model here by hand and set "
        "CUEPOINT_WHISPER_MODEL to its directory.",
    )


def missing_files(directory: Path) -> list[str]:
    """What a model directory lacks. Without its own tokenizer.json faster-whisper would ask the hub for one."""
    missing = [name for name in ("model.bin", "config.json", "tokenizer.json") if not (directory / name).is_file()]
    if not any(directory.glob("vocabulary.*")):
        missing.append("vocabulary.json (or vocabulary.txt)")
    return missing


def _checked(directory: Path) -> Path:
    if missing := missing_files(directory):
        raise CuepointError(
            ErrorCode.MODEL_NOT_FOUND,
            f"The speech model directory {directory} lacks {', '.join(missing)}.",
            hint="CUEPOINT_WHISPER_MODEL must name a directory with a Whisper model in CTranslate2 form.",
        )
    return directory


def model_key(source: ModelSource, *, device: str, compute_type: str) -> str:
    """Hash of everything that decides the text: content of the model, parameters, place and library versions.

    Two machines with the same model get the same key, wherever it lies.
    """
    content = hashlib.sha256()
    if source.directory is None:
        content.update(f"not fetched yet: {source.repository}".encode())
    else:
        for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
            path = source.directory / name
            content.update(path.read_bytes() if path.is_file() else b"")
        _sample(source.directory / "model.bin", content)
    parts = {
        "model": content.hexdigest(),
        "device": device,
        "compute_type": compute_type,
        "decoding": DECODING,
        "planning": PLANNING,
        "min_avg_logprob": MIN_AVG_LOGPROB,
        "revision": REVISION,
        "versions": {name: version(name) for name in (ENGINE, "ctranslate2", "onnxruntime", "tokenizers")},
    }
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _sample(path: Path, content: hashlib._Hash) -> None:
    size = path.stat().st_size
    content.update(str(size).encode())
    with path.open("rb") as file:
        for block in range(_SAMPLED_BLOCKS):
            file.seek(max(0, size - _BLOCK_BYTES) * block // (_SAMPLED_BLOCKS - 1))
            content.update(file.read(_BLOCK_BYTES))
