"""`cuepoint doctor`: looks at every part the product needs, and says what to do about each that is wrong."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cuepoint.cli.environment import console, open_settings, running_product
from cuepoint.cli.errors import UnreachableError
from cuepoint.embedded.errors import EmbeddedError
from cuepoint.errors import AdapterError, CuepointError

if TYPE_CHECKING:
    from cuepoint.config import Settings

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
GIB = 1024**3


class State(Enum):
    """How a part is; only FAULT makes the command fail."""

    FINE = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """What was found about one part, and what to do."""

    part: str
    state: State
    found: str
    advice: str = ""


@click.command("doctor", help="Check every part and say what to do. Exit code 1 if something is wrong.")
def command() -> None:
    """Print one line per part."""
    settings = open_settings()
    findings = asyncio.run(examine(settings))
    _print(findings)
    sys.exit(1 if any(finding.state is State.FAULT for finding in findings) else 0)


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order of the parts."""
    running = running_product(settings.home)
    database = settings.database_url.get_secret_value() if settings.database_url else None
    redis = settings.redis_url.get_secret_value() if settings.redis_url else None
    checks: list[Callable[[], Awaitable[Finding]]] = [
        _python,
        _packages,
        _ffmpeg,
        _box,
        lambda: _captions(settings),
        lambda: _database(database, running.database_url if running else None),
        lambda: _redis(redis, running.redis_url if running else None),
        lambda: _storage(settings),
        lambda: _speech(settings),
        lambda: _embeddings(settings),
        lambda: _api(running.api_url if running else None, settings),
    ]
    return [await check() for check in checks]


async def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        return Finding("Python", State.FINE, version)
    return Finding("Python", State.FAULT, version, "Use Python 3.11 to 3.13: make PYTHON=python3.12 up")


async def _packages() -> Finding:
    """Every requirement of the installed package is there; versions are the lock file's business."""
    from packaging.requirements import Requirement

    missing = []
    for line in metadata.requires("cuepoint") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            missing.append(requirement.name)
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            missing.append(f"{requirement.name} {installed}")
    if missing:
        return Finding("Packages", State.FAULT, f"missing or wrong: {', '.join(missing)}", "Run `make reinstall`.")
    return Finding("Packages", State.FINE, f"Cuepoint {metadata.version('cuepoint')}, all requirements installed")


async def _ffmpeg() -> Finding:
    from imageio_ffmpeg import get_ffmpeg_exe

    try:
        program = get_ffmpeg_exe()
        process = await asyncio.create_subprocess_exec(
            program, "-version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        said, _ = await process.communicate()
    except (OSError, RuntimeError) as error:
        advice = "The bundled ffmpeg needs glibc (not Alpine); run `make reinstall`."
        return Finding("ffmpeg", State.FAULT, str(error).splitlines()[0], advice)
    return Finding(
        "ffmpeg", State.FINE, said.decode().splitlines()[0].removeprefix("ffmpeg version ").split(" Copy")[0]
    )


async def _captions(settings: Settings) -> Finding:
    """Burned captions need libass in ffmpeg, and fonts that can be read."""
    from cuepoint.adapters.media.capabilities import burns_captions
    from cuepoint.adapters.media.glyphs import fonts_in

    try:
        if not await burns_captions():
            advice = "Captions can be files or text tracks, but not burned; run `make reinstall`."
            return Finding("Captions", State.NOTE, "this ffmpeg lacks libass", advice)
        fonts = await asyncio.to_thread(fonts_in, settings.caption_fonts)
    except (OSError, CuepointError) as error:
        advice = "CUEPOINT_CAPTION_FONTS must be a directory of fonts (.ttf, .otf) that can be read."
        return Finding("Captions", State.FAULT, str(error).splitlines()[0], advice)
    return Finding("Captions", State.FINE, f"libass, {len(fonts)} fonts")


async def _box() -> Finding:
    """Files from outside are opened in a child: what keeps it from everything else, tried and not only asked."""
    from cuepoint.cli.probes import box_facts

    with tempfile.NamedTemporaryFile(prefix="cuepoint-doctor-") as secret:
        facts = await box_facts(Path(secret.name))
    protections = facts.protections
    if facts.failure is not None:
        advice = "Libraries must lie in this Python's own folders (site-packages): run `make reinstall`."
        return Finding("Box", State.FAULT, f"{protections}: {facts.failure}", advice)
    broken = {"files": "landlock", "connections": "seccomp"}
    if open_ways := [way for way in facts.reached if broken[way] not in protections.missing]:
        return Finding("Box", State.FAULT, f"{protections}; yet reached: {', '.join(open_ways)}", "Report this kernel.")
    if protections.missing:
        advice = "The other layers hold, and files are opened by descriptor only; a newer kernel would add this one."
        return Finding("Box", State.NOTE, str(protections), advice)
    return Finding("Box", State.FINE, str(protections))


async def _database(configured: str | None, embedded: str | None) -> Finding:
    from cuepoint.cli.product import checked_facts
    from cuepoint.db.revision import mismatch, newest_revision
    from cuepoint.embedded.postgres import postgres_program

    url = configured or embedded
    if url is None:
        try:
            program = postgres_program("postgres")
        except EmbeddedError as error:
            return Finding("Postgres", State.FAULT, "no server", str(error))
        return Finding("Postgres", State.FINE, f"embedded, not running ({program.parent})")
    try:
        facts = await checked_facts(url)
    except CuepointError as error:
        return Finding("Postgres", State.FAULT, error.message, error.hint or "")
    except UnreachableError as error:
        return Finding("Postgres", State.FAULT, "no answer", str(error))
    found = f"{facts.version} ({'configured' if configured else 'embedded'}), pgvector {facts.vector}"
    if wrong := mismatch(facts.revision, newest_revision()):
        return Finding("Postgres", State.FAULT, found, wrong)
    return Finding("Postgres", State.FINE, f"{found}, migration {facts.revision} (newest)")


async def _redis(configured: str | None, embedded: str | None) -> Finding:
    from redis import RedisError

    from cuepoint.cli.probes import redis_version
    from cuepoint.embedded.redis import redis_program

    url = configured or embedded
    try:
        if url is None:
            return Finding("Redis", State.FINE, f"embedded, not running ({redis_program().parent})")
        return Finding(
            "Redis", State.FINE, f"{await redis_version(url)} ({'configured' if configured else 'embedded'})"
        )
    except EmbeddedError as error:
        return Finding("Redis", State.FAULT, "no server", str(error))
    except (RedisError, OSError) as error:
        return Finding("Redis", State.FAULT, f"no answer: {error}", "Check CUEPOINT_REDIS_URL.")


async def _storage(settings: Settings) -> Finding:
    if settings.has_bucket():
        return await _bucket(settings)
    directory = settings.storage_directory()
    place = _nearest(directory)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"cuepoint")
    except OSError as error:
        advice = "Choose another place with CUEPOINT_HOME or CUEPOINT_STORAGE_URL, or mend its permissions."
        return Finding("Storage", State.FAULT, f"{place} cannot be written: {error.strerror}", advice)
    free = shutil.disk_usage(place).free
    found = f"{directory}, {free / GIB:.1f} GiB free"
    if free < settings.min_free_bytes:
        return Finding("Storage", State.FAULT, found, "Uploads are refused below CUEPOINT_MIN_FREE_BYTES: free disk.")
    return Finding("Storage", State.FINE, found)


