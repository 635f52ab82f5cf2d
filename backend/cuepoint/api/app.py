"""`create_app`: the web process as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from cuepoint.api import graphiql, pages, uploads
from cuepoint.api.addresses import TrustedProxies
from cuepoint.api.auth import normal_origin
from cuepoint.api.errors import error_response
from cuepoint.api.gateway import Gateway
from cuepoint.api.graphql_http import serve_http
from cuepoint.api.graphql_ws import WebSockets
from cuepoint.api.health import livez, serve_readyz
from cuepoint.api.media import serve_media
from cuepoint.api.middleware import HEADER, SCOPE_KEY, RequestIds, logger
from cuepoint.api.process import open_gateway
from cuepoint.config import Settings
from cuepoint.errors import ErrorCode
from cuepoint.logs import request_id

OpenGateway = Callable[[Settings], AbstractAsyncContextManager[Gateway]]
Serve = Callable[[Gateway, Request], Awaitable[Response]]

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
CORS_MAX_AGE_SECONDS = 7200  # the longest that Chromium keeps a preflight's answer
CODE_OF_STATUS = {401: ErrorCode.UNAUTHENTICATED, 403: ErrorCode.FORBIDDEN, 404: ErrorCode.NOT_FOUND}


def create_app(settings: Settings, open_gateway: OpenGateway = open_gateway) -> Starlette:
    """The application. Its lifespan opens what requests need, and fails on a wrong migration head."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_gateway(settings) as gateway:
            app.state.gateway = gateway
            try:
                yield
            finally:
                await gateway.close()

    return Starlette(
        routes=_routes(settings),
        lifespan=lifespan,
        middleware=_middleware(settings),
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )


def _routes(settings: Settings) -> list[Route | Mount]:
    routes: list[Route | Mount] = [
        Route("/graphql", _GraphQL()),
        Route("/uploads", _with_gateway(uploads.serve_uploads), methods=ANY_METHOD),
        Route("/uploads/{id}", _with_gateway(uploads.serve_uploads), methods=ANY_METHOD),
        Route("/media/{kind}/{id}", _with_gateway(serve_media), methods=ANY_METHOD),
        Route("/media/{kind}/{id}/{name}", _with_gateway(serve_media), methods=ANY_METHOD),
        Route("/v/", _with_gateway(pages.serve_page)),
        Route("/v/{id}", _with_gateway(pages.serve_page)),
        Route(pages.SESSION_PATH, _with_gateway(pages.serve_session), methods=ANY_METHOD),
        Mount("/page", StaticFiles(directory=pages.STATIC)),
        Route("/livez", livez),
        Route("/readyz", _readyz),
    ]
    if settings.graphiql:
        routes += [
            Route("/", _to_graphiql),
            Route("/graphiql/examples.json", graphiql.examples),
            Mount("/graphiql", StaticFiles(directory=graphiql.STATIC)),
        ]
    return routes


def _middleware(settings: Settings) -> list[Middleware]:
    """Outermost first."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=[normal_origin(origin) for origin in settings.cors_origins],
        allow_methods=ANY_METHOD,
        allow_headers=["Authorization", "Content-Type", "If-Range", "Range", HEADER, *uploads.REQUEST_HEADERS],
        expose_headers=[
            "Accept-Ranges",
            "Content-Disposition",
            "Content-Range",
            "ETag",
            HEADER,
            *uploads.RESPONSE_HEADERS,
        ],
        max_age=CORS_MAX_AGE_SECONDS,
    )
    proxies = Middleware(TrustedProxies, trusted=settings.trusted_proxies)
    sockets = Middleware(WebSockets, path="/graphql")
    return [proxies, Middleware(RequestIds), sockets, *([cors] if settings.cors_origins else [])]


class _GraphQL:
    """The endpoint as an ASGI application: what Starlette wraps around a function costs a seventh of a small query."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await serve_http(scope["app"].state.gateway, Request(scope, receive, send))
        await response(scope, receive, send)


def _with_gateway(serve: Serve) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await serve(request.app.state.gateway, request)

    return endpoint


async def _readyz(request: Request) -> Response:
    return await serve_readyz(request.app.state.gateway)


async def _to_graphiql(_request: Request) -> Response:
    return RedirectResponse("graphql")


async def _refused(_request: Request, error: Exception) -> Response:
    """What the router refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)
    code = CODE_OF_STATUS.get(error.status_code, ErrorCode.BAD_USER_INPUT)
    return error_response(error.status_code, code, error.detail, headers=error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of ours: logged with its stack, answered without it. Runs outside the middleware that knows the id."""
    own_id = request.scope.get(SCOPE_KEY, "")
    request_id.set(own_id)
    logger.error("Unexpected error at %s %s", request.method, request.url.path, exc_info=error)
    message = f"Internal error. Report this request id: {own_id}"
    return error_response(500, ErrorCode.INTERNAL, message, headers={HEADER: own_id})
