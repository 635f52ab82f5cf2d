from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cuepoint.adapters.fetch.sites import YtDlpSites
from cuepoint.config import Settings, load_settings
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from tests.support.hostile_web import HostileWeb, hostile_web


@pytest.fixture(scope="module")
async def web() -> AsyncIterator[HostileWeb]:
    async with hostile_web() as running:
        running.documents |= {
            "/live": ("text/html", page(running.url("/list.m3u8"))),
            "/list.m3u8": ("application/vnd.apple.mpegurl", playlist("/seg/1.ts", "/seg/2.ts")),
            "/seg/1.ts": ("video/mp2t", b"G" * 188 * 10),
            "/seg/2.ts": ("video/mp2t", b"H" * 188 * 10),
            "/bad.m3u8": ("application/vnd.apple.mpegurl", playlist("/seg/1.ts", "http://127.0.0.2:9/secret.ts")),
            "/bad-live": ("text/html", page(running.url("/bad.m3u8"))),
            "/good.mpd": ("application/dash+xml", manifest("/begin.mp4", "/seg/1.m4s", "/seg/2.m4s")),
            "/begin.mp4": ("video/mp4", b"F" * 100),
            "/seg/1.m4s": ("video/mp4", b"G" * 1000),
            "/seg/2.m4s": ("video/mp4", b"H" * 1000),
            "/bad.mpd": (
                "application/dash+xml",
                manifest("/begin.mp4", "/seg/1.m4s", "http://127.0.0.2:9/secret.m4s"),
            ),
            "/slow": ("text/html", page(running.url("/trickle/film.mp4"))),
            "/feed.rss": ("application/rss+xml", feed(running.url("/live"), running.url("/slow"))),
        }
        yield running


def page(video: str) -> bytes:
    return (
        "<!DOCTYPE html><html><head><title>A film</title>"
        f'<meta property="og:title" content="A film"></head><body><video src="{video}"></video></body></html>'
    ).encode()


def playlist(*segments: str) -> bytes:
    entries = "".join(f"#EXTINF:2.0,\n{segment}\n" for segment in segments)
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
    return f"{head}{entries}#EXT-X-ENDLIST\n".encode()


def manifest(first: str, *segments: str) -> bytes:
    """MPEG-DASH: one stream in pieces of two seconds."""
    pieces = "".join(f'<SegmentURL media="{segment}"/>' for segment in segments)
    stream = (
        '<Representation id="v" bandwidth="8000" codecs="avc1.42c00d" width="64" height="36">'
        f'<SegmentList duration="2"><Initialization sourceURL="{first}"/>{pieces}</SegmentList></Representation>'
    )
    head = '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
    length = f"PT{2 * len(segments)}S"
    return (
        f'{head} mediaPresentationDuration="{length}"><Period duration="{length}">'
        f'<AdaptationSet mimeType="video/mp4">{stream}</AdaptationSet></Period></MPD>'
    ).encode()


def feed(*links: str) -> bytes:
    items = "".join(f"<item><title>Entry {n}</title><link>{link}</link></item>" for n, link in enumerate(links))
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Feed</title>{items}</channel></rss>'.encode()


def settings(tmp_path: Path, **values: str) -> Settings:
    given = {
        "CUEPOINT_HOME": str(tmp_path),
        "CUEPOINT_MIN_FREE_BYTES": "0",
        "CUEPOINT_FETCH_ALLOWED_HOSTS": "127.0.0.1",
    }
    return load_settings(given | values)


def nothing(_done: int, _total: int | None) -> None:
    return None


async def failure(sites: YtDlpSites, url: str, directory: Path) -> Any:
    with pytest.raises((CuepointError, AdapterError)) as failed:
        await sites.download(url, directory, nothing)
    return failed.value


