"""What Ray's errors mean. In: an error, resources. Out: whose fault, in words, and the mend.

Errors are told apart by the names of their classes: this module does not import Ray.
"""

from __future__ import annotations

import re
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
    "is its head running, does a firewall let this machine in, does Ray run on this machine too, is the token in "
    "`workers.token_file` that of the cluster, and has the daemon the certificates where its nodes speak TLS "
    "(RAY_USE_TLS)? Ray does not tell which"
)

HEAD_LOST: Final = (
    "the head of the Ray cluster was started anew, and knows nothing of its nodes any more",
    "start Ray anew on every node; a head that keeps its memory in Redis (RAY_REDIS_ADDRESS) needs nothing",
)
"""What happened, and the mend."""

NODE_ERRORS: Final = frozenset({"NodeDiedError", "LocalRayletDiedError"})
LOST_RESULTS: Final = "ObjectLostError"
"""A result lay in the memory of a node that has gone. Errors of several kinds inherit from this one."""

ACTOR_ERRORS: Final = frozenset({"ActorDiedError", "ActorUnavailableError", "RayActorError", "WorkerCrashedError"})
"""An actor has gone, with its node or by itself."""

NODE_DEATHS: Final = ("node has died", "node is dead", "node was terminated", "preempted", "marked dead")
"""In the text of such errors: the machine of an actor is gone, whatever ran there."""

OUT_OF_MEMORY: Final = ("running low on memory", "memory usage threshold")
"""In the text of such errors: Ray's own guard of memory has ended the actor."""


_UNAVAILABLE: Final = re.compile(
    r"^The actor \w+ is unavailable: (The actor is temporarily unavailable: )?|\.? The task may or may not have been.*"
)
"""What stands around the words of such an error."""


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


def is_of_another_head(error: BaseException) -> bool:
    """Whether the head was started anew without its memory, and knows neither this program nor any node."""
    return "WrongClusterID" in str(error)


def is_silent_about_node(error: BaseException) -> bool:
    """Whether an error leaves open if an actor has gone by itself, or together with its node."""
    text = str(error).lower()
    return type(error).__name__ in ACTOR_ERRORS and not any(words in text for words in (*NODE_DEATHS, *OUT_OF_MEMORY))


def end_of_actor(error: BaseException, *, has_started: bool = True, node_is_gone: bool = False) -> Failure:
    """The failure of the jobs of an actor that has ended, or could not start. `node_is_gone`: as was asked."""
    name, lower = type(error).__name__, str(error).lower()
    first = _first_line(error)
    is_of_actor = name in ACTOR_ERRORS
    if name == "OutOfMemoryError" or (is_of_actor and any(words in lower for words in OUT_OF_MEMORY)):
        message = "Ray ended the worker because its node ran out of memory"
        return Failure(kind=FailureKind.OUT_OF_MEMORY, message=message, mend=RESTARTED)
    is_of_node = name in NODE_ERRORS or any(base.__name__ == LOST_RESULTS for base in type(error).__mro__)
    if node_is_gone or is_of_node or (is_of_actor and any(words in lower for words in NODE_DEATHS)):
        message = f"the worker's node is gone: {first}"
        return Failure(kind=FailureKind.INTERRUPTED, message=message, mend="its jobs are queued again")
    if not has_started or "ModuleNotFoundError" in first:
        message = f"the worker could not start on its node: {first}"
        return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=BROKEN_INSTALLATION)
    what = "the worker's process was killed, or ended by itself" if is_of_actor else "the worker on the cluster failed"
    return Failure(kind=FailureKind.CRASHED, message=f"{what}: {first}", mend=RESTARTED)


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
    """What happened; of an error that was raised on a node, that one. Ray's own begin with a list of names."""
    error = getattr(error, "cause", None) or error
    first, *rest = str(error).strip().split("\n")
    if rest and rest[0].startswith("\t"):
        first = next((line for line in rest if not line.startswith("\t")), first)
    return _UNAVAILABLE.sub("", first) or type(error).__name__
