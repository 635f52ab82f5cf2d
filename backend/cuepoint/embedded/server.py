"""One embedded server process: started as its identity with its log in a file, awaited, stopped by its own signals."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from cuepoint.embedded.errors import EmbeddedError
from cuepoint.embedded.identity import Identity
from cuepoint.processes.child import end_child

POLL_SECONDS = 0.01
LOG_KEPT_BYTES = 8 * 1024 * 1024  # a larger log moves to `<name>.1` at the next start


def bundled(package: str, relative: str) -> Path:
    """A program inside an installed wheel, found without importing it. Raises EmbeddedError if it is not there."""
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / relative
        if path.is_file():
            return path.resolve()
    raise EmbeddedError(
        f"The wheel {package.replace('_', '-')} with {Path(relative).name} is not installed. "
        "Install Cuepoint's requirements again (`make` does), or set CUEPOINT_DATABASE_URL and CUEPOINT_REDIS_URL."
    )


class Server:
    """A child process that serves others. `name` is what messages call it.

    It is stopped by `stop_signals`, each with its grace in seconds; `death_signal` is what it gets when we die.
    """

    def __init__(
        self,
        name: str,
        log: Path,
        identity: Identity,
        *,
        stop_signals: Sequence[tuple[signal.Signals, float]],
        death_signal: signal.Signals,
    ) -> None:
        self.name = name
        self.log = log
        self.identity = identity
        self._stop_signals = stop_signals
        self._death_signal = death_signal
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, argv: Sequence[str]) -> None:
        """Start the process, its output appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_KEPT_BYTES:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = await self.identity.start(argv, death_signal=self._death_signal, output=descriptor)
        finally:
            os.close(descriptor)

    async def ready(self, check: Callable[[], Awaitable[bool]], *, timeout: float) -> None:
        """Wait until `check` holds. Raises EmbeddedError, with the end of the log, if the process ends first."""
        assert self._process is not None
        try:
            async with asyncio.timeout(timeout):
                while not await check():
                    if self._process.returncode is not None:
                        raise EmbeddedError(f"{self.name} ended while it started: {self.last_words()}")
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise EmbeddedError(f"{self.name} was not ready after {timeout:.0f} s: {self.last_words()}") from None

    def last_words(self) -> str:
        """The last lines of the log, in one line, and where the rest stands."""
        lines = self.log.read_text(errors="replace").splitlines()[-3:] if self.log.exists() else []
        return f"{' / '.join(lines) or 'it said nothing'} (log: {self.log})"

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Send the stop signals in turn, each with its grace; afterwards the process is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        for number, grace in self._stop_signals:
            if process.returncode is not None:
                break
            process.send_signal(number)
            try:
                async with asyncio.timeout(grace):
                    await process.wait()
            except TimeoutError:
                continue
        await end_child(process, grace=0)
