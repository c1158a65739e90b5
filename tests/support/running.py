"""One request by itself on a session of the engines; a session whose models a test looks into."""

from __future__ import annotations

from collections.abc import Mapping

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.families import FAMILIES
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.family import StableDiffusion
from aura_daemon.engines.stable_diffusion.generator import Generator
from aura_daemon.jobs.requests import JobKind, Request
from aura_daemon.jobs.results import Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import TOP, Start
from tests.support.listening import Listener


class KeepingFamily(StableDiffusion):
    """Keeps the generators that it loads, for a test to look into."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self.loaded: list[Generator] = []

    def load(self, files: ModelFiles, placement: Placement) -> Generator:
        self.loaded.append(super().load(files, placement))
        return self.loaded[-1]


class KeepingSession(Session):
    """A session that keeps the generators that it loads."""

    def __init__(self, settings: EngineSettings) -> None:
        family = KeepingFamily(settings)
        super().__init__(settings, families={**FAMILIES, JobKind.GENERATE: lambda _: family})
        self.loaded = family.loaded


def run_alone(
    session: Session,
    request: Request,
    image: bytes | None = None,
    image_name: str = "",
    listener: Listener | None = None,
    *,
    mask: bytes | None = None,
    further: Mapping[str, bytes] | None = None,
    start: Start = TOP,
) -> Outcome:
    """The outcome of one request that runs by itself."""
    listener = listener or Listener()
    job_id = f"job-{len(listener.results)}"
    task = Task(
        job_id=job_id,
        request=request,
        image=image,
        image_name=image_name,
        mask=mask,
        further_images=further or {},
    )
    session.run([task], listener, start=start)
    return listener.results[job_id].outcome
