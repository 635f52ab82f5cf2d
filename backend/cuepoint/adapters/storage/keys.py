"""Storage keys: relative POSIX paths made by us, checked here so that none can name a file outside its directory."""

from __future__ import annotations

import re
from pathlib import Path

# Letters, digits and a few signs; a part never begins with a dot or a dash. So no `..`, no absolute path, no NUL, no
# name that a tool could read as an option, and none that the object store's library would escape.
_PART = r"[A-Za-z0-9_][A-Za-z0-9._=@+-]{0,199}"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
MAX_KEY_LENGTH = 900  # S3 allows 1024 bytes; what is left is for a prefix of the bucket


def checked_key(key: str) -> str:
    """The key itself. Raises ValueError when it is none: keys are made by us, so that is a bug, never bad input."""
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise ValueError(f"not a storage key: {key[:200]!r}")
    return key


def path_below(directory: Path, key: str) -> Path:
    """The file of a key below `directory`. Raises ValueError if a symbolic link on the way leads out of it."""
    path = directory / checked_key(key)
    if not path.resolve().is_relative_to(directory.resolve()):
        raise ValueError(f"storage key {key!r} leads out of the storage directory through a symbolic link")
    return path
