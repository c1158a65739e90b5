"""What Ray's errors mean. In: an error, resources. Out: whose fault, in words, and the mend.

Errors are told apart by the names of their classes: this module does not import Ray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aura_daemon.config.workers.cluster import ClusterSettings
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.workers.local.worker_death import BROKEN_INSTALLATION, RESTARTED

NOT_INSTALLED: Final = 'install it where the daemon runs: `pip install "aura-daemon[ray]"`, the version of the cluster'

NO_NODE_HERE: Final = (
    "Ray lets nobody in who has no node of the cluster beside them: start one as this account, where nothing is to run "
    "on it with `ray start --address=… --num-cpus=0 --num-gpus=0`; the daemon must see its process, and its /tmp"
)

NO_CONNECTION: Final = (
    "is its head running, does a firewall let this machine in, and is the token in `workers.token_file` that of the "
    "cluster? Ray says no more than that it failed"
)

NODE_DEATHS: Final = ("node has died", "node is dead", "node was terminated", "raylet", "preempted")
"""In the text of Ray's errors: the machine of an actor is gone, whatever ran there."""


def connection_fault(error: BaseException, cluster: ClusterSettings) -> tuple[str, str]:
    """Why the cluster cannot be used, and what to do about it."""
    if isinstance(error, ImportError):
        return f"Ray is not installed ({error})", NOT_INSTALLED
    if isinstance(error, OSError) and error.filename is not None and error.filename == cluster.token_file:
        return f"the token cannot be read: {error.strerror}: {error.filename}", "name a file with `workers.token_file`"
    if "No node info found" in str(error.__cause__):  # in `ConnectionError: Failed to connect`, after a minute
        return f"no node of the Ray cluster at {cluster.address} runs on this machine", NO_NODE_HERE
    first = _first_line(error)
    if "Version mismatch" in str(error):
        return (
            f"the cluster runs another version of Ray or Python: {first}",
            "install the cluster's here, or ours there",
        )
    return f"no connection to the Ray cluster at {cluster.address}: {first}", NO_CONNECTION


def end_of_actor(error: BaseException) -> Failure:
    """The failure of the jobs of an actor that has ended, or could not start."""
    name, text = type(error).__name__, str(error)
    first = _first_line(error)
    if name == "OutOfMemoryError":
        message = "Ray ended the worker because its node ran out of memory"
        return Failure(kind=FailureKind.OUT_OF_MEMORY, message=message, mend=RESTARTED)
    if any(words in text.lower() for words in NODE_DEATHS) or name == "NodeDiedError":
        message = f"the worker's node is gone: {first}"
        return Failure(kind=FailureKind.INTERRUPTED, message=message, mend="its jobs are queued again")
    if "__init__" in text or name == "RuntimeEnvSetupError" or "ModuleNotFoundError" in text:
        message = f"the worker could not start on its node: {first}"
        return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=BROKEN_INSTALLATION)
    return Failure(kind=FailureKind.CRASHED, message=f"the worker on the cluster ended: {first}", mend=RESTARTED)


def shortage(asked: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> str:
    """Why an actor has no place yet. `nodes`: what each living node offers, whether it is taken or not."""
    wanted = {name: amount for name, amount in asked.items() if amount > 0}
    text = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items()) or "nothing"
    if any(all(node.get(name, 0.0) >= amount for name, amount in wanted.items()) for node in nodes):
        return f"a worker waits for {text}: every node that has so much is busy, or still starts it"
    lacking = [name for name, amount in wanted.items() if all(node.get(name, 0.0) < amount for node in nodes)]
    what = f"no node of {len(nodes)} has enough {' and '.join(lacking)}" if lacking else "no node has all of that"
    mend = "the cluster may add one by itself; else add a node, or ask for less below `workers`"
    return f"a worker waits for {text}: {what} ({mend})"


def _first_line(error: BaseException) -> str:
    """What happened; of an error that was raised on a node, that one."""
    error = getattr(error, "cause", None) or error
    return str(error).strip().partition("\n")[0] or type(error).__name__
