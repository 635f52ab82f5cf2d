"""The migration that this version of the code needs, by the names of the files that come with it."""

from __future__ import annotations

from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"


def newest_revision() -> str:
    """The number that the newest migration's file name begins with.

    Alembic's own answer is the same (a test compares them), but importing it takes half a second of every start.
    """
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def mismatch(present: str | None, needed: str) -> str | None:
    """What is wrong with a database at the migration `present` (None: at none), and what mends it; None if nothing."""
    if present == needed:
        return None
    cure = "Run `cuepoint migrate` to bring it there."
    if present is not None and present > needed:
        cure = "A newer version made it: run that one, or restore a backup from before the upgrade."
    return f"The database is at migration {present or 'none'}, this version needs {needed}. {cure}"
