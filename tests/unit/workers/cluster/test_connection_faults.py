"""Why a cluster cannot be used, by what Ray 2.60 raises."""

from __future__ import annotations

import pytest

from aura_daemon.config.workers.cluster import ClusterSettings
from aura_daemon.workers.cluster.faults import connection_fault

CLUSTER = ClusterSettings(address="10.0.0.1:6379", token_file="/etc/token")


def caused(error: BaseException, cause: str) -> BaseException:
    error.__cause__ = RuntimeError(cause)
    return error


FAILED = ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")
NO_NODE = "No node info found matching attributes: '' when trying to resolve node to connect to."
GONE = FileNotFoundError(2, "No such file or directory", "/etc/token")


@pytest.mark.parametrize(
    ("error", "why", "mend"),
    [
        (ModuleNotFoundError("No module named 'ray'"), "Ray is not installed", "pip install"),
        (GONE, "the token cannot be read: No such file or directory: /etc/token", "`workers.token_file`"),
        (caused(FAILED, NO_NODE), "no node of the Ray cluster at 10.0.0.1:6379 runs on this machine", "`ray start"),
        (RuntimeError("Version mismatch: The cluster\nRay: 2.55"), "runs another version of Ray", "install the"),
        (ConnectionError("Failed to connect"), "no connection to the Ray cluster at 10.0.0.1:6379", "is the token"),
    ],
)
def test_why_a_cluster_cannot_be_used_is_told_with_the_mend(error: BaseException, why: str, mend: str) -> None:
    told, advice = connection_fault(error, CLUSTER)
    assert why in told
    assert mend in advice
