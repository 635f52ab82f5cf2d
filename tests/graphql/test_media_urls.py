"""Signed media URLs as types hand them out."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest

from cuepoint.adapters.storage.signed_urls import UrlSigner
from cuepoint.graphql.media_urls import media_url, safe_name

ID = UUID(int=5)
SIGNER = UrlSigner(b"k" * 32)


class TestMediaUrl:
    def test_it_opens_its_path_until_it_expires(self) -> None:
        url = urlsplit(media_url("https://example.org/", SIGNER, "clips", ID, "a clip.mp4", 60))

        query = dict(parse_qsl(url.query))
        assert url.geturl().startswith(f"https://example.org/media/clips/{ID.hex}/a-clip.mp4?")
        assert SIGNER.verify(url.path, query, method="GET", now=time.time())
        assert not SIGNER.verify(url.path, query, method="GET", now=time.time() + 61)
        assert not SIGNER.verify(url.path.replace("clips", "videos"), query, method="GET", now=time.time())

    def test_a_name_is_not_needed(self) -> None:
        assert urlsplit(media_url("http://x", SIGNER, "videos", ID)).path == f"/media/videos/{ID.hex}"


class TestSafeName:
    @pytest.mark.parametrize(
        ("name", "safe"),
        [
            ("clip.mp4", "clip.mp4"),
            ("../../etc/passwd", "etc-passwd"),
            ('a"b\r\nc.mp4', "a-b-c.mp4"),
            ("映画.mp4", "mp4"),
            ("...", "file"),
            ("x" * 200 + ".mp4", "x" * 76 + ".mp4"),
        ],
    )
    def test_only_harmless_characters_stay(self, name: str, safe: str) -> None:
        assert safe_name(name) == safe
