"""The tables of docs/errors.md, generated: each code with its meaning (`codes`) and what to do about it (`cures`)."""

from __future__ import annotations

from cuepoint.errors import ErrorCode
from cuepoint.graphql.codes import CODE_DESCRIPTIONS
from cuepoint.graphql.cures import CURES

HEAD = ("| Code | Meaning | What to do |", "|---|---|---|")


class UnlistedCodeError(Exception):
    """A code without a cure, or with two."""


def update(page: str) -> str:
    """The page with its tables as the code has them; the words before the first heading of a table stay."""
    before = page.partition("\n## ")[0].rstrip()
    return "\n".join([before, "", *_sections()]) + "\n"


def _sections() -> list[str]:
    listed = [code for cures in CURES.values() for code in cures]
    unlisted = [code.value for code in ErrorCode if listed.count(code) != 1]
    if unlisted:
        raise UnlistedCodeError(f"graphql/cures.py needs one entry each for {', '.join(unlisted)}")
    lines: list[str] = []
    for title, cures in CURES.items():
        rows = [f"| `{code.value}` | {CODE_DESCRIPTIONS[code]} | {cure} |" for code, cure in cures.items()]
        lines += [f"## {title}", "", *HEAD, *rows, ""]
    return lines[:-1]
