"""The client of OpenAI and of every server that speaks its protocol, shared by the adapters that call one.

It leaves the endpoints to those adapters, and gives them three things: the openai package loaded at the first call
(0.7 s and 40 MB that a process without a key never pays), one deadline for a whole call, and errors as ours:

    401, 403, 400, 404, 422 and other 4xx   PROVIDER_REJECTED, no retry: the same request fails again
    429                                     PROVIDER_RATE_LIMITED, retry after what the server asks for
    429 with `insufficient_quota`           PROVIDER_REJECTED: waiting does not fill an account
    408, 409, 5xx, time-out, no connection  PROVIDER_UNAVAILABLE, retry
    200 whose body is not JSON              PROVIDER_BAD_RESPONSE, retry: a body cut off, a gateway's page
    200 with JSON of another shape          PROVIDER_BAD_RESPONSE, no retry: the server speaks another protocol

The client itself never tries again: the job layer does, where it is seen and can be cancelled.
"""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.processes.listening import say
from cuepoint.processes.metering import Use

if TYPE_CHECKING:
    from openai import APIError, APIStatusError, AsyncOpenAI

DEFAULT_BASE_URL = "https://api.openai.com/v1"
MAX_RETRY_AFTER_SECONDS = 3600.0  # whoever asks for more is asked again after an hour
_SHOWN_CHARACTERS = 300  # of the server's own words
_RETRYABLE_STATUS = (408, 409)  # time-out and conflict of locks, as the openai package sees them too

_CURES = {
    400: "Check the model and what it accepts ({model_setting}).",
    401: "Check the key (CUEPOINT_OPENAI_API_KEY).",
    403: "Check what the key (CUEPOINT_OPENAI_API_KEY) may use, and the model ({model_setting}).",
    404: "Check the address (CUEPOINT_OPENAI_BASE_URL, ends in /v1) and the model ({model_setting}).",
}
_CURE = "Check CUEPOINT_OPENAI_BASE_URL and {model_setting}."


BYTES_PER_TOKEN = 3  # of text of whose tokens a server says nothing; English has 4, most other languages less


