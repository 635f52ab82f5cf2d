"""GraphQL over HTTP: queries and mutations by POST, queries by GET, and the GraphiQL page for browsers."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cuepoint.api.errors import HttpError, error_response, response_of
from cuepoint.api.gateway import READ, READ_AND_WRITE, Gateway
from cuepoint.api.graphiql import page
from cuepoint.api.graphql_request import read_request
from cuepoint.api.negotiation import GRAPHQL_JSON, HTML, PLAIN_JSON, names, preferred
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.logs import request_id


async def serve_http(gateway: Gateway, request: Request) -> Response:
    """Answer one request."""
    accept = request.headers.get("accept")
    if _wants_page(request, accept):
        if not gateway.process.settings.graphiql:
            return error_response(404, ErrorCode.NOT_FOUND, "GraphiQL is switched off here (CUEPOINT_GRAPHIQL).")
        return page()
    media_type = preferred(accept, (PLAIN_JSON, GRAPHQL_JSON))
    if media_type is None:
        message = f"This address answers {GRAPHQL_JSON} or {PLAIN_JSON}."
        return error_response(406, ErrorCode.BAD_USER_INPUT, message)
    try:
        body = await _answer(gateway, request)
    except (HttpError, CuepointError) as error:
        return response_of(error, media_type=f"{media_type}; charset=utf-8", headers={"Cache-Control": "no-store"})
    return Response(
        orjson.dumps(body),
        _status(body, media_type),
        headers={"Cache-Control": "no-store", "Vary": "Accept, Authorization"},
        media_type=f"{media_type}; charset=utf-8",
    )


async def _answer(gateway: Gateway, request: Request) -> dict[str, Any]:
    operation = await read_request(request)
    viewer = await gateway.authenticator.viewer(request.headers.get("authorization"))
    context = gateway.context(request.scope, viewer, request_id.get() or "")
    return await gateway.execute(operation, context, READ if request.method == "GET" else READ_AND_WRITE)


def _wants_page(request: Request, accept: str | None) -> bool:
    return request.method in ("GET", "HEAD") and "query" not in request.query_params and names(accept, HTML)


def _status(body: dict[str, Any], media_type: str) -> int:
    """A request error is 400 for those who know the new media type, 200 for older clients, which expect no other."""
    return 400 if "data" not in body and media_type == GRAPHQL_JSON else 200
