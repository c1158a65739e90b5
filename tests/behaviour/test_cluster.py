"""On a real Ray cluster, whatever dies or freezes, every job ends once: a minute of `make cluster-check`."""

from __future__ import annotations

import subprocess

import pytest

from tests.support import ray_clusters


@pytest.mark.skipif(bool(ray_clusters.why_not()), reason=ray_clusters.why_not() or "can run")
def test_every_job_ends_once_when_worker_daemon_and_node_die_one_after_another() -> None:
    command = ray_clusters.python("-m", "tests.checks.cluster_check", "--short", **ray_clusters.NODES)
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