class TestDownload:
    async def test_brings_the_video_of_a_page(self, web: HostileWeb, tmp_path: Path) -> None:
        told: list[int] = []

        def on_bytes(done: int, _total: int | None) -> None:
            told.append(done)

        found = await YtDlpSites(settings(tmp_path)).download(web.url("/live"), tmp_path, on_bytes)

        assert found.path.read_bytes() == b"G" * 1880 + b"H" * 1880
        assert found.path.parent == tmp_path
        assert (found.title, found.extractor) == ("A film", "HTML5MediaEmbed")
        assert found.extractor_version.startswith("yt-dlp 20")
        assert told[-1] == 3760

    async def test_captions_that_cannot_be_had_are_left_out(self, web: HostileWeb, tmp_path: Path) -> None:
        tracks = "".join(
            f'<track kind="captions" srclang="{language}" src="{web.url(path)}">'
            for language, path in [
                ("aa", "/status/404"),
                ("bb", "/status/429"),
                *((f"c{n}", "/c.vtt") for n in range(9)),
            ]
        )
        body = f'<title>A film</title><video src="{web.url("/seg/1.ts")}">{tracks}</video>'
        web.documents["/captioned"] = ("text/html", f"<!DOCTYPE html><html>{body}</html>".encode())
        web.documents["/c.vtt"] = ("text/vtt", b"WEBVTT")
        before = len(web.requests)

        found = await YtDlpSites(settings(tmp_path)).download(web.url("/captioned"), tmp_path, nothing)

        assert found.path.read_bytes() == b"G" * 1880
        assert [(one.language, one.extension) for one in found.captions] == [(f"c{n}", "vtt") for n in range(6)]
        assert web.paths()[before:].count("/c.vtt") == 6

    async def test_a_caption_at_an_inner_address_is_refused(self, web: HostileWeb, tmp_path: Path) -> None:
        track = '<track kind="captions" srclang="en" src="http://127.0.0.2:9/secret.vtt">'
        body = f'<title>A film</title><video src="{web.url("/seg/1.ts")}">{track}</video>'
        web.documents["/bad-captions"] = ("text/html", f"<!DOCTYPE html><html>{body}</html>".encode())

        error = await failure(YtDlpSites(settings(tmp_path)), web.url("/bad-captions"), tmp_path)

        assert error.code is ErrorCode.URL_FORBIDDEN

    async def test_puts_the_pieces_of_a_dash_manifest_together(self, web: HostileWeb, tmp_path: Path) -> None:
        found = await YtDlpSites(settings(tmp_path)).download(web.url("/good.mpd"), tmp_path, nothing)

        assert found.path.read_bytes() == b"F" * 100 + b"G" * 1000 + b"H" * 1000

    @pytest.mark.parametrize("path", ["/bad-live", "/bad.mpd"], ids=["hls", "dash"])
    async def test_a_segment_at_an_inner_address_is_refused(self, web: HostileWeb, tmp_path: Path, path: str) -> None:
        error = await failure(YtDlpSites(settings(tmp_path)), web.url(path), tmp_path)

        assert error.code is ErrorCode.URL_FORBIDDEN

    async def test_the_page_itself_may_not_be_inside(self, web: HostileWeb, tmp_path: Path) -> None:
        closed = settings(tmp_path, CUEPOINT_FETCH_ALLOWED_HOSTS="")
        before = len(web.requests)

        error = await failure(YtDlpSites(closed), web.url("/live"), tmp_path)

        assert error.code is ErrorCode.URL_FORBIDDEN
        assert len(web.requests) == before

    async def test_a_trickle_is_ended_by_the_clock_of_the_parent(self, web: HostileWeb, tmp_path: Path) -> None:
        sites = YtDlpSites(settings(tmp_path, CUEPOINT_FETCH_MIN_BYTES_PER_SECOND="100000"), silence_seconds=1)

        error = await failure(sites, web.url("/slow"), tmp_path)

        assert (error.code, error.retryable) == (ErrorCode.SOURCE_TIMEOUT, True)


class TestPlaylist:
    async def test_reads_the_first_entries(self, web: HostileWeb, tmp_path: Path) -> None:
        found = await YtDlpSites(settings(tmp_path)).playlist(web.url("/feed.rss"), 1)

        assert [(entry.url, entry.title) for entry in found.entries] == [(web.url("/live"), "Entry 0")]
        assert found.title == "Feed"
