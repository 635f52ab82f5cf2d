"""What commands need to know first: the settings, and where the database and Redis of this data directory are."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from cuepoint.cli.main import EXIT_MISCONFIGURED, fail
from cuepoint.config import PREFIX, ConfigError, Settings, load_settings
from cuepoint.embedded.lock import is_locked
from cuepoint.embedded.running import Running, read_file

if TYPE_CHECKING:
    from rich.console import Console

NO_TERMINAL_WIDTH = 200
TOKEN_FILE = "admin-token"  # noqa: S105 - the name of a file in the home, made by `cuepoint up`


def open_settings() -> Settings:
    """The settings, with an absolute home; a mistake in them ends the process with one line and exit code 2."""
    try:
        settings = load_settings()
    except ConfigError as error:
        fail(str(error), EXIT_MISCONFIGURED)
    return settings.model_copy(update={"home": settings.home.absolute()})


def console() -> Console:
    """Where tables go: as wide as the terminal, and wide enough for whole ids where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else NO_TERMINAL_WIDTH)


def try_files(settings: Settings) -> None:
    """See that what the settings name is complete and can be read; else exit code 2, as starting again cannot help."""
    from cuepoint.adapters.storage.choose import build_storage
    from cuepoint.api.persisted import load_allowlist

    build_storage(settings)
    try:
        load_allowlist(settings.operations_allowlist)
    except ConfigError as error:
        fail(str(error), EXIT_MISCONFIGURED)


def running_product(home: Path) -> Running | None:
    """What `cuepoint up` runs on this data directory now, or None."""
    return read_file(home) if is_locked(home) else None


def connected_settings(settings: Settings) -> Settings:
    """The settings with both addresses: configured ones first, else those of the running product, else exit 2."""
    running = running_product(settings.home)
    database = settings.database_url or _secret(running.database_url if running else None)
    redis = settings.redis_url or _secret(running.redis_url if running else None)
    if database is None or redis is None:
        missing = "CUEPOINT_DATABASE_URL" if database is None else "CUEPOINT_REDIS_URL"
        fail(
            f"{missing} is not set, and no product runs on {settings.home}. "
            "Start one with `cuepoint up` (or `make up`), or set the address of a real server.",
            EXIT_MISCONFIGURED,
        )
    try:
        settings.signing_key()
    except OSError as error:
        fail(
            f"The key of signed URLs cannot be kept in {settings.home} ({error.strerror}). "
            "Set CUEPOINT_SECRET_KEY, or CUEPOINT_HOME to a directory that can be written.",
            EXIT_MISCONFIGURED,
        )
    return settings.model_copy(update={"database_url": database, "redis_url": redis})


def database_settings(settings: Settings) -> str:
    """The address of the database alone, for commands that need no Redis; else exit 2."""
    running = running_product(settings.home)
    url = settings.database_url or _secret(running.database_url if running else None)
    if url is None:
        fail(
            f"CUEPOINT_DATABASE_URL is not set, and no product runs on {settings.home}. "
            "Start one with `cuepoint up` (or `make up`), or set the address of a real Postgres.",
            EXIT_MISCONFIGURED,
        )
    return url.get_secret_value()


def child_variables(settings: Settings, **changes: str) -> dict[str, str]:
    """The environment of our own processes: ours, with the home, the addresses and `changes` (by field name)."""
    fixed = {"home": str(settings.home), **changes}
    if settings.database_url is not None:
        fixed["database_url"] = settings.database_url.get_secret_value()
    if settings.redis_url is not None:
        fixed["redis_url"] = settings.redis_url.get_secret_value()
    return dict(os.environ) | {f"{PREFIX}{name.upper()}": value for name, value in fixed.items()}


def _secret(value: str | None) -> SecretStr | None:
    return SecretStr(value) if value else None
