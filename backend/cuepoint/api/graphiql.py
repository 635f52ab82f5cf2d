"""The GraphiQL page: everything it needs is served from here, no other host is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

STATIC = Path(__file__).parent / "static" / "graphiql"
EXAMPLES = Path(__file__).parent / "examples"

# React and CodeMirror set style attributes; everything else comes from this origin, as files.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def page() -> Response:
    """The page itself. Its links are relative, so that it also works below a path of a proxy."""
    return HTMLResponse((STATIC / "index.html").read_text(encoding="utf-8"), headers=HEADERS)


async def examples(_request: Request) -> Response:
    """The example operations as GraphiQL's default tabs, in the order of their file names."""
    return Response(orjson.dumps(example_tabs()), media_type="application/json", headers={"Cache-Control": "no-cache"})


def example_tabs() -> list[dict[str, Any]]:
    """Each packaged `*.graphql` with the variables of the `.json` file beside it, if there is one."""
    tabs = []
    for path in sorted(EXAMPLES.glob("*.graphql")):
        variables = path.with_suffix(".json")
        tab = {"query": path.read_text(encoding="utf-8")}
        if variables.exists():
            tab["variables"] = variables.read_text(encoding="utf-8")
        tabs.append(tab)
    return tabs
