"""The same rules for addresses inside a child process whose library makes its own connections.

An audit hook sees every `connect` of Python's sockets with the very address that is connected to, whatever name,
redirect or playlist led there. It cannot be taken off again. Programs are not started, and C libraries with networking
of their own are not imported: the hook would not see what they do.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cuepoint.adapters.fetch.addresses import AddressPolicy
from cuepoint.errors import CuepointError

FORBIDDEN_MODULES = ("curl_cffi", "pycurl")  # networking in C
_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_PROGRAMS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"}
)


class RefusedError(PermissionError):
    """A connection or a program that this child may not have."""


@dataclass
class Guard:
    """`refused` are the connections that were: a library may swallow the exception."""

    policy: AddressPolicy
    exceptions: frozenset[str] = frozenset()
    refused: list[str] = field(default_factory=list)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook."""
        if event in _CONNECTS:
            self._check_address(arguments[0], arguments[1])
        elif event in _PROGRAMS:
            raise RefusedError("programs are not started here")  # libraries look for tools, and do without

    def _check_address(self, used: socket.socket, address: Any) -> None:
        if used.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
            self._refuse("a connection that is none of the internet")
        host, port = str(address[0]), int(address[1])
        if host in self.exceptions:
            return
        try:
            self.policy.check_address(host, host, port)
        except CuepointError as error:
            self._refuse(error.message)

    def _refuse(self, reason: str) -> None:
        self.refused.append(reason)
        raise RefusedError(reason)


def install_guard(ports: Sequence[int], hosts: Sequence[str]) -> Guard:
    """From now on this process connects to allowed addresses only. The operator's named hosts are resolved once, now:
    a name is no exception for whoever can make it lead elsewhere later."""
    policy = AddressPolicy.of(ports, hosts)
    guard = Guard(policy, frozenset(address for host in policy.hosts for address in _addresses(host)))
    for name in FORBIDDEN_MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails
    sys.addaudithook(guard)
    return guard


def _addresses(host: str) -> set[str]:
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return set()
