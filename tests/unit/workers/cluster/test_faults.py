"""Ray's errors, by the names of their classes, and whose fault each is."""

from __future__ import annotations

import pytest

from aura_daemon.jobs.results import FailureKind
from aura_daemon.workers.cluster.faults import end_of_actor, is_silent_about_node, shortage

DIED = "The actor died unexpectedly before finishing this task.\n\tclass_name: EngineActor\n\tip: 10.0.0.7\n"
UNAVAILABLE = (
    "The actor 3f is unavailable: The actor is temporarily unavailable: RpcError: Socket closed rpc_code: 14. The task "
    "may or may not have been executed on the actor."
)


def _error(name: str, text: str, *bases: type[Exception]) -> Exception:
    made: Exception = type(name, bases or (Exception,), {})(text)
    return made


LOST = type(_error("ObjectLostError", ""))


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (_error("ActorDiedError", f"{DIED}its node has died."), FailureKind.INTERRUPTED, "its node has died."),
        (_error("ActorDiedError", f"{DIED}its worker process has died."), FailureKind.CRASHED, "its worker process"),
        (
            _error("ActorUnavailableError", UNAVAILABLE),
            FailureKind.CRASHED,
            "by itself: RpcError: Socket closed rpc_code: 14",
        ),
        (_error("LocalRayletDiedError", "the local raylet"), FailureKind.INTERRUPTED, "node is gone"),
        (_error("OutOfMemoryError", "low"), FailureKind.OUT_OF_MEMORY, "ran out of memory"),
        (_error("ActorDiedError", f"{DIED}The node was Running low on memory"), FailureKind.OUT_OF_MEMORY, "ran out"),
        (_error("OwnerDiedError", "x", LOST), FailureKind.INTERRUPTED, "node is gone"),
        (_error("RayTaskError", "ModuleNotFoundError: torch"), FailureKind.MODEL_UNAVAILABLE, "could not start"),
        (_error("RayTaskError(ValueError)", "its node has died, says the engine"), FailureKind.CRASHED, "failed"),
    ],
)
def test_it_is_known_whose_fault_an_end_is(error: Exception, kind: FailureKind, words: str) -> None:
    failure = end_of_actor(error)
    assert (failure.kind, words in failure.message) == (kind, True)


def test_a_node_that_does_not_answer_is_at_fault_whatever_ray_says() -> None:
    assert end_of_actor(_error("ActorUnavailableError", UNAVAILABLE), node_is_gone=True).kind is FailureKind.INTERRUPTED


def test_an_actor_that_never_was_there_is_no_job_s_fault() -> None:
    failure = end_of_actor(_error("RayTaskError(ValueError)", "the device is broken"), has_started=False)
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE


def test_a_node_is_asked_where_ray_leaves_open_what_has_died() -> None:
    assert is_silent_about_node(_error("ActorUnavailableError", UNAVAILABLE))
    assert not is_silent_about_node(_error("ActorDiedError", f"{DIED}its node has died."))
    assert not is_silent_about_node(_error("RayTaskError(ValueError)", "raised"))


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([{"CPU": 4.0}], "no node of 1 has enough GPU"),
        ([{"CPU": 4.0, "GPU": 1.0}], "every node that has so much is busy"),
        ([{"CPU": 4.0}, {"GPU": 1.0}], "no node has all of that"),
        ([], "no node of 0 has enough CPU and GPU"),
    ],
)
def test_why_no_place_is_found(nodes: list[dict[str, float]], words: str) -> None:
    assert words in shortage({"CPU": 1.0, "GPU": 1.0, "other": 0.0}, nodes)
