"""`cuepoint schema`: the SDL as the code has it, printed, written, or compared with the file that is checked in."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

SDL_FILE = Path("frontend-schema/schema.graphql")
SHOWN_LINES = 40


@click.command("schema", help="Print the GraphQL schema (SDL), write it to a file, or check that the file is current.")
@click.option("--write", is_flag=True, help=f"Write {SDL_FILE}.")
@click.option("--check", is_flag=True, help=f"Compare with {SDL_FILE}; exit 1 if they differ.")
@click.option("--file", "path", type=click.Path(path_type=Path), default=SDL_FILE, help="Another file than that.")
def command(write: bool, check: bool, path: Path) -> None:
    """Print unless told otherwise."""
    from cuepoint.api.schema import schema

    sdl = schema.as_str().rstrip() + "\n"
    if check:
        _compare(path, sdl)
    elif write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sdl, encoding="utf-8")
        click.echo(f"Wrote {path}.")
    else:
        click.echo(sdl, nl=False)


def _compare(path: Path, sdl: str) -> None:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before == sdl:
        click.echo(f"{path} is current.")
        return
    lines = difflib.unified_diff(before.splitlines(), sdl.splitlines(), str(path), "the code", lineterm="", n=1)
    click.echo("\n".join(list(lines)[:SHOWN_LINES]), err=True)
    click.echo(f"cuepoint: {path} differs from the code; `make schema` writes it anew.", err=True)
    sys.exit(1)
