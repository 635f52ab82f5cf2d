from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from cuepoint.adapters.fetch.addresses import AddressPolicy
from cuepoint.adapters.fetch.base import Opened
from cuepoint.adapters.fetch.http import HttpLimits, HttpSource
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from tests.support.hostile_web import ETAG, FILE, OTHER_PUBLIC, PUBLIC, HostileWeb, Names, Network, hostile_web

LIMITS = HttpLimits(max_bytes=1_000_000)
IMPATIENT = dataclasses.replace(LIMITS, answer_seconds=0.3, window_seconds=0.25, min_bytes_per_second=20_000)
SLOW = ("/trickle", "/slow-headers", "/silent")


@pytest.fixture
async def web() -> AsyncIterator[HostileWeb]:
    async with hostile_web() as running:
        yield running


@pytest.fixture
def network(web: HostileWeb) -> Network:
    return Network(web)


def source(network: Network, limits: HttpLimits = LIMITS, **names: list[list[str]]) -> HttpSource:
    """A fetcher that may meet public addresses only, in a world where names lead where the test says."""
    resolver = Names(**({"films_example": [[PUBLIC]]} | names))
    return HttpSource(AddressPolicy.of([80, 443], []), limits, resolver=resolver, network=network)


async def read(source: HttpSource, path: str, host: str = "films.example", **place: object) -> tuple[Opened, bytes]:
    async with source.open(f"http://{host}{path}", **place) as opened:  # type: ignore[arg-type]
        return opened, b"".join([piece async for piece in opened.stream])


class TestOpen:
    async def test_brings_the_file_and_what_is_told_of_it(self, network: Network, web: HostileWeb) -> None:
        opened, data = await read(source(network), "/file/film.mp4?token=1")

        assert data == FILE
        assert (opened.start, opened.size_bytes, opened.validator) == (0, len(FILE), ETAG)
        assert (opened.filename, opened.content_type, opened.is_page) == ("film.mp4", "video/mp4", False)
        assert network.connected == [(PUBLIC, 80)]
        sent = web.requests[0].headers
        assert sent == {
            "host": "films.example",
            "user-agent": "Cuepoint",
            "accept": "*/*",
            "accept-encoding": "identity",
        }

    async def test_the_name_in_the_header_is_cleaned(self, network: Network) -> None:
        opened, _ = await read(source(network), "/named")

        assert opened.filename == "€film.mp4"

    async def test_goes_on_in_the_middle(self, network: Network) -> None:
        opened, data = await read(source(network), "/file", start=1000, validator=ETAG)

        assert (opened.start, opened.size_bytes) == (1000, len(FILE))
        assert data == FILE[1000:]

    async def test_begins_anew_when_the_file_has_changed(self, network: Network, web: HostileWeb) -> None:
        web.file, web.etag = b"another file", '"two"'

        opened, data = await read(source(network), "/file", start=1000, validator=ETAG)

        assert (opened.start, opened.validator, data) == (0, '"two"', b"another file")

    async def test_begins_anew_when_a_server_gives_the_end_of_another_file(
        self, network: Network, web: HostileWeb
    ) -> None:
        web.file, web.etag, web.ignores_if_range = b"another file" * 200, '"two"', True

        opened, data = await read(source(network), "/file", start=1000, validator=ETAG)

        assert (opened.start, opened.validator, data) == (0, '"two"', web.file)
        assert ["range" in request.headers for request in web.requests] == [True, False]

    async def test_begins_anew_without_a_validator(self, network: Network, web: HostileWeb) -> None:
        opened, data = await read(source(network), "/file", start=1000)

        assert (opened.start, data) == (0, FILE)
        assert "range" not in web.requests[0].headers

    async def test_tls_asks_for_the_name_at_the_checked_address(self, network: Network) -> None:
        with pytest.raises(AdapterError):
            async with source(network).open("https://films.example/file"):
                pass

        assert network.connected == [(PUBLIC, 443)]
        assert network.tls_names == ["films.example"]

    async def test_tries_the_next_address(self, network: Network) -> None:
        there = source(network, films_example=[["1.2.3.4", PUBLIC]])

        _, data = await read(there, "/file")

        assert data == FILE
        assert network.connected == [("1.2.3.4", 80), (PUBLIC, 80)]

    @pytest.mark.parametrize(
        ("content_type", "body", "is_page"),
        [
            ("text/html; charset=utf-8", b"<p>", True),
            ("application/octet-stream", b"  <!DOCTYPE html><title>", True),
            ("application/vnd.apple.mpegurl", b"#EXTM3U", True),
            ("video/mp4", b"#EXTM3U\n#EXT-X", True),
            ("application/dash+xml", b"<MPD>", True),
            ("video/mp4", b'<?xml version="1.0"?><MPD xmlns="x">', True),
            ("video/mp4", b"\x00\x00\x00\x18ftypmp42", False),
            ("text/plain", b"hello", False),
        ],
        ids=["html", "html_inside", "hls", "hls_inside", "dash", "dash_inside", "mp4", "text"],
    )
    async def test_tells_pages_from_files(
        self, network: Network, web: HostileWeb, content_type: str, body: bytes, is_page: bool
    ) -> None:
        web.documents["/thing"] = (content_type, body)

        opened, data = await read(source(network), "/thing")

        assert (opened.is_page, data) == (is_page, body)


