"""Landlock by ctypes: the parent builds a set of rules, the child enters it between fork and exec.

A process in the set opens nothing but what a rule names; descriptors it was given stay as they are. TCP is denied from
ABI 4 on (Linux 6.7), signals and abstract sockets to the outside from ABI 6 on (Linux 6.12).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Iterable
from enum import IntFlag


class Access(IntFlag):
    """Rights on files and directories: linux/landlock.h."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    TRUNCATE = 1 << 14


_FIRST_UNKNOWN = {1: 1 << 13, 2: 1 << 14, 3: 1 << 15, 4: 1 << 15}  # by ABI: REFER came with 2, TRUNCATE with 3
_FIRST_UNKNOWN_SINCE_5 = 1 << 16  # IOCTL_DEV
_FILE_RIGHTS = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE
_EVERY_NET, _NET_ABI = 0b11, 4  # bind and connect, TCP
_EVERY_SCOPE, _SCOPE_ABI = 0b11, 6  # abstract UNIX sockets, signals
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same number on every architecture
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scope", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


def abi() -> int:
    """The kernel's version of Landlock. Raises OSError: ENOSYS not built in, EOPNOTSUPP off, EPERM forbidden."""
    return _checked(_CREATE_RULESET, None, 0, _VERSION_FLAG)


def open_ruleset(rules: Iterable[tuple[str, Access]]) -> int:
    """A descriptor of the set in which only `rules` are allowed; paths that do not exist are left out.

    Raises OSError where the kernel has no Landlock, and for a path that cannot be looked up.
    """
    version = abi()
    every = _FIRST_UNKNOWN.get(version, _FIRST_UNKNOWN_SINCE_5) - 1
    wanted = _Ruleset(
        files=every,
        net=_EVERY_NET if version >= _NET_ABI else 0,
        scope=_EVERY_SCOPE if version >= _SCOPE_ABI else 0,
    )
    size = 24 if version >= _SCOPE_ABI else 16 if version >= _NET_ABI else 8
    ruleset = _checked(_CREATE_RULESET, ctypes.byref(wanted), size, 0)
    try:
        for path, rights in rules:
            _allow(ruleset, path, rights & every)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def enter(ruleset: int) -> int:
    """Bind this thread and what it starts to the set, for ever; 0, or the errno of the kernel's refusal."""
    if _LIBC is None:
        return errno.ENOSYS
    return 0 if _LIBC.syscall(*_longs(_RESTRICT_SELF, ruleset, 0)) == 0 else ctypes.get_errno()


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # what we cannot reach, the child cannot either
        return
    try:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        rule = _PathRule(rights if is_directory else rights & _FILE_RIGHTS, descriptor)
        _checked(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)


def _checked(number: int, *arguments: object) -> int:
    if _LIBC is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    result = _LIBC.syscall(*_longs(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def _longs(*arguments: object) -> list[object]:
    """Whole registers: the C library's syscall() is variadic, and a bare int leaves the upper half to chance."""
    return [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
