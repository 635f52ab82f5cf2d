"""The one way to start a child process: own session, dies with its parent, group kill, deadline, output caps."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.processes.listening import say
from cuepoint.processes.sandbox import Box, Entry, Protections, log_protections

TERM_GRACE_SECONDS = 3.0  # ffmpeg ends 60 ms after SIGTERM; whoever takes longer than this gets SIGKILL
STDERR_TAIL_BYTES = 64 * 1024
MAX_LINE_BYTES = 16 * 1024 * 1024
# A grandchild that left the group may hold the pipes for ever: after the child's end, silence of this length ends all.
PIPE_SILENCE_SECONDS = 1.0
# Before Python 3.12.5 asyncio's wait() also waits for the pipes, which a grandchild may hold: the exit is looked up.
_EXIT_POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h

# Loaded here, not between fork and exec: dlopen there can wait for ever on a lock of another thread.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

OnLine = Callable[[bytes], None]
OnBox = Callable[[Protections], None]


@dataclass(frozen=True)
class ChildResult:
    """How a child ended. `returncode` is negative when a signal ended it; `stderr` is the tail (64 KiB)."""

    returncode: int
    stdout: bytes
    stderr: str
    timed_out: bool = False


@dataclass(frozen=True)
class ChildLimits:
    """What the kernel allows one child that opens a foreign file; it also can gain no privileges by exec.

    4 GiB of address space suffice to transcode 4K, 512 MiB do not. `cpu_seconds` counts all threads together;
    `file_bytes` bounds each file that the child writes.
    """

    address_space_bytes: int = 4 * 1024**3
    cpu_seconds: int = 3600
    file_bytes: int = 64 * 1024**2


def python_argv(module: str, *arguments: str) -> list[str]:
    """The command line of one of our own modules run as a child."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The least environment a child needs: no secret of ours reaches a process that opens foreign files."""
    kept = (
        "PATH",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",
        "OMP_NUM_THREADS",
        "CUDA_VISIBLE_DEVICES",
    )
    return {name: os.environ[name] for name in kept if name in os.environ} | dict(extra or {})


async def start_child(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    stdin: int | None = asyncio.subprocess.DEVNULL,
    stdout: int | None = asyncio.subprocess.PIPE,
    stderr: int | None = asyncio.subprocess.PIPE,
    limits: ChildLimits | None = None,
    box: Box | None = None,
    on_box: OnBox = log_protections,
) -> asyncio.subprocess.Process:
    """Start `argv` in its own session, and in `box` if one is given. The caller must end it with `end_child`.

    `on_box` learns which layers of the box hold, and raises to forbid the work (the child is ended then).
    """
    entry = Entry(box, argv[0], pass_fds) if box is not None else None
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=child_environment() if env is None else dict(env),
            close_fds=entry is None,  # the entry leaves none but `pass_fds` open
            pass_fds=tuple(pass_fds) if entry is None else (),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=_preparation(os.getpid(), limits, entry),
            limit=MAX_LINE_BYTES,
        )
        if entry is not None:
            try:
                on_box(entry.protections(with_limits=limits is not None))
            except BaseException:
                await end_child(process)
                raise
    finally:
        if entry is not None:
            entry.close()
    return process


def _preparation(parent: int, limits: ChildLimits | None, entry: Entry | None) -> Callable[[], None]:
    """What runs in the child between fork and exec: it dies with the thread that forked, and keeps to its limits.

    asyncio and uvloop fork on the loop's thread, which lives as long as the process.
    """

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # the parent ended before the line above
                os._exit(128 + signal.SIGKILL)
        if entry is not None:
            entry.enter()
        if limits is not None:
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            _lower(resource.RLIMIT_CPU, limits.cpu_seconds)
            _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
            _lower(resource.RLIMIT_CORE, 0)
            # Last: the child still has the parent's memory, and may get none more from here to the exec.
            _lower(resource.RLIMIT_AS, limits.address_space_bytes)

    return prepare


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bound, bound))


async def end_child(process: asyncio.subprocess.Process, *, grace: float = TERM_GRACE_SECONDS) -> None:
    """TERM to the group, wait `grace`, KILL to the group, wait. Afterwards no process of the group is left.

    A cancellation that comes meanwhile is raised when that is done, not before.
    """
    await _to_the_end(_end(process, grace))