class TestForbiddenAddresses:
    @pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
    async def test_a_name_that_leads_inside_is_refused_before_a_connection(
        self, network: Network, address: str
    ) -> None:
        with pytest.raises(CuepointError) as refused:
            await read(source(network, films_example=[[address]]), "/file")

        assert refused.value.code is ErrorCode.URL_FORBIDDEN
        assert network.connected == []

    async def test_one_inner_address_among_public_ones_refuses_all(self, network: Network) -> None:
        with pytest.raises(CuepointError) as refused:
            await read(source(network, films_example=[[PUBLIC, "192.168.0.1"]]), "/file")

        assert refused.value.code is ErrorCode.URL_FORBIDDEN
        assert network.connected == []

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "192.168.1.1", "[::ffff:127.0.0.1]"])
    async def test_a_literal_address_is_refused(self, network: Network, host: str) -> None:
        with pytest.raises(CuepointError) as refused:
            await read(source(network), "/file", host)

        assert refused.value.code is ErrorCode.URL_FORBIDDEN
        assert network.connected == []

    async def test_a_name_that_is_rebound_is_met_where_it_was_checked(self, network: Network) -> None:
        resolver = Names(films_example=[[PUBLIC], ["127.0.0.1"]])
        there = HttpSource(AddressPolicy.of([80], []), LIMITS, resolver=resolver, network=network)

        _, data = await read(there, "/file")

        assert data == FILE
        assert (resolver.asked, network.connected) == (["films.example"], [(PUBLIC, 80)])

    async def test_a_name_that_is_rebound_between_two_requests_is_refused(self, network: Network) -> None:
        resolver = Names(films_example=[[PUBLIC], ["127.0.0.1"]])
        there = HttpSource(AddressPolicy.of([80], []), LIMITS, resolver=resolver, network=network)
        await read(there, "/file")

        with pytest.raises(CuepointError) as refused:
            await read(there, "/file", start=1000, validator=ETAG)

        assert refused.value.code is ErrorCode.URL_FORBIDDEN
        assert network.connected == [(PUBLIC, 80)]

    @pytest.mark.parametrize(
        "location",
        [
            "http://127.0.0.1/file",
            "http://169.254.169.254/latest/meta-data/",
            "http://inner.example/file",
            "http://[::1]/",
            "http://films.example:6379/",
            "file:///etc/passwd",
            "http://ada:pw@films.example/file",
        ],
    )
    async def test_a_redirect_inside_is_refused(self, network: Network, location: str) -> None:
        with pytest.raises(CuepointError) as refused:
            await read(source(network, inner_example=[["10.0.0.7"]]), f"/redirect?{location}")

        assert refused.value.code is ErrorCode.URL_FORBIDDEN
        assert network.connected == [(PUBLIC, 80)]

    async def test_a_redirect_to_another_public_host_is_followed(self, network: Network, web: HostileWeb) -> None:
        _, data = await read(source(network, other_example=[[OTHER_PUBLIC]]), "/redirect?http://other.example/file")

        assert data == FILE
        assert network.connected == [(PUBLIC, 80), (OTHER_PUBLIC, 80)]
        assert [request.headers["host"] for request in web.requests] == ["films.example", "other.example"]


