"""What every storage refuses, in the same words: a full disk, a wrong offset, too many bytes, a second writer."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from cuepoint.errors import CuepointError, ErrorCode

FULL = (errno.ENOSPC, errno.EDQUOT)


def demand_space(directory: Path, size_bytes: int, min_free_bytes: int) -> None:
    """Make the directory, and raise INSUFFICIENT_STORAGE if `size_bytes` more would leave less than the minimum."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free - size_bytes < min_free_bytes:
        raise CuepointError(
            ErrorCode.INSUFFICIENT_STORAGE,
            f"The disk of the storage has {free:,} bytes free; {size_bytes:,} more are wanted, and "
            f"{min_free_bytes:,} are kept free (CUEPOINT_MIN_FREE_BYTES).",
            retryable=True,
            hint="Free some space, then try again.",
        )


def full(text: str) -> CuepointError:
    """What a full disk, or a full bucket, is told as."""
    return CuepointError(
        ErrorCode.INSUFFICIENT_STORAGE,
        f"The disk of the storage is full: {text}.",
        retryable=True,
        hint="Free some space, then try again.",
    )


def upload_too_large(limit: int) -> CuepointError:
    """More bytes arrived than an upload may have."""
    return CuepointError(
        ErrorCode.UPLOAD_TOO_LARGE,
        f"The upload was announced with {limit:,} bytes, but more arrived.",
        hint="Create a new upload with the right size.",
    )


def bytes_missing(offset: int, held: int) -> CuepointError:
    """An upload cannot go on at an offset whose bytes are not here."""
    return CuepointError(
        ErrorCode.OFFSET_MISMATCH,
        f"The upload should go on at byte {offset:,}, but storage holds only {held:,} bytes of it.",
        hint="Create a new upload and send the file again.",
    )


def upload_taken() -> CuepointError:
    """Somebody else holds the right to change the upload."""
    return CuepointError(
        ErrorCode.OFFSET_MISMATCH,
        "Another request is writing to this upload.",
        retryable=True,
        hint="Wait until it has ended, ask for the offset, and go on from there.",
    )
