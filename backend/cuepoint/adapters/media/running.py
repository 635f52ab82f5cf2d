"""Running the children of media work: PyAV's by request and answer, ffmpeg by command line, both boxed and bounded."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from cuepoint.adapters.media.base import MediaCaps, OnMediaProgress
from cuepoint.adapters.media.failures import check_answer
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.processes.child import ChildLimits, ChildResult, child_environment, python_argv, run_child
from cuepoint.processes.sandbox import Box

LOOK_SECONDS = 60.0  # a probe takes 20 ms; a slow disk and a hostile header may take longer
SMALL_FILE_BYTES = 16 * 1024**2  # a JPEG of 1280 pixels has at most 5 MB
_PROGRESS = re.compile(rb"out_time_us=(\d+)")


async def ask_child(
    name: str,
    path: Path,
    caps: MediaCaps,
    *,
    timeout: float = LOOK_SECONDS,
    pass_fds: tuple[int, ...] = (),
    file_bytes: int = SMALL_FILE_BYTES,
    on_progress: OnMediaProgress | None = None,
    read: tuple[Path, ...] = (),
    **request: Any,
) -> Any:
    """The media child's answer to one request about the file. Raises its error, or CHILD_CRASHED.

    `read` are files of ours that it may read by name.
    """
    answer = bytearray()

    def on_line(line: bytes) -> None:
        if on_progress is None or not _told(line, on_progress):
            answer.extend(line)

    with opened(path) as descriptor:
        text = json.dumps({"descriptor": descriptor, "caps": asdict(caps)} | request)
        result = await run_child(
            python_argv("cuepoint.adapters.media.child", name, text),
            timeout=timeout,
            cwd=Path("/"),
            env=_environment(),
            pass_fds=(descriptor, *pass_fds),
            on_line=on_line,
            limits=limits_of(timeout, file_bytes),
            box=Box(read),
        )
    return check_answer(replace(result, stdout=bytes(answer)))


async def run_ffmpeg(
    argv: list[str],
    descriptors: tuple[int, ...],
    timeout: float,
    limits: ChildLimits,
    on_progress: OnMediaProgress,
    part: Path | None,
    *,
    read: tuple[Path, ...] = (),
) -> ChildResult:
    """What became of an ffmpeg that writes `part`, or nothing; `check_ffmpeg` turns it into an error where it failed.

    `read` are files and directories of ours that it may read by name (captions, fonts).
    """

    def on_line(line: bytes) -> None:
        _told(line, on_progress)

    return await run_child(
        argv,
        timeout=timeout,
        cwd=Path("/"),
        env=_environment(),
        pass_fds=descriptors,
        on_line=on_line,
        limits=limits,
        box=Box(read) if part is None else Box.writing(part, read=read),
    )


def _told(line: bytes, on_progress: OnMediaProgress) -> bool:
    """Whether the line was one of progress."""
    found = _PROGRESS.match(line)
    if found:
        on_progress(int(found[1]) // 1000)
    return found is not None


def _environment() -> dict[str, str]:
    # One arena of malloc and one BLAS thread stack per core would eat the address space of a large machine.
    return child_environment({"MALLOC_ARENA_MAX": "4", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})


def limits_of(timeout: float, file_bytes: int) -> ChildLimits:
    """The wall clock is the first bound; the CPU bound stops what the wall clock cannot (a stopped parent)."""
    return ChildLimits(cpu_seconds=int(timeout * (os.cpu_count() or 1)) + 1, file_bytes=file_bytes)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of a regular file; O_NONBLOCK, because opening a named pipe would wait for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise AdapterError(
            ErrorCode.STORAGE_UNAVAILABLE, "The media file is not in the storage.", retryable=False
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise CuepointError(ErrorCode.UNSUPPORTED_MEDIA, "This is not a regular file.")
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def written(target: Path) -> Iterator[Path]:
    """A new name beside `target` that takes its place when all went well, and is removed when not."""
    part = target.absolute().parent / f".{uuid4().hex}.part"
    try:
        yield part
        with contextlib.suppress(FileNotFoundError):  # nothing was to be written
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)
