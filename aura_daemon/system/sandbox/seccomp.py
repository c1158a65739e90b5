"""Which system calls a shut-in process may make, as a program of the kernel's filter. In: a plan. Out: its text.

What is refused fails with EPERM, so that a library that can do without goes on. Landlock says which files may be
opened; here is what it does not know of: other programs and their memory, the network, the kernel's rarer doors, and
what changes a file by its path without opening it. Calls that are younger than this list are answered as by an older
kernel.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aura_daemon.system.sandbox.plan import SandboxPlan
from aura_daemon.system.sandbox.system_calls import HIGHEST, MACHINES, number

LOAD: Final = 0x20
AND: Final = 0x54
IF_EQUAL: Final = 0x15
IF_GREATER: Final = 0x25
RETURN: Final = 0x06
"""Instructions of the classic BPF: a 32-bit word of the call is loaded, masked, compared; a verdict ends it."""

ALLOW: Final = 0x7FFF_0000
KILL: Final = 0x8000_0000
REFUSE: Final = 0x0005_0000 | errno.EPERM
UNKNOWN: Final = 0x0005_0000 | errno.ENOSYS

NUMBER_AT: Final = 0
ARCHITECTURE_AT: Final = 4
ARGUMENTS_AT: Final = 16
"""Bytes from the begin of `struct seccomp_data`."""

OTHER_PROCESSES: Final = (
    "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_open pidfd_getfd "
    "pidfd_send_signal tkill rt_sigqueueinfo rt_tgsigqueueinfo migrate_pages"
)
SHARED_MEMORY: Final = (
    "shmget shmat shmctl semget semop semctl semtimedop msgget msgsnd msgrcv msgctl "
    "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr"
)
"""Between processes, by numbers and names that no folder holds."""
MOUNTS: Final = (
    "mount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr statmount "
    "listmount swapon swapoff unshare setns"
)
RARE_DOORS: Final = (
    "io_uring_setup io_uring_enter io_uring_register bpf perf_event_open keyctl add_key request_key userfaultfd "
    "memfd_secret modify_ldt personality kexec_load kexec_file_load init_module finit_module delete_module reboot "
    "iopl ioperm acct quotactl quotactl_fd syslog settimeofday clock_settime adjtimex clock_adjtime sethostname "
    "setdomainname vhangup lookup_dcookie nfsservctl uselib ustat sysfs _sysctl lsm_set_self_attr"
)
IDENTITY: Final = "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset"
FILES_BY_OTHER_WAYS: Final = (
    "open_by_handle_at name_to_handle_at truncate mknod mknodat inotify_init inotify_init1 inotify_add_watch "
    "fanotify_init fanotify_mark"
)
"""Files that Landlock does not see opened, or whose events tell what happens where nothing may be read."""
ATTRIBUTES: Final = (
    "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr "
    "lremovexattr fremovexattr utime utimes utimensat futimesat"
)
"""Landlock has no rule for them: they change files that could not even be opened."""
CONNECTIONS: Final = "connect sendmsg sendmmsg"
SERVERS: Final = "bind listen accept accept4"
STARTS: Final = "fork vfork execve"

CLONE_THREAD: Final = 0x0001_0000
NAMESPACES: Final = 0x7E02_0000
"""clone(2): flags of new namespaces."""

INTERNET: Final = (2, 10)
"""AF_INET and AF_INET6."""
STREAM, DATAGRAM = 1, 2
KIND: Final = 0xF
"""socket(2): the part of the type that is no flag."""

TERMINAL_INPUT: Final = (0x5412, 0x541C, 0x540E)
"""ioctl(2) TIOCSTI, TIOCLINUX, TIOCSCTTY: types into the terminal that stderr may be."""
OWNERS_BY_IOCTL: Final = (0x8901, 0x8902)
"""FIOSETOWN, SIOCSPGRP: have the kernel signal another process."""
FLAGS_BY_IOCTL: Final = (0x4008_6602, 0x401C_5820)
"""FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR: attributes of a file that was opened for reading."""
OWNERS_BY_FCNTL: Final = (8, 10, 15, 1024, 1026)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: the same; F_SETLEASE holds up writers, F_NOTIFY watches folders."""
PR_SET_PDEATHSIG, PR_SET_MM, PR_SET_PTRACER = 1, 35, 0x5961_6D61


@dataclass(frozen=True, kw_only=True, slots=True)
class Argument:
    """A word of a call's arguments, and the values that count."""

    index: int
    values: tuple[int, ...]
    mask: int | None = None
    high: bool = False
    """Its upper half."""


Instruction = tuple[int, int, int, int]
"""Code, instructions to skip where the comparison holds, and where not, a number."""


def program(plan: SandboxPlan, *, machine: str, pid: int) -> list[Instruction]:
    """The filter for the process `pid`; raises KeyError for a processor that is not known."""
    architecture = MACHINES[machine][1]
    instructions: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (IF_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
        (IF_GREATER, 0, 1, HIGHEST),  # x32's numbers too
        (RETURN, 0, 0, UNKNOWN),
    ]
    for name, block in _rules(plan, pid):
        call = number(name, machine)
        if call is not None:
            instructions += [(IF_EQUAL, 0, len(block), call), *block]
    return [*instructions, (RETURN, 0, 0, ALLOW)]


