"""URLs of sources: read strictly, so that two programs cannot read them differently, and shown without secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

from cuepoint.adapters.fetch.addresses import forbidden

MAX_URL = 4096  # characters; browsers and proxies take about as many
DEFAULT_PORTS = {"http": 80, "https": 443}
_VISIBLE = re.compile(r"[!-~]+", re.ASCII)  # no blank, no control character, nothing beyond ASCII
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMERIC = re.compile(r"(?:\d+|0x[0-9a-f]*)", re.ASCII)
MAX_NAME = 255


@dataclass(frozen=True)
class SourceUrl:
    """A parsed http(s) URL. `host` is lower case, without brackets; `target` is path and query, as they are sent."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """Scheme, host and port as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = self.port == DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{host}" + ("" if default else f":{self.port}")

    @property
    def text(self) -> str:
        """The whole URL."""
        return self.origin + self.target

    @property
    def shown(self) -> str:
        """For people and logs: the values of a query, which may be keys and signatures, are left out."""
        path, _, query = self.target.partition("?")
        return self.origin + path + ("?…" if query else "")

    @property
    def filename(self) -> str | None:
        """The last part of the path, if there is one."""
        return clean_name(unquote(self.target.partition("?")[0].rsplit("/", 1)[-1], errors="replace"))


def parse_url(text: str) -> SourceUrl:
    """The URL. Raises CuepointError URL_FORBIDDEN for whatever is not written as plain as it could be."""
    text = _ascii(text)
    if len(text) > MAX_URL or not _VISIBLE.fullmatch(text) or "\\" in text:
        raise forbidden(f"it must be a URL of at most {MAX_URL} characters without blanks and backslashes")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise forbidden("it is not a URL") from None
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise forbidden("only http:// and https:// are fetched")
    if "@" in parts.netloc:
        raise forbidden("it has a user name or password in it, which would end up in logs")
    if port == 0 or parts.netloc.endswith(":"):
        raise forbidden("its port is none")
    host = _host(parts.hostname or "")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return SourceUrl(scheme, host, port or DEFAULT_PORTS[scheme], target)


def join_url(base: SourceUrl, location: str) -> SourceUrl:
    """Where a redirect from `base` leads. Raises as `parse_url`."""
    try:
        joined = urljoin(base.text, location)
    except ValueError:
        raise forbidden("a redirect leads to what is not a URL") from None
    return parse_url(joined)


def _ascii(text: str) -> str:
    """International names in the form that the DNS has; everything else as it is."""
    if text.isascii():
        return text
    scheme, separator, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    try:
        plain = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise forbidden("its host is not a name") from None
    from urllib.parse import quote

    return scheme + separator + plain + slash + quote(path, safe="!#$%&'()*+,/:;=?@[]~-._")


def _host(host: str) -> str:
    host = host.lower().rstrip(".")
    try:
        address = ip_address(host)
    except ValueError:
        labels = host.split(".")
        if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
            raise forbidden("its host is not a name") from None
        if _NUMERIC.fullmatch(labels[-1]):  # 127.1, 0x7f.1, 2130706433: what they mean depends on who reads them
            raise forbidden("its host is a number that is not written as an address") from None
        return host
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise forbidden("its address names an interface of this machine")
    return str(address)


def is_literal(host: str) -> bool:
    """Whether the host is an address rather than a name."""
    try:
        return isinstance(ip_address(host), IPv4Address | IPv6Address)
    except ValueError:
        return False


def clean_name(name: str) -> str | None:
    """A file name for people, at most 255 characters; None when nothing is left. It is never used as a path."""
    last = PurePosixPath(name.replace("\\", "/")).name
    plain = "".join(c for c in last if c.isprintable()).strip()
    return plain[:MAX_NAME] if plain not in ("", ".", "..") else None
