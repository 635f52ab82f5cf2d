"""Embeddings from OpenAI or a compatible server, checked, put in order and padded to 1536 dimensions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cuepoint.adapters.embedding.base import DIMENSIONS, SpaceInfo
from cuepoint.adapters.openai_client import OpenAIClient, use_of
from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.processes.metering import note_use

if TYPE_CHECKING:
    from openai import AsyncOpenAI

BATCH_TEXTS = 256  # OpenAI allows 2048; a failed batch of this size costs little to send again
BATCH_BYTES = 250_000  # OpenAI allows 300,000 tokens a request; a token is a byte or more
TEXT_BYTES = 8_000  # OpenAI allows 8,192 tokens a text; a passage is far below (60 words are about 400 bytes)
MODEL_SETTING = "CUEPOINT_EMBEDDING_MODEL"


@dataclass(frozen=True)
class _Model:
    native_dimensions: int
    asks_dimensions: bool = False  # wider than 1536, and the server shortens on request


# Widths by the models' own documentation.
_MODELS = {
    "text-embedding-3-small": _Model(1536),
    "text-embedding-3-large": _Model(1536, asks_dimensions=True),  # 3072, trained to be cut (Matryoshka)
    "text-embedding-ada-002": _Model(1536),
    "nomic-embed-text": _Model(768),
    "mxbai-embed-large": _Model(1024),
    "all-minilm": _Model(384),
    "bge-m3": _Model(1024),
}

# Cosine below which a hit is noise. text-embedding-3: an irrelevant question 0.08, random words 0.10, a relevant
# question 0.44 (afurmanov.com/chunk-size-embedding-similarity); ada-002 lies in a narrow cone, unrelated texts at 0.71
# and 0.72 (llama_index issue 12487). A threshold belongs to its space: of an unknown model nothing is thrown away.
_MIN_SCORES = {"text-embedding-3-small": 0.15, "text-embedding-3-large": 0.15, "text-embedding-ada-002": 0.72}
_UNKNOWN_MIN_SCORE = 0.0


class OpenAIEmbedder:
    """The embedder of one model on one server. Equal texts are sent once, batches go one after another."""

    def __init__(self, client: OpenAIClient, model: str) -> None:
        self._client = client
        self._model = model
        self._known = _MODELS.get(model)
        self._width = self._known.native_dimensions if self._known else None

    def space(self) -> SpaceInfo:
        """See the port. It is asked before the first call and must not change after it, so a model that is not in
        our table reads 1536, the width that is stored, whatever its own width turns out to be."""
        return SpaceInfo(
            provider=self._client.provider,
            model=self._model,
            native_dimensions=self._known.native_dimensions if self._known else DIMENSIONS,
            min_score=_MIN_SCORES.get(self._model, _UNKNOWN_MIN_SCORE),
        )

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See the port. Of a text longer than 8,000 bytes the beginning counts."""
        sendable = [_sendable(text) for text in texts]
        place = {text: number for number, text in enumerate(dict.fromkeys(sendable))}
        if not place:
            return np.zeros((0, DIMENSIONS), np.float32)
        vectors = np.concatenate([await self._embed_batch(batch) for batch in _batches(list(place))])
        return vectors[[place[text] for text in sendable]]

    async def close(self) -> None:
        """See the port."""
        await self._client.close()

    async def _embed_batch(self, batch: list[str]) -> NDArray[np.float32]:
        async def send(client: AsyncOpenAI) -> bytes:
            from openai import omit

            shortened = self._known is not None and self._known.asks_dimensions
            # Raw: the package turns base64 into lists of Python floats, which costs more than all the rest here.
            answer = await client.embeddings.with_raw_response.create(
                input=batch,
                model=self._model,
                encoding_format="base64",
                dimensions=DIMENSIONS if shortened else omit,
            )
            return answer.content

        payload = await self._client.call_json(send, model_setting=MODEL_SETTING)
        note_use(use_of(payload, self._model, sent_bytes=sum(len(text.encode()) for text in batch)))
        return self._checked(payload, len(batch))

    def _checked(self, payload: Any, count: int) -> NDArray[np.float32]:
        """Unit vectors, padded, in the order of the texts. Raises AdapterError PROVIDER_BAD_RESPONSE."""
        data = payload.get("data") if isinstance(payload, dict) else None
        if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
            raise self._bad("the answer has no list `data`")
        order = [item.get("index", number) for number, item in enumerate(data)]
        if len(data) != count:
            raise self._bad(f"{count} texts were sent, but {len(data)} vectors came back")
        if not all(isinstance(index, int) for index in order) or sorted(order) != list(range(count)):
            raise self._bad("the answer's `index` numbers do not match the texts")
        vectors = [_decoded(item.get("embedding")) for item in data]
        widths = {len(vector) for vector in vectors if vector is not None}
        if len(widths) != 1 or any(vector is None for vector in vectors):
            raise self._bad("the answer's vectors are missing, malformed or of different lengths")
        self._check_width(widths.pop())
        return self._normalised(np.stack([v for v in vectors if v is not None])[np.argsort(order)])

    def _check_width(self, width: int) -> None:
        if width > DIMENSIONS:
            raise self._bad(f"its vectors have {width} dimensions, more than the {DIMENSIONS} that are stored")
        if self._width is None and width > 0:
            self._width = width
        if width != self._width:
            raise self._bad(f"its vectors have {width} dimensions instead of {self._width}")

    def _normalised(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        if not np.isfinite(norms).all() or (norms < np.finfo(np.float32).tiny).any():
            raise self._bad("some of its vectors are zero or hold values that are no numbers")
        out = np.zeros((len(vectors), DIMENSIONS), np.float32)
        out[:, : vectors.shape[1]] = vectors / norms
        return out

    def _bad(self, reason: str) -> AdapterError:
        return AdapterError(
            ErrorCode.PROVIDER_BAD_RESPONSE,
            f"The embeddings of {self._model} at {self._client.provider} cannot be used: {reason}. "
            f"Choose an embedding model of at most {DIMENSIONS} dimensions ({MODEL_SETTING}) on a server that speaks "
            "OpenAI's protocol (CUEPOINT_OPENAI_BASE_URL).",
            retryable=False,
        )


def _sendable(text: str) -> str:
    """Valid UTF-8 of at most TEXT_BYTES, never empty (which OpenAI refuses)."""
    return text.encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore") or " "


def _batches(texts: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode())
        if batch and (len(batch) == BATCH_TEXTS or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    yield batch


def _decoded(value: object) -> NDArray[np.float32] | None:
    """A vector from base64 of little-endian float32, or from a list of numbers; None if it is neither."""
    try:
        if isinstance(value, str):
            return np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float32)
        if isinstance(value, list):
            vector = np.asarray(value, np.float32)
            return vector if vector.ndim == 1 else None
    except (binascii.Error, ValueError, TypeError):
        return None
    return None