def _rules(plan: SandboxPlan, pid: int) -> Iterator[tuple[str, list[Instruction]]]:
    """System calls that are not simply allowed."""
    refused = [OTHER_PROCESSES, SHARED_MEMORY, MOUNTS, RARE_DOORS, IDENTITY, FILES_BY_OTHER_WAYS, SERVERS]
    if not (plan.writes and plan.sets_attributes):
        refused.append(ATTRIBUTES)
    if not plan.network:
        refused += [CONNECTIONS, "socket"]
    if not plan.programs:
        refused.append(STARTS)
    for name in " ".join([*refused, "execveat"]).split():
        yield name, [(RETURN, 0, 0, REFUSE)]
    yield "clone3", [(RETURN, 0, 0, UNKNOWN)]  # its flags lie in memory: glibc goes on with clone
    yield from _network(plan)
    yield from _processes(plan, pid)
    yield "ioctl", _refuse(Argument(index=1, values=(*TERMINAL_INPUT, *OWNERS_BY_IOCTL, *FLAGS_BY_IOCTL)))
    yield "fcntl", _refuse(Argument(index=1, values=OWNERS_BY_FCNTL))


def _network(plan: SandboxPlan) -> Iterator[tuple[str, list[Instruction]]]:
    pair = Argument(index=1, values=(STREAM,), mask=KIND)
    if plan.network:
        yield (
            "socket",
            _allow(Argument(index=0, values=INTERNET), Argument(index=1, values=(STREAM, DATAGRAM), mask=KIND)),
        )
    else:  # what goes to an address; the socket to the daemon has none
        yield "sendto", _allow(Argument(index=4, values=(0,)), Argument(index=4, values=(0,), high=True))
    if plan.network or plan.programs:
        yield "socketpair", _allow(pair)
    else:
        yield "socketpair", [(RETURN, 0, 0, REFUSE)]


def _processes(plan: SandboxPlan, pid: int) -> Iterator[tuple[str, list[Instruction]]]:
    """This process and its threads, and where it starts programs those."""
    own = (0, pid)
    for name in (
        "prlimit64",
        "sched_setaffinity",
        "sched_setattr",
        "sched_setparam",
        "sched_setscheduler",
        "move_pages",
    ):
        yield name, _allow(Argument(index=0, values=own))
    if plan.programs:
        yield "clone", _allow(Argument(index=0, values=(0,), mask=NAMESPACES))
        yield "prctl", _refuse(Argument(index=0, values=(PR_SET_MM, PR_SET_PTRACER)))
        return
    yield "clone", _allow(Argument(index=0, values=(CLONE_THREAD,), mask=CLONE_THREAD))
    yield "kill", _allow(Argument(index=0, values=(pid,)))
    yield "tgkill", _allow(Argument(index=0, values=(pid,)))
    yield "setpriority", _allow(Argument(index=0, values=(0,)), Argument(index=1, values=own))
    yield "ioprio_set", _allow(Argument(index=0, values=(1,)), Argument(index=1, values=own))
    yield "prctl", _refuse(Argument(index=0, values=(PR_SET_PDEATHSIG, PR_SET_MM, PR_SET_PTRACER)))


def _allow(*arguments: Argument) -> list[Instruction]:
    """Allowed where every argument has one of its values."""
    block = [one for argument in arguments for one in (*_compared(argument), (RETURN, 0, 0, REFUSE))]
    return [*block, (RETURN, 0, 0, ALLOW)]


def _refuse(argument: Argument) -> list[Instruction]:
    """Refused where the argument has one of these values."""
    return [*_compared(argument), (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]


def _compared(argument: Argument) -> Sequence[Instruction]:
    """Skips the instruction after these where the argument has one of its values."""
    masked = [(AND, 0, 0, argument.mask)] if argument.mask is not None else []
    place = ARGUMENTS_AT + 8 * argument.index + (4 if argument.high else 0)
    left = range(len(argument.values), 0, -1)
    tests = [(IF_EQUAL, skipped, 0, value) for skipped, value in zip(left, argument.values, strict=True)]
    return [(LOAD, 0, 0, place), *masked, *tests]


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


PR_SET_SECCOMP: Final = 22
SECCOMP_MODE_FILTER: Final = 2


def install(instructions: Sequence[Instruction]) -> None:
    """Puts a filter before every system call of this thread and those that it starts; raises OSError."""
    packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    given = _Program(len(instructions), ctypes.addressof(buffer))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(given), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses a filter of system calls")


def is_there(machine: str) -> bool:
    """Whether the kernel filters system calls, and the numbers of this processor's are known."""
    if machine not in MACHINES or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), None, 0, 0)
    return ctypes.get_errno() == errno.EFAULT
