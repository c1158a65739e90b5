"""The numbers of system calls."""

from __future__ import annotations

import pytest

from aura_daemon.system.sandbox.system_calls import number


@pytest.mark.parametrize(
    ("name", "machine", "expected"),
    [
        ("execve", "x86_64", 59),
        ("execve", "aarch64", 221),
        ("fork", "x86_64", 57),
        ("fork", "aarch64", None),
    ],
)
def test_a_call_has_the_number_that_the_processor_gives_it(name: str, machine: str, expected: int | None) -> None:
    assert number(name, machine) == expected
