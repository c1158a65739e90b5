"""What a kernel lacks, in words."""

from __future__ import annotations

import pytest

from aura_daemon.system.sandbox.plan import SandboxSupport


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        (SandboxSupport(landlock=1, seccomp=True), ()),
        (SandboxSupport(landlock=7), ("seccomp",)),
        (SandboxSupport(seccomp=True), ("Landlock",)),
        (SandboxSupport(), ("Landlock", "seccomp")),
    ],
)
def test_each_part_that_is_missing_is_named(found: SandboxSupport, missing: tuple[str, ...]) -> None:
    assert tuple(text.partition(":")[0] for text in found.missing) == missing
