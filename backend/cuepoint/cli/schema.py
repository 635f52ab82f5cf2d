"""`cuepoint schema`: what is generated from the code and checked in - the SDL with the possible types of its
interfaces, and the tables in database_design.md and docs/errors.md."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

SDL_FILE = Path("frontend-schema/schema.graphql")
POSSIBLE_TYPES_FILE = Path("frontend-schema/possibleTypes.json")
DESIGN_FILE = Path("database_design.md")
ERRORS_FILE = Path("docs/errors.md")
RELEASED_FILE = Path("frontend-schema/released.graphql")
SHOWN_LINES = 40


@click.command("schema", help="Print the GraphQL schema (SDL), or write or check the files generated from the code.")
@click.option("--write", is_flag=True, help=f"Write {SDL_FILE} and what goes with it.")
@click.option("--check", is_flag=True, help="Compare them with the code; exit 1 if one differs.")
@click.option("--release", is_flag=True, help=f"Write {RELEASED_FILE}: later schemas must not break this one.")
@click.option(
    "--file", "path", type=click.Path(path_type=Path), default=SDL_FILE, help=f"Another file than {SDL_FILE}."
)
def command(write: bool, check: bool, release: bool, path: Path) -> None:
    """Print unless told otherwise."""
    from cuepoint.api.schema import schema

    sdl = schema.as_str().rstrip() + "\n"
    if release:
        RELEASED_FILE.write_text(sdl, encoding="utf-8")
        click.echo(f"Wrote {RELEASED_FILE}.")
        return
    generated = {path: sdl, **_possible_types(), **_design(), **_errors()}
    if check:
        current = [_is_current(file, text) for file, text in generated.items()]
        sys.exit(0 if all(current) else 1)
    elif write:
        for file, text in generated.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            click.echo(f"Wrote {file}.")
    else:
        click.echo(sdl, nl=False)


def _design() -> dict[Path, str]:
    """The design page with its tables as the models have them; nothing where there is no such page."""
    from cuepoint.db.design import update
    from cuepoint.tables import metadata

    if not DESIGN_FILE.exists():
        return {}
    return {DESIGN_FILE: update(DESIGN_FILE.read_text(encoding="utf-8"), metadata)}


def _possible_types() -> dict[Path, str]:
    """Which types each interface and union can be, as Apollo's cache wants it; nothing outside the repository."""
    import json

    from cuepoint.api.schema import schema

    if not POSSIBLE_TYPES_FILE.parent.exists():
        return {}
    return {POSSIBLE_TYPES_FILE: json.dumps(schema.possible_types(), indent=2) + "\n"}


def _errors() -> dict[Path, str]:
    """The page of error codes with its tables; nothing where there is no such page."""
    from cuepoint.graphql.error_page import UnlistedCodeError, update

    if not ERRORS_FILE.exists():
        return {}
    page = ERRORS_FILE.read_text(encoding="utf-8")
    try:
        return {ERRORS_FILE: update(page)}
    except UnlistedCodeError as error:
        click.echo(f"cuepoint: {ERRORS_FILE} stays as it is: {error}", err=True)
        return {}


def _is_current(path: Path, text: str) -> bool:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before == text:
        click.echo(f"{path} is current.")
        return True
    lines = difflib.unified_diff(before.splitlines(), text.splitlines(), str(path), "the code", lineterm="", n=1)
    click.echo("\n".join(list(lines)[:SHOWN_LINES]), err=True)
    click.echo(f"cuepoint: {path} differs from the code; `make schema` writes it anew.", err=True)
    return False
