"""Keeps a set of our own processes running: restarts the dead with back-off, and ends them all in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cuepoint.processes.child import end_child, start_child

# A process that lived for a minute was healthy: the next back-off begins anew.
HEALTHY_SECONDS = 60.0
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
# Our commands exit with 2 when a setting is wrong: starting them again cannot help.
EXIT_MISCONFIGURED = 2

_log = logging.getLogger(__name__)

OnChange = Callable[[Mapping[str, int]], None]


@dataclass(frozen=True)
class Program:
    """One process to keep. `grace_seconds` is how long it may take to end after SIGTERM.

    Its output goes to `log` (appended), or to our own stdout and stderr.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    grace_seconds: float = 10.0
    pass_fds: tuple[int, ...] = ()
    log: Path | None = None


class Supervisor:
    """`run(stop)` keeps the programs running until `stop` is set, or one of them says that it is misconfigured."""

    def __init__(self, programs: Sequence[Program], *, on_change: OnChange | None = None) -> None:
        self._programs = programs
        self._on_change = on_change
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self.pids: dict[str, int] = {}

    async def run(self, stop: asyncio.Event) -> int:
        """Start all; return 0 after `stop`, else the exit code of the program that gave up. None is left then."""
        keepers = [asyncio.create_task(self._keep(program)) for program in self._programs]
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*keepers, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*keepers, stopping):
                task.cancel()
            results = await asyncio.gather(*keepers, return_exceptions=True)
            await asyncio.gather(*(self._end(program) for program in self._programs))
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result
        return next((result for result in results if isinstance(result, int)), 0)

    async def _keep(self, program: Program) -> int:
        """Run `program` again and again; return its code when it is misconfigured."""
        delay = 0.0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                process = await self._start(program)
            except OSError as error:  # no memory, process or descriptor is left: that passes, and the others go on
                if delay == 0:  # it never ran
                    raise
                delay = next_delay(delay, 0)
                _log.error("%s could not be started (%s); trying again in %.1f s", program.name, error, delay)
                await asyncio.sleep(delay)
                continue
            code = await process.wait()
            await end_child(process, grace=0)  # whatever of its group is left
            self.pids.pop(program.name, None)
            if code == EXIT_MISCONFIGURED:
                return code
            delay = next_delay(delay, loop.time() - began)
            _log.error("%s ended with %s; starting it again in %.1f s", program.name, code, delay)
            await asyncio.sleep(delay)

    async def _start(self, program: Program) -> asyncio.subprocess.Process:
        output = None
        if program.log is not None:
            output = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = await start_child(
                program.argv, env=program.env, pass_fds=program.pass_fds, stdout=output, stderr=output
            )
        finally:
            if output is not None:
                os.close(output)
        self._processes[program.name] = process
        self.pids[program.name] = process.pid
        if self._on_change is not None:
            self._on_change(self.pids)
        return process

    async def _end(self, program: Program) -> None:
        process = self._processes.get(program.name)
        if process is not None:
            await end_child(process, grace=program.grace_seconds)


def next_delay(before: float, lived_seconds: float) -> float:
    """Seconds until a program that has ended is started again: doubles while it does not live long. `before` is the
    pause before the start that has ended now; 0 = it was the first."""
    if before == 0 or lived_seconds > HEALTHY_SECONDS:
        return FIRST_DELAY_SECONDS
    return min(LONGEST_DELAY_SECONDS, before * 2)


@asynccontextmanager
async def stop_on_signals() -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM, SIGINT and SIGHUP set, instead of ending this process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            with suppress(ValueError):
                loop.remove_signal_handler(number)
