"""The reader of what a worker says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.workers.local.process import READS as WORKER_REPORTS
from aura_daemon.workers.protocol import Finished, Loading, LogLine, Memory, PictureWanted, Question, Ready, Up
from aura_daemon.workers.reports.checking import believed
from aura_daemon.workers.reports.decoding import BrokenProtocol
from aura_daemon.workers.reports.encoding import encoded
from tests.fuzzing.limits import must
from tests.fuzzing.targets.fuzz_target import FuzzTarget
from tests.support.outcomes import make

DRAWN: Final = "drawn"
"""The only job of a worker's batch."""


def _hear_worker(content: bytes) -> None:
    """A worker that was taken over says what it likes: it is believed, or not to be trusted any further."""
    try:
        said = WORKER_REPORTS(memoryview(content))
        if not isinstance(said, Question):
            believed(cast(Up, said), {DRAWN: GenerateRequest(prompt="a", seed=1)}, {DRAWN})
    except BrokenProtocol as error:
        must(str(error).isprintable(), "a reason cannot be printed")


def _reports() -> Iterator[bytes]:
    memory = Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3)
    failure = Failure(kind=FailureKind.BAD_INPUT, message="a", mend="b")
    made = make(Task(job_id=DRAWN, request=GenerateRequest(prompt="a", seed=1)))
    told = (
        *(Loading(model="m", done_bytes=1, total_bytes=2), LogLine(level="INFO", message="a")),
        *(Finished(job_id=DRAWN, outcome=end, memory=memory, models=("m",)) for end in (failure, made)),
        Ready(device="cpu", device_name="a", dtype="float32", rung="cpu", versions=(("torch", "2"),)),
        PictureWanted(job_id=DRAWN, number=0),
    )
    return (b"".join(encoded(report)) for report in told)


TARGETS: Final = {
    "worker-message": FuzzTarget(
        read=_hear_worker,
        seeds=_reports,
        words=(
            b'"is": "Finished"',
            b'"bytes": 0',
            b'"job_id": "drawn"',
            b"NaN",
            b"1e999",
            b"null",
            b"[[],",
            b"\\ud800",
        ),
    ),
}
"""Name -> reader."""