class TestCauses:
    @pytest.mark.parametrize(
        ("path", "code", "is_retryable"),
        [
            ("/status/401", ErrorCode.SOURCE_LOGIN_REQUIRED, False),
            ("/status/402", ErrorCode.SOURCE_LOGIN_REQUIRED, False),
            ("/status/403", ErrorCode.SOURCE_LOGIN_REQUIRED, False),
            ("/bot-wall", ErrorCode.SOURCE_BOT_CHECK, False),
            ("/status/404", ErrorCode.SOURCE_GONE, False),
            ("/status/410", ErrorCode.SOURCE_GONE, False),
            ("/status/408", ErrorCode.SOURCE_TIMEOUT, True),
            ("/status/418", ErrorCode.SOURCE_UNAVAILABLE, False),
            ("/status/429", ErrorCode.SOURCE_UNAVAILABLE, True),
            ("/status/451", ErrorCode.SOURCE_GEO_BLOCKED, False),
            ("/status/500", ErrorCode.SOURCE_UNAVAILABLE, True),
            ("/status/503", ErrorCode.SOURCE_UNAVAILABLE, True),
            ("/loop/1", ErrorCode.SOURCE_UNAVAILABLE, False),
            ("/bomb", ErrorCode.SOURCE_UNAVAILABLE, False),
            ("/wrong-range", ErrorCode.SOURCE_UNAVAILABLE, False),
            ("/trickle", ErrorCode.SOURCE_TIMEOUT, True),
            ("/slow-headers", ErrorCode.SOURCE_TIMEOUT, True),
            ("/silent", ErrorCode.SOURCE_TIMEOUT, True),
            ("/says-more", ErrorCode.SOURCE_UNAVAILABLE, True),
        ],
    )
    async def test_each_has_its_code(self, network: Network, path: str, code: ErrorCode, is_retryable: bool) -> None:
        place = {"start": 1000, "validator": ETAG} if path == "/wrong-range" else {}

        with pytest.raises(AdapterError) as failed:
            await read(source(network, IMPATIENT if path in SLOW else LIMITS), path, **place)

        assert (failed.value.code, failed.value.retryable) == (code, is_retryable)

    async def test_a_server_that_asks_to_wait_is_waited_for(self, network: Network) -> None:
        with pytest.raises(AdapterError) as failed:
            await read(source(network), "/status/429")

        assert failed.value.retry_after_seconds == 7

    async def test_redirects_end(self, network: Network, web: HostileWeb) -> None:
        with pytest.raises(AdapterError):
            await read(source(network), "/loop/0")

        assert web.paths() == [f"/loop/{n}" for n in range(6)]

    async def test_an_unknown_name(self, network: Network) -> None:
        with pytest.raises(AdapterError) as failed:
            await read(source(network), "/file", "nowhere.example")

        assert (failed.value.code, failed.value.retryable) == (ErrorCode.SOURCE_UNAVAILABLE, True)
        assert network.connected == []

    async def test_a_compressed_answer_is_never_unpacked(self, network: Network) -> None:
        with pytest.raises(AdapterError, match="compressed"):
            await read(source(network), "/bomb")


class TestSizes:
    async def test_a_declared_size_beyond_the_limit_is_refused_at_once(self, network: Network) -> None:
        limits = dataclasses.replace(LIMITS, max_bytes=len(FILE) - 1)

        with pytest.raises(CuepointError) as refused:
            async with source(network, limits).open("http://films.example/file"):
                raise AssertionError("the file was opened")

        assert refused.value.code is ErrorCode.SOURCE_TOO_LARGE

    async def test_an_endless_body_is_cut_at_the_limit(self, network: Network) -> None:
        with pytest.raises(CuepointError) as refused:
            await read(source(network), "/endless")

        assert refused.value.code is ErrorCode.SOURCE_TOO_LARGE

    async def test_no_more_is_taken_than_was_declared(self, network: Network) -> None:
        opened, data = await read(source(network), "/says-less")

        assert (opened.size_bytes, data) == (1000, FILE[:1000])

    async def test_an_endless_download_ends(self, network: Network) -> None:
        limits = dataclasses.replace(LIMITS, max_bytes=10**12, total_seconds=0.2)

        with pytest.raises(AdapterError) as failed:
            await read(source(network, limits), "/endless")

        assert failed.value.code is ErrorCode.SOURCE_TIMEOUT

    async def test_a_cancel_closes_the_connection_at_once(self, network: Network, web: HostileWeb) -> None:
        begun = asyncio.Event()

        async def fetch() -> None:
            async with source(network).open("http://films.example/held") as opened:
                async for _ in opened.stream:
                    begun.set()

        running = asyncio.create_task(fetch())
        await begun.wait()
        running.cancel()

        async with asyncio.timeout(1):
            with pytest.raises(asyncio.CancelledError):
                await running
