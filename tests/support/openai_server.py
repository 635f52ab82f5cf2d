"""A small real HTTP server that speaks OpenAI's embeddings protocol, with faults on request.

    with openai_server() as server:
        server.script(Fault.RATE_LIMITED, Fault.NONE)   # for the next requests, in order; then it answers well
        ... CUEPOINT_OPENAI_BASE_URL = server.base_url ...
        server.requests                                 # what arrived: bodies, and headers beside them

The vector of a text is made from its SHA-256, so equal texts have equal vectors (`vector_of`).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import numpy as np
import uvicorn
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Fault(Enum):
    """What the server does instead of a right answer."""

    NONE = auto()
    RATE_LIMITED = auto()  # 429 with Retry-After: 7
    QUOTA_USED_UP = auto()  # 429 with code insufficient_quota
    UNAUTHORIZED = auto()
    FORBIDDEN = auto()
    UNKNOWN_MODEL = auto()  # 404
    BAD_REQUEST = auto()
    SERVER_ERROR = auto()
    OVERLOADED = auto()  # 503 with Retry-After: 3
    HANG = auto()  # no answer until the client goes away
    TRICKLE = auto()  # one byte of the answer every 20 ms, for ever
    BROKEN_JSON = auto()
    HTML_PAGE = auto()  # 200, but a gateway's page
    NO_DATA = auto()  # JSON without `data`
    WRONG_COUNT = auto()
    WRONG_DIMENSION = auto()  # half as wide as before
    TOO_WIDE = auto()  # 3072
    RAGGED = auto()  # vectors of different lengths
    SHUFFLED = auto()  # right, but the items in another order
    DUPLICATE_INDEX = auto()
    NOT_A_NUMBER = auto()
    ZERO_VECTOR = auto()
    NOT_BASE64 = auto()
    FLOATS = auto()  # right, but lists of numbers whatever encoding was asked for
    UNSCALED = auto()  # right, but not of unit length


_STATUS: dict[Fault, tuple[int, dict[str, str], dict[str, str]]] = {
    Fault.RATE_LIMITED: (429, {"retry-after": "7"}, {"message": "Slow down.", "code": "rate_limit_exceeded"}),
    Fault.QUOTA_USED_UP: (429, {"retry-after": "7"}, {"message": "No credit left.", "code": "insufficient_quota"}),
    Fault.UNAUTHORIZED: (401, {}, {"message": "Incorrect API key provided.", "code": "invalid_api_key"}),
    Fault.FORBIDDEN: (403, {}, {"message": "Not for this project."}),
    Fault.UNKNOWN_MODEL: (404, {}, {"message": "The model does not exist.", "code": "model_not_found"}),
    Fault.BAD_REQUEST: (400, {}, {"message": "Bad input."}),
    Fault.SERVER_ERROR: (500, {}, {"message": "Something broke."}),
    Fault.OVERLOADED: (503, {"retry-after": "3"}, {"message": "Overloaded."}),
}


def vector_of(text: str, dimensions: int = 1536) -> NDArray[np.float32]:
    """The unit vector that the server gives a text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(dimensions)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


@dataclass
class OpenAIServer:
    """A running server. `dimensions` is how wide its model is; a request's own `dimensions` goes before it."""

    base_url: str
    dimensions: int = 1536
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)

    def script(self, *faults: Fault) -> None:
        """What happens to the next requests, in order."""
        self.faults.extend(faults)

    def reset(self) -> None:
        """As after the start."""
        self.dimensions = 1536
        self.requests.clear()
        self.headers.clear()
        self.faults.clear()

    async def embeddings(self, request: Request) -> Response:
        """POST /v1/embeddings."""
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        fault = self.faults.popleft() if self.faults else Fault.NONE
        if fault in _STATUS:
            status, headers, error = _STATUS[fault]
            return JSONResponse({"error": {"type": None, "param": None, **error}}, status, headers)
        if fault is Fault.HANG:
            await _gone(request.receive)
            return Response()
        if fault is Fault.TRICKLE:
            return _Trickle()
        if fault is Fault.HTML_PAGE:
            return Response("<html>Bad gateway</html>", media_type="text/html")
        answer = self._answer(body, fault)
        if fault is Fault.BROKEN_JSON:
            return Response(json.dumps(answer)[:-20], media_type="application/json")
        return JSONResponse(answer)

    def _answer(self, body: dict[str, Any], fault: Fault) -> dict[str, Any]:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        width = body.get("dimensions", self.dimensions)
        width = {Fault.WRONG_DIMENSION: width // 2, Fault.TOO_WIDE: 3072}.get(fault, width)
        vectors = [vector_of(text, width) for text in texts]
        _spoil(vectors, fault)
        as_base64 = body.get("encoding_format") == "base64" and fault is not Fault.FLOATS
        data = [
            {"object": "embedding", "index": n, "embedding": _encoded(vector) if as_base64 else vector.tolist()}
            for n, vector in enumerate(vectors)
        ]
        if fault is Fault.WRONG_COUNT:
            data.pop()
        if fault is Fault.SHUFFLED:
            data.reverse()
        if fault is Fault.DUPLICATE_INDEX:
            data[-1]["index"] = 0
        if fault is Fault.NOT_BASE64:
            data[0]["embedding"] = "!!!"
        answer = {
            "object": "list",
            "model": body["model"],
            "data": data,
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
        if fault is Fault.NO_DATA:
            del answer["data"]
        return answer


def _spoil(vectors: list[NDArray[np.float32]], fault: Fault) -> None:
    if fault is Fault.NOT_A_NUMBER:
        vectors[-1][3] = np.nan
    if fault is Fault.ZERO_VECTOR:
        vectors[-1][:] = 0
    if fault is Fault.RAGGED:
        vectors[-1] = vectors[-1][:-1]
    if fault is Fault.UNSCALED:
        vectors[:] = [vector * np.float32(3) for vector in vectors]


def _encoded(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


class _Trickle(Response):
    """An answer that never ends, a byte at a time."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        gone = asyncio.ensure_future(_gone(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.wait((gone,), timeout=0.02)


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@contextlib.contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    """A server on a free port of 127.0.0.1, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = OpenAIServer(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    app = Starlette(routes=[Route("/v1/embeddings", server.embeddings, methods=["POST"])])
    uvicorn_server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", loop="asyncio"))
    thread = threading.Thread(target=uvicorn_server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield server
    finally:
        uvicorn_server.should_exit = True
        uvicorn_server.force_exit = True
        thread.join()
        listener.close()