async def _bucket(settings: Settings) -> Finding:
    from cuepoint.adapters.storage.choose import build_storage

    try:
        storage = build_storage(settings)
    except CuepointError as error:
        return Finding("Storage", State.FAULT, error.message, error.hint or "")
    try:
        await storage.check()
    except AdapterError as error:
        return Finding(
            "Storage", State.FAULT, error.message, "Check CUEPOINT_STORAGE_URL and the CUEPOINT_S3_ settings."
        )
    finally:
        await storage.close()
    return Finding("Storage", State.FINE, f"{settings.storage_url} is written, read and deleted")


def _nearest(path: Path) -> Path:
    """The path, or the nearest one above it that exists."""
    return path if path.exists() else _nearest(path.parent)


async def _speech(settings: Settings) -> Finding:
    from cuepoint.adapters.asr.whisper import WhisperTranscriber

    transcriber = WhisperTranscriber(settings)
    try:
        info = transcriber.model_info()
    except CuepointError as error:
        return Finding("Speech model", State.FAULT, error.message, error.hint or "Check CUEPOINT_WHISPER_MODEL.")
    except AdapterError as error:
        return Finding("Speech model", State.FAULT, error.message, "Check CUEPOINT_WHISPER_MODEL.")
    finally:
        await transcriber.close()
    if info.is_demo:
        advice = "It knows only its own small domain. For videos of yours set CUEPOINT_WHISPER_MODEL."
        return Finding("Speech model", State.NOTE, f"{info.model} (the bundled demo model)", advice)
    return Finding("Speech model", State.FINE, f"{info.model} ({info.engine})")


async def _embeddings(settings: Settings) -> Finding:
    from cuepoint.adapters.embedding.choose import build_embedder

    embedder = build_embedder(settings)
    space = embedder.space()
    name = f"{space.model} ({space.provider}, {space.native_dimensions} dimensions)"
    try:
        await embedder.embed(["A short sentence."])
    except (AdapterError, CuepointError) as error:
        advice = "Check CUEPOINT_OPENAI_API_KEY, CUEPOINT_OPENAI_BASE_URL and CUEPOINT_EMBEDDING_MODEL."
        return Finding("Embeddings", State.FAULT, f"{name}: {error.message}", advice)
    finally:
        await embedder.close()
    return Finding("Embeddings", State.FINE, name)


async def _api(url: str | None, settings: Settings) -> Finding:
    from cuepoint.cli.product import failing_parts

    if url is None:
        return Finding("API", State.NOTE, f"nothing runs on {settings.home}", "`cuepoint up` (or `make up`) starts it.")
    host, _, port = url.rpartition("://")[2].rpartition(":")
    if settings.public_url or not port.isdigit():
        return Finding("API", State.FINE, url)
    failing = await failing_parts(host.strip("[]"), int(port))
    if not failing:
        found = url if failing is not None else f"{url} does not answer"
        return Finding("API", State.FAULT if failing is None else State.FINE, found)
    return Finding("API", State.FAULT, f"{url} is not ready: {', '.join(failing)}", "Its log says why.")


def _print(findings: list[Finding]) -> None:
    from rich.table import Table

    colours = {State.FINE: "green", State.NOTE: "yellow", State.FAULT: "bold red"}
    table = Table("Part", "", "Found", "What to do", box=None, pad_edge=False)
    for finding in findings:
        colour = colours[finding.state]
        table.add_row(finding.part, f"[{colour}]{finding.state.value}[/]", finding.found, finding.advice)
    console().print(table)