def use_of(answer: Any, model: str, *, sent_bytes: int) -> Use:
    """The tokens that an answer says it took; a server that says nothing of them has not worked for nothing."""
    said = answer.get("usage") if isinstance(answer, dict) else None
    said = said if isinstance(said, dict) else {}
    sent, received = (
        next((said[name] for name in names if isinstance(said.get(name), int)), None)
        for names in (("prompt_tokens", "input_tokens", "total_tokens"), ("completion_tokens", "output_tokens"))
    )
    return Use(model, -(-sent_bytes // BYTES_PER_TOKEN) if sent is None else max(0, sent), max(0, received or 0))


class OpenAIClient:
    """One server, one key. Safe to share between the tasks of one event loop."""

    def __init__(self, *, api_key: str | None, base_url: str | None, timeout_seconds: float) -> None:
        self._api_key = api_key
        self._base_url = base_url or DEFAULT_BASE_URL
        self._timeout_seconds = timeout_seconds
        self._client: AsyncOpenAI | None = None
        self._opening = asyncio.Lock()

    @property
    def provider(self) -> str:
        """`openai`, or the host of the compatible server."""
        host = urlsplit(self._base_url).hostname or self._base_url
        return "openai" if host == urlsplit(DEFAULT_BASE_URL).hostname else host

    async def call_json(self, send: Callable[[AsyncOpenAI], Awaitable[bytes]], *, model_setting: str) -> Any:
        """What `send` got back as a body, parsed. `model_setting` is the setting that names the model, for cures.

        Raises AdapterError as this module's head says.
        """
        began = time.monotonic()
        try:
            answer, size = await self._call(send, model_setting)
        except AdapterError as error:
            say(f"[{self.provider}: {error.code.value} after {time.monotonic() - began:.1f} s] {error.message}\n")
            raise
        say(f"[{self.provider}: {size} bytes after {time.monotonic() - began:.1f} s]\n")
        return answer

    async def _call(self, send: Callable[[AsyncOpenAI], Awaitable[bytes]], model_setting: str) -> tuple[Any, int]:
        """The parsed body, and its size in bytes."""
        client = await self._open()
        from openai import APIConnectionError, APIError

        try:
            async with asyncio.timeout(self._timeout_seconds):
                body = await send(client)
        except APIConnectionError as error:  # its time-out is one of these
            raise self._unreachable(error) from error
        except TimeoutError as error:
            raise self._unreachable(error) from error
        except APIError as error:
            raise self._refused(error, model_setting) from error
        try:
            return orjson.loads(body), len(body)
        except ValueError as error:
            raise AdapterError(
                ErrorCode.PROVIDER_BAD_RESPONSE,
                f"{self.provider} answered with something that is not JSON. "
                + _CURE.format(model_setting=model_setting),
                retryable=True,
                detail=self._masked(body.decode("utf-8", "replace")),
            ) from error

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _open(self) -> AsyncOpenAI:
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._build)
            return self._client

    def _build(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        client = AsyncOpenAI(
            api_key=self._api_key or "none",  # servers on one's own machine ask for none, the package does
            base_url=self._base_url,
            timeout=self._timeout_seconds,
            max_retries=0,
        )
        client.organization = client.project = (
            None  # the package reads OPENAI_* variables; our settings are the only ones
        )
        return client

    def _masked(self, words: str) -> str:
        """A provider's words, shortened and without our key: whoever sees the job sees them."""
        text = words.replace(self._api_key, "***") if self._api_key else words
        return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"

    def _unreachable(self, error: Exception) -> AdapterError:
        from openai import APITimeoutError

        late = isinstance(error, TimeoutError | APITimeoutError)
        what = f"did not answer within {self._timeout_seconds:g} seconds" if late else "cannot be reached"
        return AdapterError(
            ErrorCode.PROVIDER_UNAVAILABLE,
            f"{self.provider} {what}. Check the network, CUEPOINT_OPENAI_BASE_URL and "
            "CUEPOINT_PROVIDER_TIMEOUT_SECONDS.",
            retryable=True,
            detail=self._masked(str(error.__cause__ or error)),
        )

    def _refused(self, error: APIError, model_setting: str) -> AdapterError:
        from openai import APIStatusError

        words = self._masked(_words(error))
        if not isinstance(error, APIStatusError):
            return AdapterError(
                ErrorCode.PROVIDER_BAD_RESPONSE,
                f"{self.provider} gave an answer that does not fit its protocol: {words}",
                retryable=False,
                detail=words,
            )
        status = error.status_code
        if status == 429:
            return self._limited(error, words)
        if status >= 500 or status in _RETRYABLE_STATUS:
            return AdapterError(
                ErrorCode.PROVIDER_UNAVAILABLE,
                f"{self.provider} failed with status {status}: {words}",
                retryable=True,
                retry_after_seconds=retry_after_seconds(error.response.headers, now=time.time()),
                detail=words,
            )
        cure = _CURES.get(status, _CURE).format(model_setting=model_setting)
        return AdapterError(
            ErrorCode.PROVIDER_REJECTED,
            f"{self.provider} refused the request with status {status}: {words} {cure}",
            retryable=False,
            detail=words,
        )

    def _limited(self, error: APIStatusError, words: str) -> AdapterError:
        if "insufficient_quota" in (error.code, error.type):
            return AdapterError(
                ErrorCode.PROVIDER_REJECTED,
                f"{self.provider} says that the account's quota is used up: {words} Check the plan and billing "
                "of the account that CUEPOINT_OPENAI_API_KEY belongs to.",
                retryable=False,
                detail=words,
            )
        return AdapterError(
            ErrorCode.PROVIDER_RATE_LIMITED,
            f"{self.provider} asks to slow down: {words}",
            retryable=True,
            retry_after_seconds=retry_after_seconds(error.response.headers, now=time.time()),
            detail=words,
        )


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> float | None:
    """What a `Retry-After` (or OpenAI's `retry-after-ms`) header asks for, between 0 and an hour; else None."""
    seconds: float | None = None
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        seconds = milliseconds / 1000
    elif (value := headers.get("retry-after")) is not None:
        seconds = _number(value)
        if seconds is None and (moment := email.utils.parsedate_tz(value)) is not None:
            seconds = email.utils.mktime_tz(moment) - now
    return None if seconds is None else min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < float("inf") else None


def _words(error: APIError) -> str:
    """The server's own message, without the package's wrapping."""
    body = error.body
    inner = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(inner or error.message).split())
