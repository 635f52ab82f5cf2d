from __future__ import annotations

import pytest

from cuepoint.adapters.fetch.urls import SourceUrl, clean_name, join_url, parse_url
from cuepoint.errors import CuepointError, ErrorCode

REFUSED = {
    "empty": "",
    "no_scheme": "example.org/film.mp4",
    "file": "file:///etc/passwd",
    "gopher": "gopher://example.org/",
    "ftp": "ftp://example.org/film.mp4",
    "javascript": "javascript:alert(1)",
    "user": "https://ada@example.org/film.mp4",
    "password": "https://ada:secret@example.org/film.mp4",
    "empty_user": "https://@example.org/film.mp4",
    "host_behind_an_at": "http://example.org@127.0.0.1/",
    "backslash": "http://example.org\\@127.0.0.1/",
    "blank": "http://example.org/a b",
    "tab": "http://exam\tple.org/",
    "newline": "http://example.org/\r\nX-Evil: 1",
    "nul": "http://example.org/\x00",
    "no_host": "http:///film.mp4",
    "port_zero": "http://example.org:0/",
    "port_empty": "http://example.org:/",
    "port_too_high": "http://example.org:65536/",
    "port_text": "http://example.org:http/",
    "decimal_address": "http://2130706433/",
    "short_address": "http://127.1/",
    "octal_address": "http://0177.0.0.1/",
    "hexadecimal_address": "http://0x7f000001/",
    "hexadecimal_label": "http://example.0x1/",
    "empty_label": "http://example..org/",
    "percent_in_host": "http://exa%6dple.org/",
    "zone": "http://[fe80::1%25eth0]/",
    "open_bracket": "http://[::1/",
    "too_long": "http://example.org/" + "a" * 4096,
}


class TestParseUrl:
    def test_plain_url(self) -> None:
        assert parse_url("HTTPS://Example.ORG./a/film.mp4?token=1#part") == SourceUrl(
            "https", "example.org", 443, "/a/film.mp4?token=1"
        )

    def test_addresses_and_ports(self) -> None:
        assert parse_url("http://[2606:4700::1]:8080").text == "http://[2606:4700::1]:8080/"
        assert parse_url("http://8.8.8.8:80/x").text == "http://8.8.8.8/x"

    def test_international_names(self) -> None:
        assert (
            parse_url("https://bücher.example/straße?q=ö").text == "https://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%B6"
        )

    @pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(CuepointError) as refused:
            parse_url(text)

        assert refused.value.code is ErrorCode.URL_FORBIDDEN
        assert "secret" not in refused.value.message


class TestShown:
    def test_leaves_the_query_out(self) -> None:
        url = parse_url("https://example.org/film.mp4?X-Amz-Signature=secret")

        assert url.shown == "https://example.org/film.mp4?…"
        assert url.filename == "film.mp4"


class TestJoinUrl:
    def test_relative_and_absolute(self) -> None:
        base = parse_url("https://example.org/a/b?c")

        assert join_url(base, "d?e").text == "https://example.org/a/d?e"
        assert join_url(base, "//other.org/f").text == "https://other.org/f"
        assert join_url(base, "http://third.org").text == "http://third.org/"

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "//user:pw@example.org/", "http://127.1/", "http://["])
    def test_refuses_what_a_url_may_not_be(self, location: str) -> None:
        with pytest.raises(CuepointError):
            join_url(parse_url("https://example.org/"), location)


class TestCleanName:
    @pytest.mark.parametrize(
        ("given", "cleaned"),
        [
            ("film.mp4", "film.mp4"),
            ("../../etc/passwd", "passwd"),
            ("C:\\films\\one.mp4", "one.mp4"),
            ("fi\x00l\nm.mp4", "film.mp4"),
            ("..", None),
            ("", None),
            ("a" * 300, "a" * 255),
        ],
        ids=["plain", "path", "windows", "control", "dots", "empty", "long"],
    )
    def test_cleans(self, given: str, cleaned: str | None) -> None:
        assert clean_name(given) == cleaned
