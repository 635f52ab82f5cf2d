"""Warm recogniser processes: each loads its model once, serves one request at a time, and waits idle in between."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.processes.child import STDERR_TAIL_BYTES, end_child, python_argv, start_child
from cuepoint.processes.listening import Listener, current_listener

logger = logging.getLogger(__name__)

Message = dict[str, Any]

# large-v3 is 3 GB: three minutes from a disk of 20 MB/s; the published sizes load in 0.1 to 0.2 s from a warm cache.
LOAD_TIMEOUT_SECONDS = 300.0
PING_TIMEOUT_SECONDS = 5.0  # an idle child answers in a millisecond
EXIT_SECONDS = 5.0  # between the end of a child's stdout and the end of the process


class RecogniserChild:
    """One process. Use it by `send`, then `receive` until it is idle again; a busy child cannot be used anew."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._tail = bytearray()
        self.listener: Listener | None = None  # of the borrower: the reader lives longer than its job
        self._reader = asyncio.create_task(self._keep_tail())
        self._is_idle = True

    @classmethod
    async def start(cls) -> RecogniserChild:
        """A new process, without a model."""
        return cls(await start_child(python_argv("cuepoint.adapters.asr.child"), stdin=asyncio.subprocess.PIPE))

    async def load(self, request: Message) -> None:
        """Load the model; `request` is the one of that name without `op`."""
        await self.send({"op": "load", **request})
        loaded = await self.receive(LOAD_TIMEOUT_SECONDS)
        logger.info("speech recogniser started on %s (%s)", loaded["device"], loaded["compute_type"])
        if loaded["warning"]:
            logger.warning("speech recogniser: %s", loaded["warning"])

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_idle(self) -> bool:
        """Alive and without an unfinished request."""
        return self._is_idle and self._process.returncode is None

    async def answers(self) -> bool:
        """Whether the idle child is still there: it may have been killed while nobody looked."""
        try:
            await self.send({"op": "ping"})
            await self.receive(PING_TIMEOUT_SECONDS)
        except AdapterError as error:
            logger.warning("an idle speech recogniser is gone: %s", error)
            return False
        return True

    async def send(self, request: Message) -> None:
        """Send one request. Raises AdapterError CHILD_CRASHED (retryable) when the process is gone."""
        self._is_idle = False
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(orjson.dumps(request) + b"\n")
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise await self._crashed() from None

    async def receive(self, timeout: float) -> Message:
        """The next answer. Raises AdapterError CHILD_CRASHED or MODEL_FAILED, CuepointError BAD_USER_INPUT."""
        stdout = self._process.stdout
        assert stdout is not None
        try:
            async with asyncio.timeout(timeout):
                line = await stdout.readline()
        except TimeoutError:
            raise AdapterError(
                ErrorCode.CHILD_CRASHED, f"The speech recogniser did not answer within {timeout:g} s.", retryable=True
            ) from None
        if not line.endswith(b"\n"):
            raise await self._crashed()
        answer: Message = orjson.loads(line)
        if "error" in answer:
            self._is_idle = answer["is_healthy"]
            raise _refused(answer)
        self._is_idle = answer["is_final"]
        return answer

    async def end(self) -> None:
        """End the process and wait for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await end_child(self._process)
        await self._reader

    async def _crashed(self) -> AdapterError:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_SECONDS):
                await self._process.wait()
                await asyncio.shield(self._reader)
        code = self._process.returncode
        how = (
            "closed its output" if code is None else f"was ended by signal {-code}" if code < 0 else f"exited ({code})"
        )
        return AdapterError(
            ErrorCode.CHILD_CRASHED,
            f"The speech recogniser {how} in the middle of its work.",
            retryable=True,
            detail=self._tail.decode(errors="replace"),
        )

    async def _keep_tail(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while piece := await stderr.read(65_536):
            self._tail.extend(piece)
            del self._tail[:-STDERR_TAIL_BYTES]
            if self.listener is not None:
                self.listener(piece)


def _refused(answer: Message) -> AdapterError | CuepointError:
    code = ErrorCode(answer["error"])
    if code is ErrorCode.MODEL_FAILED:
        message = f"The speech recogniser failed: {answer['message']}"
        return AdapterError(code, message, retryable=not answer["is_healthy"])
    return CuepointError(code, answer["message"])


class ChildPool:
    """At most `size` children at a time; an idle one is handed out before a new one is started."""

    def __init__(self, size: int, load: Callable[[], Awaitable[Message]]) -> None:
        """`load` gives the request that a new child begins with."""
        self._load = load
        self._slots = asyncio.Semaphore(size)
        self._children: list[RecogniserChild] = []
        self._lent: set[RecogniserChild] = set()

    @property
    def pids(self) -> list[int]:
        """Process ids of all children, idle and lent."""
        return [child.pid for child in self._children]

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[RecogniserChild]:
        """An idle child. One that is not idle again at the end (cancelled, crashed, too late) is ended."""
        async with self._slots:
            child = await self._take()
            try:
                yield child
            finally:
                self._lent.discard(child)
                if not child.is_idle:
                    await self._drop(child)
                child.listener = None

    async def _take(self) -> RecogniserChild:
        for child in [child for child in self._children if child not in self._lent]:
            self._lent.add(child)
            child.listener = current_listener()
            if await child.answers():
                return child
            self._lent.discard(child)
            await self._drop(child)
        request = await self._load()
        started = await RecogniserChild.start()
        self._children.append(started)
        self._lent.add(started)
        started.listener = current_listener()
        try:
            await started.load(request)
        except BaseException:
            self._lent.discard(started)
            await self._drop(started)
            raise
        return started

    async def _drop(self, child: RecogniserChild) -> None:
        if child in self._children:
            self._children.remove(child)
            await asyncio.shield(child.end())

    async def close(self) -> None:
        """End every child."""
        for child in list(self._children):
            await self._drop(child)