async def run_child(
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    stdin: bytes | None = None,
    on_line: OnLine | None = None,
    max_stdout_bytes: int = 32 * 1024 * 1024,
    limits: ChildLimits | None = None,
    box: Box | None = None,
    on_box: OnBox = log_protections,
) -> ChildResult:
    """Run `argv` to its end. Each line of stdout goes to `on_line`, or all of it into the result (capped).

    `box` and `on_box` as for `start_child`.

    Whatever leaves this function - an exception of `on_line`, a cancelled task, the deadline - the group is gone.
    Raises AdapterError CHILD_CRASHED when a line of stdout is longer than 16 MiB, and OSError when `argv` cannot run.
    """
    process = await start_child(
        argv,
        cwd=cwd,
        env=env,
        pass_fds=pass_fds,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        limits=limits,
        box=box,
        on_box=on_box,
    )
    output = _Output(max_stdout_bytes)
    timed_out = False
    began = time.monotonic()
    try:
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            readers = {
                group.create_task(output.read_tail(process.stderr)),
                group.create_task(
                    output.read_lines(process.stdout, on_line) if on_line else output.read_all(process.stdout)
                ),
            }
            writer = group.create_task(_write_all(process.stdin, stdin)) if stdin is not None else None
            await _exited(process)
            _signal_group(process.pid, signal.SIGKILL)  # grandchildren that hold the pipes
            if writer is not None:
                writer.cancel()
            await output.settle(readers)
    except TimeoutError:
        timed_out = True
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    finally:
        await end_child(process)
        say(f"\n[{_name_of(argv)}: {_ending(process.returncode, timed_out)}, {time.monotonic() - began:.1f} s]\n")
    return ChildResult(process.returncode or 0, bytes(output.out), output.tail.decode(errors="replace"), timed_out)


def _name_of(argv: Sequence[str]) -> str:
    """What people call the program: arguments may hold paths and whole requests."""
    if argv[1:3] == ["-P", "-m"]:  # python_argv
        return " ".join([argv[3].removeprefix("cuepoint."), *(a for a in argv[4:5] if a.replace("-", "").isalnum())])
    return Path(argv[0]).name


def _ending(returncode: int | None, timed_out: bool) -> str:
    if timed_out:
        return "ended at its deadline"
    code = returncode or 0
    return f"exit {code}" if code >= 0 else f"ended by signal {-code}"


@dataclass
class _Output:
    """What a child has written so far; `pieces` counts the reads, so that silence can be told from slowness."""

    max_stdout_bytes: int
    out: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    pieces: int = 0

    async def read_tail(self, stream: asyncio.StreamReader | None) -> None:
        while stream and (piece := await stream.read(65536)):
            self.pieces += 1
            say(piece)
            self.tail.extend(piece)
            del self.tail[:-STDERR_TAIL_BYTES]

    async def read_all(self, stream: asyncio.StreamReader | None) -> None:
        while stream and (piece := await stream.read(65536)):
            self.pieces += 1
            self.out.extend(piece[: max(0, self.max_stdout_bytes - len(self.out))])

    async def read_lines(self, stream: asyncio.StreamReader | None, on_line: OnLine) -> None:
        while stream and (line := await _read_line(stream)):
            self.pieces += 1
            on_line(line)

    async def settle(self, readers: set[asyncio.Task[None]]) -> None:
        """Wait until the readers have all of it; give up on a pipe that stays open and silent."""
        waiting = readers
        while waiting:
            before = self.pieces
            _, waiting = await asyncio.wait(waiting, timeout=PIPE_SILENCE_SECONDS)
            if waiting and self.pieces == before:
                for task in waiting:
                    task.cancel()
                return


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError as error:
        raise AdapterError(
            ErrorCode.CHILD_CRASHED,
            f"A child process wrote a line of more than {MAX_LINE_BYTES} bytes; it was ended.",
            retryable=False,
        ) from error


async def _write_all(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    if stream is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the child ended early; its exit code tells
        stream.write(data)
        await stream.drain()
        stream.close()


async def _exited(process: asyncio.subprocess.Process) -> None:
    """Wait for the process itself, whoever still holds its pipes."""
    waiter = asyncio.ensure_future(process.wait())
    try:
        while process.returncode is None:
            await asyncio.wait({waiter}, timeout=_EXIT_POLL_SECONDS)
    finally:
        waiter.cancel()


async def _end(process: asyncio.subprocess.Process, grace: float) -> None:
    try:
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await _exited(process)
    finally:
        _signal_group(process.pid, signal.SIGKILL)  # also grandchildren that outlived their parent
    await _exited(process)
    for _ in range(100):  # half a second: init may be slow to reap what it inherits
        if not _signal_group(process.pid, signal.SIGKILL):
            break
        await asyncio.sleep(0.005)
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(PIPE_SILENCE_SECONDS):
            await _discard(process.stdout)
            await _discard(process.stderr)
    except RuntimeError:  # the caller still reads, and gets the end
        pass
    except TimeoutError:  # a grandchild in a session of its own holds the pipes; asyncio has no public way to let go
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001
        await asyncio.sleep(0)


async def _discard(stream: asyncio.StreamReader | None) -> None:
    """Read what is left: a pipe nobody reads keeps its transport open."""
    while stream and await stream.read(65536):
        pass


def _signal_group(pid: int, number: signal.Signals) -> bool:
    """Whether there was anybody to signal."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # PermissionError: macOS, when only zombies are left
        return False
    return True


async def _to_the_end(work: Coroutine[None, None, None]) -> None:
    """Await `work` to its end even if this task is cancelled, once or many times; then raise that cancellation."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()
