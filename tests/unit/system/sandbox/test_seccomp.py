"""The filter of system calls, run by an interpreter of its instructions: for both processors, on any of them."""

from __future__ import annotations

import errno
import struct
from dataclasses import replace

import pytest

from aura_daemon.system.sandbox import seccomp
from aura_daemon.system.sandbox.plan import SandboxMode, SandboxPlan
from aura_daemon.system.sandbox.seccomp import ALLOW, KILL, Instruction, program
from aura_daemon.system.sandbox.system_calls import MACHINES, NUMBERS, number

PID = 4321
PLAN = SandboxPlan(mode=SandboxMode.STRICT)
NO, NONE = errno.EPERM, errno.ENOSYS

LIBRARIES = SandboxPlan(mode=SandboxMode.STRICT, network=True)
CHILDREN = SandboxPlan(mode=SandboxMode.STRICT, programs=("/usr/bin/cc",), writes=("/cache",))


def verdict(instructions: list[Instruction], call: int, arguments: tuple[int, ...], architecture: int) -> int:
    """What the kernel would do, in a classic BPF of four instructions."""
    data = struct.pack("<iIQ6Q", call, architecture, 0, *(arguments + (0,) * 6)[:6])
    held, at = 0, 0
    while True:
        code, holds, fails, value = instructions[at]
        at += 1
        if code == seccomp.LOAD:
            (held,) = struct.unpack_from("<I", data, value)
        elif code == seccomp.AND:
            held &= value
        elif code == seccomp.IF_EQUAL:
            at += holds if held == value else fails
        elif code == seccomp.IF_GREATER:
            at += holds if held > value else fails
        else:
            assert code == seccomp.RETURN
            return value


def came_of(plan: SandboxPlan, name: str, *arguments: int, machine: str = "x86_64") -> int:
    """0: allowed; else the number of the error."""
    call = number(name, machine)
    assert call is not None
    found = verdict(program(plan, machine=machine, pid=PID), call, arguments, MACHINES[machine][1])
    return 0 if found == ALLOW else found & 0xFFFF


@pytest.mark.parametrize("machine", MACHINES)
def test_what_no_worker_needs_is_refused_on_every_processor(machine: str) -> None:
    rules = " ".join(
        value
        for name, value in vars(seccomp).items()
        if name in ("OTHER_PROCESSES", "SHARED_MEMORY", "MOUNTS", "RARE_DOORS", "IDENTITY", "FILES_BY_OTHER_WAYS")
        or name in ("ATTRIBUTES", "CONNECTIONS", "SERVERS", "STARTS")
    )
    for name in (*rules.split(), "socket", "execveat"):
        if number(name, machine) is not None:
            assert came_of(PLAN, name, machine=machine) == NO, name


@pytest.mark.parametrize("machine", MACHINES)
def test_what_every_process_does_goes_on(machine: str) -> None:
    named = {row[MACHINES[machine][0]] for row in NUMBERS.values()}
    instructions, architecture = program(PLAN, machine=machine, pid=PID), MACHINES[machine][1]
    for call in set(range(335)) - named:
        assert verdict(instructions, call, (), architecture) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_processor_end_the_process_and_younger_ones_do_not_exist(machine: str) -> None:
    instructions, architecture = program(PLAN, machine=machine, pid=PID), MACHINES[machine][1]
    assert verdict(instructions, 39, (), 0x4000_0003) == KILL  # those of 32 bits
    for call in (463, 467, 0x4000_0000 + 59, -1):
        assert verdict(instructions, call, (), architecture) & 0xFFFF == NONE


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x3D0F00,), 0),
        ("clone", (17,), NO),
        ("clone", (0x0100_0000 | 17,), NO),
        ("clone3", (), NONE),
        ("kill", (PID, 9), 0),
        ("kill", (1, 9), NO),
        ("kill", (0, 15), NO),
        ("kill", (0xFFFF_FFFF, 15), NO),
        ("tgkill", (PID, 99, 6), 0),
        ("tgkill", (PID + 1, 99, 6), NO),
        ("prlimit64", (0, 7), 0),
        ("prlimit64", (PID, 7), 0),
        ("prlimit64", (1, 7), NO),
        ("setpriority", (0, 0), 0),
        ("setpriority", (0, PID), 0),
        ("setpriority", (1, 0), NO),
        ("setpriority", (0, 1), NO),
        ("ioprio_set", (1, 0), 0),
        ("ioprio_set", (2, 0), NO),
        ("sched_setaffinity", (0,), 0),
        ("sched_setaffinity", (1,), NO),
        ("sendto", (3, 0, 5, 0, 0), 0),
        ("sendto", (3, 0, 5, 0, 0x7F00), NO),
        ("sendto", (3, 0, 5, 0, 1 << 32), NO),
        ("ioctl", (1, 0x5401), 0),
        ("ioctl", (1, 0x5412), NO),
        ("fcntl", (3, 1), 0),
        ("fcntl", (3, 8), NO),
        ("prctl", (15,), 0),
        ("prctl", (1,), NO),
        ("socketpair", (1, 1), NO),
    ],
)
def test_arguments_decide(name: str, arguments: tuple[int, ...], expected: int) -> None:
    for machine in MACHINES:
        assert came_of(PLAN, name, *arguments, machine=machine) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("socket", (2, 1), 0),
        ("socket", (10, 2 | 0o2000000), 0),
        ("socket", (2, 3), NO),
        ("socket", (1, 1), NO),
        ("socket", (16, 3), NO),
        ("connect", (), 0),
        ("sendto", (3, 0, 5, 0, 0x7F00), 0),
        ("bind", (), NO),
        ("socketpair", (1, 1), 0),
        ("socketpair", (1, 2), NO),
        ("execve", (), NO),
    ],
)
def test_one_that_fetches_models_connects_and_serves_nothing(
    name: str, arguments: tuple[int, ...], expected: int
) -> None:
    assert came_of(LIBRARIES, name, *arguments) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("execve", (), 0),
        ("vfork", (), 0),
        ("clone", (17,), 0),
        ("clone", (0x1000_0000 | 17,), NO),
        ("kill", (99, 15), 0),
        ("setpriority", (0, 99), 0),
        ("prctl", (1,), 0),
        ("prctl", (35,), NO),
        ("chmod", (), 0),
        ("ptrace", (), NO),
        ("socket", (2, 1), NO),
    ],
)
def test_one_that_starts_compilers_ends_them_too(name: str, arguments: tuple[int, ...], expected: int) -> None:
    assert came_of(CHILDREN, name, *arguments) == expected


def test_a_processor_that_is_not_known_has_no_filter() -> None:
    with pytest.raises(KeyError):
        program(replace(PLAN), machine="riscv64", pid=PID)
    assert not seccomp.is_there("riscv64")
