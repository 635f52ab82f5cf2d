"""Runs operations on the tiny schema without a server, a database or a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cuepoint.adapters.bundle import Adapters
from cuepoint.api.gateway import response_body
from cuepoint.config import load_settings
from cuepoint.db.session import Database
from cuepoint.graphql.context import Context, Process
from cuepoint.viewer import Viewer
from tests.support.tiny_schema import BINDINGS, Script, schema


def make_context(viewer: Viewer | None = None, **settings: str) -> Context:
    """A context with request id `r1` and no outside world; `settings` are names without their prefix."""
    environment = {f"CUEPOINT_{name.upper()}": value for name, value in settings.items()}
    process = Process(
        cast(Database, None), cast(Adapters, None), load_settings(environment), BINDINGS, {Script: Script()}
    )
    return Context(process, viewer=viewer, request_id="r1")


async def run(query: str, variables: Mapping[str, Any] | None = None, context: Context | None = None) -> dict[str, Any]:
    """The response of a query or mutation."""
    context = context or make_context()
    result = await schema.execute(query, variable_values=dict(variables or {}), context_value=context)
    return response_body(result, context.request_id)


async def run_stream(query: str, context: Context | None = None) -> list[dict[str, Any]]:
    """All responses of a subscription."""
    context = context or make_context()
    results = await schema.stream(query, context_value=context)
    return [response_body(result, context.request_id) async for result in results]
