"""One request by itself on a session of the engines."""

from __future__ import annotations

from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import Request
from aura_daemon.jobs.results import Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import TOP, Start
from tests.support.listening import Listener


def run_alone(
    session: Session,
    request: Request,
    image: bytes | None = None,
    image_name: str = "",
    listener: Listener | None = None,
    *,
    mask: bytes | None = None,
    start: Start = TOP,
) -> Outcome:
    """The outcome of one request that runs by itself."""
    listener = listener or Listener()
    job_id = f"job-{len(listener.results)}"
    session.run(
        [Task(job_id=job_id, request=request, image=image, image_name=image_name, mask=mask)], listener, start=start
    )
    return listener.results[job_id].outcome
