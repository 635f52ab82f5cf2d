"""The box: a child that opens foreign files reaches its descriptors, its program, the libraries, and nothing else.

Four layers, each holding where another is refused (a container without Landlock, an old kernel, another processor):
rlimits, no_new_privs, Landlock (files, TCP, signals) and seccomp (everything else a media program never needs). The
parent prepares an `Entry`; the child enters between fork and exec, so the box closes before any foreign byte is read,
and holds for every thread. What took effect comes back through one shared page of memory.
"""

from __future__ import annotations

import compileall
import contextlib
import ctypes
import errno
import logging
import mmap
import os
import shutil
import site
import struct
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cuepoint.processes import landlock, seccomp
from cuepoint.processes.landlock import Access

_LOG = logging.getLogger(__name__)
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_CLOSE_RANGE, _CLOSE_RANGE_CLOEXEC, _LAST_DESCRIPTOR = 436, 4, 2**31 - 1  # linux/close_range.h
_PARTS = ("no_new_privs", "landlock", "seccomp")
_READ = Access.READ_FILE | Access.READ_DIR
_WRITE = Access.READ_FILE | Access.WRITE_FILE | Access.TRUNCATE
# Where the loader and the C library look; a directory that holds more than code and public data is not among them.
_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/dev/urandom", "/proc/cpuinfo", "/sys/devices/system/cpu")
_WHY = {
    errno.ENOSYS: "this kernel has none",
    errno.EOPNOTSUPP: "the kernel has it switched off (start it with lsm=landlock,...)",
    errno.EPERM: "the container forbids it",
    errno.EINVAL: "the kernel refused the rules",
}


@dataclass(frozen=True)
class Box:
    """What a boxed child may reach besides its descriptors, its program and the libraries.

    `write` names files that exist (a new name could be any name); `read` files or whole directories (fonts).
    """

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()

    @classmethod
    def writing(cls, target: Path, *, read: tuple[Path, ...] = ()) -> Box:
        """A box in which `target` can be written and nothing else; an empty file is made of it if there is none."""
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
        return cls(read, (target,))


@dataclass(frozen=True)
class Protections:
    """Which layers hold in one child, and why the others do not. As text: "rlimits, no_new_privs, landlock 3"."""

    held: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line, the missing layers with their reasons at the end."""
        absent = "; ".join(f"no {part}: {why}" for part, why in self.missing.items())
        return ", ".join(self.held) + (f" ({absent})" if absent else "")


class Entry:
    """One child's way into its box: made by the parent, entered by the child, closed by the parent."""

    def __init__(self, box: Box, program: str, descriptors: Sequence[int] = ()) -> None:
        self._descriptors = tuple(descriptors)
        self._report = mmap.mmap(-1, len(_PARTS) * 2)
        self._filter = seccomp.box_filter()
        self._ruleset: int | None = None
        self._abi = 0
        self._refusal = 0
        try:
            self._abi = landlock.abi()
            self._ruleset = landlock.open_ruleset(_rules(box, program))
        except OSError as error:
            self._refusal = error.errno or errno.EINVAL

    def enter(self) -> None:
        """In the child: close the box. A layer that the kernel refuses is left out; the report says so."""
        _keep_only(self._descriptors)
        no_new_privs = errno.ENOSYS
        if _LIBC is not None:
            done = _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            no_new_privs = 0 if done == 0 else ctypes.get_errno()
        self._note(0, no_new_privs)
        self._note(1, self._refusal if self._ruleset is None else landlock.enter(self._ruleset))
        self._note(2, errno.ENOSYS if self._filter is None else self._filter.enter())

    def protections(self, *, with_limits: bool) -> Protections:
        """In the parent, once the child runs its program: what took effect."""
        held, missing = (["rlimits"] if with_limits else []), {}
        for place, part in enumerate(_PARTS):
            (code,) = struct.unpack_from("<H", self._report, place * 2)
            if code == 1:
                held.append(f"landlock {self._abi}" if part == "landlock" else part)
            else:
                missing[part] = _WHY.get(code - 1, os.strerror(code - 1)) if code else "the child did not get so far"
        return Protections(tuple(held), missing)

    def close(self) -> None:
        """Let go of what the entry holds; the child keeps its own."""
        if self._ruleset is not None:
            os.close(self._ruleset)
            self._ruleset = None
        self._report.close()

    def _note(self, place: int, code: int) -> None:
        struct.pack_into("<H", self._report, place * 2, code + 1)


