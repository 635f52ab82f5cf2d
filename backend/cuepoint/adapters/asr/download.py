"""Fetching a Whisper size from its hub: the one network use of recognition, in a child process and only when allowed.

Run as a program: `python -m cuepoint.adapters.asr.download REPOSITORY CACHE_DIRECTORY` prints the model's directory.
"""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.processes.child import child_environment, python_argv, run_child

# large-v3 has 3.1 GB: an hour is 7 Mbit/s.
TIMEOUT_SECONDS = 3600.0
# What faster-whisper itself fetches.
FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")


async def download_model(repository: str) -> Path:
    """Fetch the repository into the local hub cache; returns the directory.

    Raises AdapterError MODEL_FAILED (retryable). A broken-off download goes on where it stopped.
    """
    from huggingface_hub import constants

    extra = {"HF_ENDPOINT": constants.ENDPOINT, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": constants.HF_HOME}
    extra |= {f"{scheme}_proxy": proxy for scheme, proxy in urllib.request.getproxies().items()}
    result = await run_child(
        python_argv("cuepoint.adapters.asr.download", repository, constants.HF_HUB_CACHE),
        timeout=TIMEOUT_SECONDS,
        env=child_environment(extra),
    )
    if result.returncode != 0:
        raise AdapterError(
            ErrorCode.MODEL_FAILED,
            f"The speech model {repository} could not be fetched; check the network, or fetch it by hand "
            "and set CUEPOINT_WHISPER_MODEL to its directory.",
            retryable=True,
            detail=result.stderr,
        )
    return Path(result.stdout.decode().strip())


def main(arguments: list[str]) -> None:
    """Fetch and print the directory."""
    from huggingface_hub import snapshot_download

    repository, cache = arguments
    directory = snapshot_download(repository, allow_patterns=list(FILES), cache_dir=cache)
    sys.stdout.write(f"{directory}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
