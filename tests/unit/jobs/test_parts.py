"""What is kept of jobs that take several parts."""

from __future__ import annotations

from aura_daemon.jobs.parts import kept_name


def test_each_part_of_a_job_is_kept_under_its_own_name() -> None:
    assert [kept_name("j-001", part) for part in (0, 1)] == ["j-001.part0", "j-001.part1"]
