"""Which addresses may be connected to: an explicit list of what is refused, and the operator's exceptions.

Python's own `is_global` is not enough: 3.11 lets 192.0.0.192, a metadata service, through. So the list stands here, by
the special-purpose registries of IANA (https://www.iana.org/assignments/iana-ipv4-special-registry and the one for
IPv6), with what cloud providers put elsewhere. Of IPv6 only what is handed out to the public (2000::/3) passes, and an
IPv4 address inside an IPv6 one is checked as that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from cuepoint.errors import CuepointError, ErrorCode

Network = IPv4Network | IPv6Network

DENIED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; 100.100.100.200 is Alibaba's metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform service, in public space
        "169.254.0.0/16",  # link-local; 169.254.169.254 is most clouds' metadata service
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is Oracle's metadata service
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
PUBLIC_V6 = IPv6Network("2000::/3")
DENIED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo (2001::/32) and ORCHID among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address of any kind inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)  # the upper half of an interface id that holds an IPv4 address (RFC 5214)


def is_denied(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address is none of the public internet."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in DENIED_V4)
    number = int(address)
    embedded = IPv4Address(number & 0xFFFFFFFF)
    if address.scope_id is not None:
        return True
    if address in _MAPPED or address in _NAT64:
        return is_denied(embedded)
    if address not in PUBLIC_V6 or any(address in network for network in DENIED_V6):
        return True
    return (number >> 32) & 0xFFFFFFFF in _ISATAP and is_denied(embedded)


@dataclass(frozen=True)
class AddressPolicy:
    """Public addresses at the usual ports; `hosts` and `networks` are the operator's exceptions, at any port."""

    ports: frozenset[int]
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, ports: Iterable[int], hosts: Iterable[str]) -> AddressPolicy:
        """From settings: a host is a name, or an address, or a network as `10.1.0.0/16`. Raises ValueError."""
        names, networks = set(), []
        for host in hosts:
            if "/" in host:
                networks.append(ip_network(host))
            else:
                names.add(host.lower().rstrip("."))
        return cls(frozenset(ports), frozenset(names), tuple(networks))

    def check_host(self, host: str, port: int) -> None:
        """Pass if the host may be asked at that port, as far as the name tells. Raises URL_FORBIDDEN."""
        if host in self.hosts or port in self.ports:
            return
        try:
            if self._is_excepted(ip_address(host)):
                return
        except ValueError:
            pass
        raise forbidden(f"port {port} is none of {', '.join(map(str, sorted(self.ports)))}")

    def check_address(self, host: str, address: str, port: int) -> None:
        """Pass if `host` may be met at this address, which is the one that is connected to. Raises URL_FORBIDDEN."""
        try:
            found = ip_address(address)
        except ValueError:
            raise forbidden("it has no address of the internet") from None
        if host in self.hosts or self._is_excepted(found):
            return
        if is_denied(found):
            raise forbidden("it leads to an address that is not of the public internet")
        if port not in self.ports:
            raise forbidden(f"port {port} is none of {', '.join(map(str, sorted(self.ports)))}")

    def _is_excepted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address.version == network.version and address in network for network in self.networks)


def forbidden(reason: str) -> CuepointError:
    """What every refused address is told as."""
    return CuepointError(
        ErrorCode.URL_FORBIDDEN,
        f"This URL is not fetched: {reason}.",
        field=("url",),
        hint="Give a public address; an operator can allow an internal one by CUEPOINT_FETCH_ALLOWED_HOSTS.",
    )
