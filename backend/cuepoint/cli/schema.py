"""`cuepoint schema`: what is generated from the code and checked in - the SDL and the tables in database_design.md."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

SDL_FILE = Path("frontend-schema/schema.graphql")
DESIGN_FILE = Path("database_design.md")
SHOWN_LINES = 40


@click.command("schema", help="Print the GraphQL schema (SDL), or write or check the files generated from the code.")
@click.option("--write", is_flag=True, help=f"Write {SDL_FILE}, and the tables in {DESIGN_FILE}.")
@click.option("--check", is_flag=True, help="Compare both with the code; exit 1 if one differs.")
@click.option(
    "--file", "path", type=click.Path(path_type=Path), default=SDL_FILE, help=f"Another file than {SDL_FILE}."
)
def command(write: bool, check: bool, path: Path) -> None:
    """Print unless told otherwise."""
    from cuepoint.api.schema import schema

    sdl = schema.as_str().rstrip() + "\n"
    generated = {path: sdl, **_design()}
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


def _is_current(path: Path, text: str) -> bool:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before == text:
        click.echo(f"{path} is current.")
        return True
    lines = difflib.unified_diff(before.splitlines(), text.splitlines(), str(path), "the code", lineterm="", n=1)
    click.echo("\n".join(list(lines)[:SHOWN_LINES]), err=True)
    click.echo(f"cuepoint: {path} differs from the code; `make schema` writes it anew.", err=True)
    return False
