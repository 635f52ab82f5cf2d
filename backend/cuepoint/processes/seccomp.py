"""A seccomp filter by ctypes: system calls that work on media never needs answer EPERM; what is allowed stays quick.

A deny list, because ffmpeg, glibc, numpy and each codec bring calls of their own: no sockets, no other process (start,
signal, trace, read), no program but the one started, no name in the file system made, changed or removed, no mount, no
kernel interface of the administrator. x86-64 and aarch64; elsewhere there is no filter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

# Name: (x86-64, aarch64), from the kernel's syscall_64.tbl and asm-generic/unistd.h; None where it has no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
    # connections
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "sendto": (44, 206),
    "bind": (49, 200),
    "listen": (50, 201),
    "socketpair": (53, 199),
    "accept4": (288, 242),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # other processes, and what is shared with them
    "fork": (57, None),
    "vfork": (58, None),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # names in the file system; Landlock knows no owners, modes and attributes
    "rename": (82, None),
    "mkdir": (83, None),
    "rmdir": (84, None),
    "link": (86, None),
    "unlink": (87, None),
    "symlink": (88, None),
    "chmod": (90, None),
    "chown": (92, None),
    "lchown": (94, None),
    "mknod": (133, None),
    "truncate": (76, 45),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "mkdirat": (258, 34),
    "mknodat": (259, 33),
    "fchownat": (260, 54),
    "unlinkat": (263, 35),
    "renameat": (264, 38),
    "linkat": (265, 37),
    "symlinkat": (266, 36),
    "fchmodat": (268, 53),
    "renameat2": (316, 276),
    "fchmodat2": (452, 452),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    # mounts and namespaces
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    # the kernel and the machine
    "modify_ldt": (154, None),
    "personality": (135, 92),
    "acct": (163, 89),
    "adjtimex": (159, 171),
    "settimeofday": (164, 170),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
}
EXEC: dict[str, tuple[int | None, int | None]] = {"execve": (59, 221), "execveat": (322, 281)}
# Those that depend on their first argument.
_CLONE, _TGKILL, _PRLIMIT, _CLONE3, _SECCOMP = (56, 220), (234, 131), (302, 261), (435, 435), (317, 277)

_AUDIT_ARCHITECTURE = (0xC000003E, 0xC00000B7)  # linux/audit.h
_X32_BIT = 0x40000000  # numbers of the x32 interface, which would pass by the list
_CLONE_THREAD = 0x10000
_CLONE_NEW = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16  # struct seccomp_data, little endian
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1  # linux/seccomp.h; TSYNC: all threads of the process

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction)))


@dataclass(frozen=True)
class Filter:
    """A filter ready to be entered; `own_pid_at` is where the number of the process goes that may signal itself."""

    code: ctypes.Array[_Instruction]
    own_pid_at: int | None
    seccomp_number: int

    def enter(self) -> int:
        """Bind this process and its descendants to the filter, for ever; 0, or the errno of the kernel's refusal."""
        if _LIBC is None:
            return errno.ENOSYS
        if self.own_pid_at is not None:
            self.code[self.own_pid_at].value = os.getpid()
        program = _Program(len(self.code), ctypes.cast(self.code, ctypes.POINTER(_Instruction)))
        numbers = (ctypes.c_long(n) for n in (self.seccomp_number, _SET_MODE_FILTER, _FLAG_TSYNC))
        result = _LIBC.syscall(*numbers, ctypes.byref(program))
        return 0 if result == 0 else ctypes.get_errno() or errno.ESRCH  # TSYNC answers with a thread's number


@cache
def box_filter() -> Filter | None:
    """For a child that is about to start its one program; None on a machine whose call numbers are not known."""
    machine = _machine()
    if machine is None:
        return None
    code = _prologue(machine)
    code += [(_EQUAL, 0, 1, _CLONE3[machine]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]  # glibc then takes clone
    code += _on_first_argument(
        _CLONE[machine],
        (_ANY_BIT, 1, 0, _CLONE_NEW),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    )
    own_pid_at = len(code) + 2
    code += _on_first_argument(_TGKILL[machine], (_EQUAL, 1, 0, 0), (_RETURN, 0, 0, _ERRNO | errno.EPERM))
    code += _on_first_argument(_PRLIMIT[machine], (_EQUAL, 1, 0, 0), (_RETURN, 0, 0, _ERRNO | errno.EPERM))
    return _filter(machine, code, DENIED, own_pid_at)


def forbid_programs() -> bool:
    """From now on this process, all its threads, can start no further program; whether the kernel agreed."""
    machine = _machine()
    return machine is not None and _filter(machine, _prologue(machine), EXEC, None).enter() == 0


def _machine() -> int | None:
    """Index into the tables."""
    known = {"x86_64": 0, "aarch64": 1}
    return known.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None


def _prologue(machine: int) -> list[tuple[int, int, int, int]]:
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == 0:
        code += [(_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    return code


def _on_first_argument(number: int, *check: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """`check` sees the low half of the argument; what it lets pass is allowed."""
    return [(_EQUAL, 0, len(check) + 2, number), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT), *check, (_RETURN, 0, 0, _ALLOW)]


def _filter(
    machine: int,
    code: Sequence[tuple[int, int, int, int]],
    denied: dict[str, tuple[int | None, int | None]],
    own_pid_at: int | None,
) -> Filter:
    numbers = [number for pair in denied.values() if (number := pair[machine]) is not None]
    checks = [(_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    whole = [*code, *checks, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    instructions = (_Instruction * len(whole))(*(_Instruction(*parts) for parts in whole))
    return Filter(instructions, own_pid_at, _SECCOMP[machine])