def _keep_only(descriptors: tuple[int, ...]) -> None:
    """At exec close all but stdin, stdout, stderr and these; uvloop leaves others open, whatever `close_fds` says."""
    if _LIBC is None or _LIBC.syscall(*map(ctypes.c_long, (_CLOSE_RANGE, 3, _LAST_DESCRIPTOR, _CLOSE_RANGE_CLOEXEC))):
        for path in Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd").iterdir():  # Linux before 5.11
            with contextlib.suppress(OSError):  # the descriptor of the list itself
                os.set_inheritable(int(path.name), int(path.name) <= 2)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)


def log_protections(protections: Protections) -> None:
    """One line a process and state: INFO if all layers hold, WARNING if one does not."""
    _log_once(str(protections), logging.WARNING if protections.missing else logging.INFO)


@cache
def _log_once(text: str, level: int) -> None:
    _LOG.log(level, "box: %s", text)


@cache
def compile_modules(directory: Path) -> None:
    """Write the byte code of a folder's modules now: a boxed child cannot, and would compile them at every start."""
    compileall.compile_dir(directory, quiet=2, maxlevels=0)


def _rules(box: Box, program: str) -> Iterator[tuple[str, Access]]:
    yield from _library_rules()
    for found in _programs(program):
        yield found, Access.EXECUTE | Access.READ_FILE
    for name in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep):
        if name.startswith("/"):
            yield name, _READ
    for path in box.read:
        yield str(path), _READ
    for path in box.write:
        yield str(path), _WRITE


@cache
def _library_rules() -> tuple[tuple[str, Access], ...]:
    """Code of ours and of others, which is no secret; of the directory that holds our package only the names."""
    package = Path(__file__).resolve().parents[1]
    paths = sysconfig.get_paths()
    directories = [
        *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *(f"{prefix}/{name}" for prefix in {sys.prefix, sys.base_prefix} for name in ("lib", "lib64")),
        *site.getsitepackages(),
        *([site.getusersitepackages()] if site.ENABLE_USER_SITE else []),
        *(name for name in sys.path if Path(name).name in {"site-packages", "dist-packages"}),
        *_SYSTEM_LIBRARIES,
        *_SYSTEM_FILES,
        f"/etc/python{sys.version_info[0]}.{sys.version_info[1]}",  # Debian's sitecustomize
        f"{sys.prefix}/pyvenv.cfg",
        str(package),
    ]
    return (
        *((name, _READ) for name in dict.fromkeys(directories)),
        (str(package.parent), Access.READ_DIR),  # an import looks through the names
        ("/dev/null", Access.READ_FILE | Access.WRITE_FILE),
    )


@cache
def _programs(program: str) -> tuple[str, ...]:
    """The program's file, and the loader that the kernel starts it with (PT_INTERP of an ELF file)."""
    found = shutil.which(program) or program
    try:
        with Path(found).open("rb") as file:
            header = file.read(64)
            if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":  # 64 bits, little endian
                return (found,)
            (table,) = struct.unpack_from("<Q", header, 32)
            size, count = struct.unpack_from("<HH", header, 54)
            for place in range(count):
                file.seek(table + place * size)
                entry = struct.unpack("<IIQQQQQQ", file.read(56))
                if entry[0] == 3:  # PT_INTERP
                    file.seek(entry[2])
                    return found, file.read(min(entry[5], 4096)).rstrip(b"\0").decode()
    except (OSError, struct.error, UnicodeDecodeError):
        pass
    return (found,)
