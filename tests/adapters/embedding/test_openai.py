"""Embeddings through the real openai package against a server with faults."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

from cuepoint.adapters.embedding.openai import BATCH_BYTES, BATCH_TEXTS, TEXT_BYTES, OpenAIEmbedder
from cuepoint.adapters.openai_client import OpenAIClient, use_of
from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.processes.metering import Meter, Use, metering
from tests.support.openai_server import Fault, OpenAIServer, openai_server, vector_of

MakeEmbedder = Callable[..., OpenAIEmbedder]


@pytest.fixture(scope="module")
def running() -> Iterator[OpenAIServer]:
    with openai_server() as server:
        yield server


@pytest.fixture
def server(running: OpenAIServer) -> OpenAIServer:
    running.reset()
    return running


@pytest.fixture
async def make(server: OpenAIServer) -> AsyncIterator[MakeEmbedder]:
    made: list[OpenAIEmbedder] = []

    def make_embedder(
        model: str = "text-embedding-3-small", *, timeout: float = 10.0, url: str | None = None, key: str | None = "k"
    ) -> OpenAIEmbedder:
        client = OpenAIClient(api_key=key, base_url=url or server.base_url, timeout_seconds=timeout)
        made.append(OpenAIEmbedder(client, model))
        return made[-1]

    yield make_embedder
    for embedder in made:
        await embedder.close()


async def refusal(embedder: OpenAIEmbedder, *texts: str) -> AdapterError:
    """The error that these texts meet."""
    with pytest.raises(AdapterError) as caught:
        await embedder.embed(texts or ("one", "two"))
    return caught.value


class TestEmbed:
    async def test_vectors_come_in_the_order_of_the_texts(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        vectors = await make().embed(["one", "two"])

        assert vectors.dtype == np.float32
        assert np.allclose(vectors, [vector_of("one"), vector_of("two")], atol=1e-6)
        assert server.requests == [
            {"input": ["one", "two"], "model": "text-embedding-3-small", "encoding_format": "base64"}
        ]
        assert server.headers[0]["authorization"] == "Bearer k"

    async def test_the_tokens_that_the_server_says_it_took_are_metered(
        self, server: OpenAIServer, make: MakeEmbedder
    ) -> None:
        with metering(Meter()) as meter:
            await make().embed(["one", "two"])

        assert meter.take() == [Use("text-embedding-3-small", 1)]

    @pytest.mark.parametrize(
        ("answer", "use"),
        [
            ({"usage": {"input_tokens": 7, "output_tokens": 2}}, Use("m", 7, 2)),
            ({"usage": {"total_tokens": 7}}, Use("m", 7)),
            ({"usage": {"prompt_tokens": "7"}}, Use("m", 4)),
            ({"usage": None}, Use("m", 4)),
            ([], Use("m", 4)),
        ],
        ids=["responses", "total", "text", "null", "no object"],
    )
    def test_what_a_server_does_not_say_is_counted_by_bytes(self, answer: Any, use: Use) -> None:
        assert use_of(answer, "m", sent_bytes=10) == use

    @pytest.mark.parametrize("fault", [Fault.SHUFFLED, Fault.FLOATS, Fault.UNSCALED])
    async def test_other_right_answers_give_the_same_vectors(
        self, server: OpenAIServer, make: MakeEmbedder, fault: Fault
    ) -> None:
        server.script(fault)

        vectors = await make().embed(["one", "two", "three"])

        assert np.allclose(vectors, [vector_of("one"), vector_of("two"), vector_of("three")], atol=1e-6)

    async def test_equal_texts_are_sent_once(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        vectors = await make().embed(["same", "other", "same"])

        assert server.requests[0]["input"] == ["same", "other"]
        assert np.array_equal(vectors[0], vectors[2])
        assert np.allclose(vectors[1], vector_of("other"), atol=1e-6)

    async def test_no_texts_ask_nobody(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        vectors = await make().embed([])

        assert vectors.shape == (0, 1536)
        assert server.requests == []

    async def test_many_texts_go_in_batches(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        texts = [f"text {n}" for n in range(BATCH_TEXTS + 1)]

        vectors = await make().embed(texts)

        assert [len(request["input"]) for request in server.requests] == [BATCH_TEXTS, 1]
        assert np.allclose(vectors[-1], vector_of(texts[-1]), atol=1e-6)

    async def test_long_texts_are_cut_and_fill_batches_by_bytes(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        await make().embed([f"{n:04}" + "é" * TEXT_BYTES for n in range(40)])

        sizes = [sum(len(text.encode()) for text in request["input"]) for request in server.requests]
        assert sizes == [31 * TEXT_BYTES, 9 * TEXT_BYTES]
        assert max(sizes) <= BATCH_BYTES

    async def test_empty_and_broken_texts_are_made_sendable(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        await make().embed(["", "half \ud800 a pair"])

        assert server.requests[0]["input"] == [" ", "half ? a pair"]

    async def test_narrow_vectors_are_padded_with_zeros(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        server.dimensions = 768

        vectors = await make("some-local-model").embed(["one"])

        assert vectors.shape == (1, 1536)
        assert np.allclose(vectors[0, :768], vector_of("one", 768), atol=1e-6)
        assert not vectors[0, 768:].any()

    async def test_the_large_model_is_asked_to_shorten(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        server.dimensions = 3072

        vectors = await make("text-embedding-3-large").embed(["one"])

        assert server.requests[0]["dimensions"] == 1536
        assert vectors.shape == (1, 1536)

    async def test_works_without_a_key(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        await make(key=None).embed(["one"])

        assert len(server.requests) == 1

    async def test_only_our_settings_reach_the_server(
        self, server: OpenAIServer, make: MakeEmbedder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-shell")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-the-shell")

        await make().embed(["one"])

        assert "of-the-shell" not in str(server.headers[0])

    async def test_goes_on_after_close(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        embedder = make()
        await embedder.embed(["one"])

        await embedder.close()
        await embedder.embed(["two"])

        assert len(server.requests) == 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("fault", "setting"),
        [
            (Fault.UNAUTHORIZED, "CUEPOINT_OPENAI_API_KEY"),
            (Fault.FORBIDDEN, "CUEPOINT_OPENAI_API_KEY"),
            (Fault.UNKNOWN_MODEL, "CUEPOINT_EMBEDDING_MODEL"),
            (Fault.BAD_REQUEST, "CUEPOINT_EMBEDDING_MODEL"),
            (Fault.QUOTA_USED_UP, "billing"),
        ],
    )
    async def test_what_trying_again_cannot_help_names_its_cure(
        self, server: OpenAIServer, make: MakeEmbedder, fault: Fault, setting: str
    ) -> None:
        server.script(fault)

        error = await refusal(make())

        assert (error.code, error.retryable) == (ErrorCode.PROVIDER_REJECTED, False)
        assert setting in error.message
        assert len(server.requests) == 1

    async def test_the_key_is_not_in_any_message(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        server.script(Fault.UNAUTHORIZED)

        error = await refusal(make(key="sk-very-secret"))

        assert "very-secret" not in f"{error.message} {error.detail}"

    async def test_rate_limit_says_when_to_come_back(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        server.script(Fault.RATE_LIMITED)

        error = await refusal(make())

        assert (error.code, error.retryable) == (ErrorCode.PROVIDER_RATE_LIMITED, True)
        assert error.retry_after_seconds == 7.0
        assert error.detail == "Slow down."
        assert len(server.requests) == 1

    @pytest.mark.parametrize(("fault", "seconds"), [(Fault.SERVER_ERROR, None), (Fault.OVERLOADED, 3.0)])
    async def test_a_server_in_trouble_is_tried_again_later(
        self, server: OpenAIServer, make: MakeEmbedder, fault: Fault, seconds: float | None
    ) -> None:
        server.script(fault)

        error = await refusal(make())

        assert (error.code, error.retryable) == (ErrorCode.PROVIDER_UNAVAILABLE, True)
        assert error.retry_after_seconds == seconds
        assert len(server.requests) == 1

    @pytest.mark.parametrize("fault", [Fault.HANG, Fault.TRICKLE])
    async def test_a_silent_or_endless_answer_meets_the_deadline(
        self, server: OpenAIServer, make: MakeEmbedder, fault: Fault
    ) -> None:
        embedder = make(timeout=0.3)
        server.script(fault)

        async with asyncio.timeout(5):
            error = await refusal(embedder)

        assert (error.code, error.retryable) == (ErrorCode.PROVIDER_UNAVAILABLE, True)
        assert "within 0.3 seconds" in error.message

    async def test_nobody_listening_is_unavailable(self, make: MakeEmbedder) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))  # so that nobody else listens there meanwhile
            error = await refusal(make(url=f"http://127.0.0.1:{silent.getsockname()[1]}/v1"))

        assert (error.code, error.retryable) == (ErrorCode.PROVIDER_UNAVAILABLE, True)
        assert "CUEPOINT_OPENAI_BASE_URL" in error.message

    @pytest.mark.parametrize("fault", [Fault.BROKEN_JSON, Fault.HTML_PAGE])
    async def test_a_body_that_is_not_json_is_tried_again(
        self, server: OpenAIServer, make: MakeEmbedder, fault: Fault
    ) -> None:
        server.script(fault)

        error = await refusal(make())

        assert (error.code, error.retryable) == (ErrorCode.PROVIDER_BAD_RESPONSE, True)

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (Fault.NO_DATA, "no list `data`"),
            (Fault.WRONG_COUNT, "2 texts were sent, but 1 vectors"),
            (Fault.DUPLICATE_INDEX, "`index`"),
            (Fault.WRONG_DIMENSION, "768 dimensions instead of 1536"),
            (Fault.TOO_WIDE, "3072 dimensions, more than the 1536"),
            (Fault.RAGGED, "different lengths"),
            (Fault.NOT_A_NUMBER, "no numbers"),
            (Fault.ZERO_VECTOR, "zero"),
            (Fault.NOT_BASE64, "malformed"),
        ],
    )
    async def test_json_of_a_wrong_shape_is_final(
        self, server: OpenAIServer, make: MakeEmbedder, fault: Fault, words: str
    ) -> None:
        server.script(fault)

        error = await refusal(make())

        assert (error.code, error.retryable) == (ErrorCode.PROVIDER_BAD_RESPONSE, False)
        assert words in error.message
        assert "CUEPOINT_EMBEDDING_MODEL" in error.message

    async def test_a_model_that_changes_its_width_is_refused(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        embedder = make("some-local-model")
        server.dimensions = 768
        await embedder.embed(["one"])
        server.dimensions = 384

        error = await refusal(embedder)

        assert "384 dimensions instead of 768" in error.message


class TestSpace:
    def test_openai_itself(self) -> None:
        client = OpenAIClient(api_key="k", base_url=None, timeout_seconds=1)

        space = OpenAIEmbedder(client, "text-embedding-3-small").space()

        assert (space.provider, space.model, space.native_dimensions) == ("openai", "text-embedding-3-small", 1536)
        assert space.min_score == 0.15

    def test_compatible_server_is_named_by_its_host(self) -> None:
        client = OpenAIClient(api_key=None, base_url="http://models.example.org:8080/v1", timeout_seconds=1)

        space = OpenAIEmbedder(client, "bge-m3").space()

        assert (space.provider, space.native_dimensions, space.min_score) == ("models.example.org", 1024, 0.0)

    async def test_does_not_change_with_the_first_answer(self, server: OpenAIServer, make: MakeEmbedder) -> None:
        embedder = make("some-local-model")
        server.dimensions = 768
        before = embedder.space()

        await embedder.embed(["one"])

        assert embedder.space() == before
