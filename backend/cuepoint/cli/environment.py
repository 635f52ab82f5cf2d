"""What commands need to know first: the settings, and where the database and Redis of this data directory are."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

from cuepoint.cli.main import EXIT_MISCONFIGURED, fail
from cuepoint.config import PREFIX, ConfigError, Settings, load_settings
from cuepoint.embedded.lock import is_locked
from cuepoint.embedded.running import Running, read_file


def open_settings() -> Settings:
    """The settings, with an absolute home; a mistake in them ends the process with one line and exit code 2."""
    try:
        settings = load_settings()
    except ConfigError as error:
        fail(str(error), EXIT_MISCONFIGURED)
    return settings.model_copy(update={"home": settings.home.absolute()})


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
