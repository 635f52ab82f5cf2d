"""Log lines of every process: JSON or console, with request and job ids, and never with a secret in them."""

from __future__ import annotations

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from pydantic import SecretStr

from cuepoint.config import Settings

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
job_id: ContextVar[str | None] = ContextVar("job_id", default=None)

MASK = "***"
SHORTEST_SECRET = 8  # a shorter value would turn up inside ordinary words
# Libraries whose INFO lines tell of every request or statement.
QUIET = ("httpx2", "httpcore2", "openai", "saq", "sqlalchemy", "alembic", "websockets", "asyncio", "uvicorn.error")

_PATTERNS = (
    (
        re.compile(
            r"((?:signature|sig|token|credential|password|passwd|secret|api[_-]?key)[\"']?\s*[=:]\s*[\"']?)[^&\s\"',\\]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(bearer\s+)[^\s\"',\\]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b(cp[a-z]?_)[\w.-]{30,}"), rf"\1{MASK}"),  # credentials: features.users.credentials
    (re.compile(r"\bsk-[\w-]{16,}"), f"sk-{MASK}"),  # keys of OpenAI and of servers that imitate it
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"), rf"\1{MASK}"),  # access keys of S3
    (re.compile(r"(://[^/\s:@]*:)[^@/\s]+@"), rf"\1{MASK}@"),
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def mask(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` without signatures, bearer tokens, passwords in URLs and the given secrets."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """The values of all secret settings, longest first."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    texts = {value.get_secret_value() for value in values if isinstance(value, SecretStr)}
    return tuple(sorted((t for t in texts if len(t) >= SHORTEST_SECRET), key=len, reverse=True))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, process, logger, message, request_id, job_id, extras, error."""

    def __init__(self, process: str, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._process = process
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The record as one masked line."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: value for name, value in _context().items() if value}
        entry |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return mask(json.dumps(entry, default=str, ensure_ascii=False), self._secrets)


class ConsoleFormatter(logging.Formatter):
    """A line for people: time, level, process, message, ids."""

    def __init__(self, process: str, secrets: tuple[str, ...]) -> None:
        super().__init__(f"%(asctime)s %(levelname)-7s {process}: %(message)s", "%H:%M:%S")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The record as a masked line, with its traceback on the next ones."""
        line = super().format(record)
        ids = " ".join(f"{name}={value}" for name, value in _context().items() if value)
        head, newline, rest = line.partition("\n")
        return mask(f"{head} [{ids}]{newline}{rest}" if ids else line, self._secrets)


def configure_logging(settings: Settings, process: str, stream: TextIO | None = None) -> None:
    """Send the root logger's lines to `stream` (stderr) in the format of the settings. `process` names us in them."""
    target = sys.stderr if stream is None else stream
    console = settings.log_format == "console" or (settings.log_format == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    kind = ConsoleFormatter if console else JsonFormatter
    handler.setFormatter(kind(process, secrets_of(settings)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def _context() -> dict[str, str | None]:
    return {"request_id": request_id.get(), "job_id": job_id.get()}
