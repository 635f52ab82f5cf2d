"""As whom the embedded servers run: Postgres refuses root, so root drops to an account without rights.

A checkout below /root (mode 0700) cannot be read by that account. Instead of opening the directories to everyone, the
server then keeps one capability of root's, CAP_DAC_OVERRIDE, which containers grant by default.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cuepoint.embedded.errors import EmbeddedError
from cuepoint.processes.child import child_environment

# initdb looks its own account up in the passwd file, so a bare number does not do. Debian has all three.
ACCOUNTS = ("postgres", "nobody", "daemon")
_CAP_DAC_OVERRIDE = 1  # linux/capability.h
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2

# Loaded here, not between fork and exec: dlopen there can wait for ever on a lock of another thread.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Identity:
    """User and group of a server. `overrides`: it keeps CAP_DAC_OVERRIDE to get through closed directories."""

    uid: int
    gid: int
    changes: bool
    overrides: bool

    def own(self, path: Path) -> None:
        """Give `path` (not what lies in it) to this identity."""
        if self.changes:
            os.chown(path, self.uid, self.gid)

    async def start(
        self, argv: Sequence[str], *, death_signal: signal.Signals, output: int
    ) -> asyncio.subprocess.Process:
        """Start `argv` as this identity in its own session; when our process dies, it gets `death_signal`.

        `processes.child` starts whatever keeps our user; here the user changes first, which clears a death signal.
        Raises EmbeddedError if root may not change its user here.
        """
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                cwd="/",
                env=child_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output if output != asyncio.subprocess.PIPE else asyncio.subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._preparation(death_signal),
            )
        except subprocess.SubprocessError:  # all that it tells of a failed change of user
            raise EmbeddedError(
                f"Postgres does not run as root, and root may not become user {self.uid} here. "
                "Run Cuepoint as an ordinary user, or set CUEPOINT_DATABASE_URL and CUEPOINT_REDIS_URL."
            ) from None

    def _preparation(self, death_signal: signal.Signals) -> Callable[[], None]:
        def prepare() -> None:
            if self.changes:
                _drop(self)
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)

        return prepare


def choose_identity(data: Path, programs: Iterable[Path]) -> Identity:
    """Who runs the servers that execute `programs` and keep their files in `data`: the caller, unless that is root.

    Data that exist keep their owner. Raises EmbeddedError if root cannot change its user here.
    """
    if os.geteuid() != 0:
        return Identity(os.geteuid(), os.getegid(), changes=False, overrides=False)
    uid, gid = _owner(data) or _account()
    closed = any(not _reachable(path, uid, gid) for path in (data, *programs))
    return Identity(uid, gid, changes=True, overrides=closed and sys.platform == "linux")


def _owner(data: Path) -> tuple[int, int] | None:
    if not data.exists():
        return None
    status = data.stat()
    return None if status.st_uid == 0 else (status.st_uid, status.st_gid)


def _account() -> tuple[int, int]:
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return entry.pw_uid, entry.pw_gid
    raise EmbeddedError(
        "Postgres does not run as root, and there is no account to drop to "
        f"({', '.join(ACCOUNTS)}). Run Cuepoint as an ordinary user, or set CUEPOINT_DATABASE_URL."
    )


def _reachable(path: Path, uid: int, gid: int) -> bool:
    """Whether the account can enter every directory above `path`, and read and execute a program at `path`."""
    resolved = path.resolve()
    needed = [(parent, 0o1) for parent in resolved.parents]
    if resolved.is_file():
        needed.append((resolved, 0o5))
    return all(_allows(place, bits, uid, gid) for place, bits in needed if place.exists())


def _allows(path: Path, bits: int, uid: int, gid: int) -> bool:
    status = path.stat()
    shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
    return (status.st_mode >> shift) & bits == bits


def _drop(identity: Identity) -> None:
    if identity.overrides and _LIBC is not None:
        _LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    with contextlib.suppress(PermissionError):  # a user namespace may forbid it; the groups are unmapped there anyway
        os.setgroups([])
    os.setgid(identity.gid)
    os.setuid(identity.uid)
    if identity.overrides and _LIBC is not None:
        _keep_override(_LIBC)


def _keep_override(libc: ctypes.CDLL) -> None:
    """Leave exactly CAP_DAC_OVERRIDE, and make it ambient, so that it survives exec."""
    mask = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable; then the upper halves
    if libc.capset(header, sets) == 0:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
