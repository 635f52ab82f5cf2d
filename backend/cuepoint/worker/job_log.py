"""What an attempt says - children, providers, the task itself - as a bounded tail of lines without secrets."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cuepoint.config import Settings
from cuepoint.features.jobs.job_logs import MAX_LOG_BYTES
from cuepoint.logs import mask, secrets_of

# A line longer than this is cut, and words without a line feed are taken for a line: whoever writes so is no human.
MAX_LINE_BYTES = 8192
HOME_MARK = "<data>"

Mask = Callable[[str], str]


def masking(settings: Settings) -> Mask:
    """Takes secrets out of a line: tokens, signatures, keys, the secret settings, and where the data directory lies."""
    secrets = secrets_of(settings)
    homes = sorted({str(settings.home), str(Path(settings.home).resolve())}, key=len, reverse=True)

    def masked(line: str) -> str:
        for home in homes:
            if len(home) > 1:
                line = line.replace(home, HOME_MARK)
        return mask(line, secrets)

    return masked


class AttemptLog:
    """The tail of one attempt. `write` may be called from any thread."""

    def __init__(self, masked: Mask = mask) -> None:
        self._masked = masked
        self._lock = threading.Lock()
        self._partial = b""
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._is_cut = False
        self._has_news = False

    def write(self, piece: bytes) -> None:
        """Some bytes more; lines end with a line feed or a carriage return."""
        with self._lock:
            *lines, rest = (self._partial + piece).replace(b"\r", b"\n").split(b"\n")
            if len(rest) > MAX_LINE_BYTES:  # cut between words, so that no secret is cut into halves
                word = rest.rfind(b" ") + 1
                lines.append(rest[:word] if word else rest)
                rest = rest[word:] if word else b""
            self._partial = rest
            for line in lines:
                self._keep(line)

    def take(self) -> tuple[str, bool] | None:
        """The tail, and whether lines before it are gone; None when nothing was said since the last call."""
        with self._lock:
            if not self._has_news:
                return None
            self._has_news = False
            return b"".join(self._lines).decode(errors="replace"), self._is_cut

    def take_last(self) -> tuple[str, bool] | None:
        """The same at the end of the attempt: a line without its end counts too."""
        with self._lock:
            rest, self._partial = self._partial, b""
            self._keep(rest)
        return self.take()

    def put_back(self) -> None:
        """What was taken could not be stored."""
        self._has_news = True

    def _keep(self, line: bytes) -> None:
        text = line.decode(errors="replace").replace("\x00", "").strip()
        if not text:
            return
        said = self._masked(text).encode(errors="replace")[:MAX_LINE_BYTES]
        said = said.decode(errors="ignore").encode()  # half a character would grow when it is read
        kept = f"{datetime.now(UTC):%H:%M:%S} ".encode() + said + b"\n"
        self._lines.append(kept)
        self._size += len(kept)
        self._has_news = True
        while self._size > MAX_LOG_BYTES:
            self._size -= len(self._lines.popleft())
            self._is_cut = True
