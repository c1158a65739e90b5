"""Pictures with one lever switched, by the engines that jobs have, served (`bench.children.served`)."""

from __future__ import annotations

import json
import sys

from aura_daemon.bench.children.commands import SwitchedSettings
from aura_daemon.bench.children.served import serve
from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings, TurboSettings
from aura_daemon.engines.families import FAMILIES
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.reporter import KeptOutcomes
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.levers.switched import Switch, SwitchedStableDiffusion
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.jobs.results import Failure, Produced
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.jobs.tasks import Task


class SwitchedPictures:
    """One session; each picture is the same."""

    def __init__(self, settings: SwitchedSettings) -> None:
        turbo = TurboSettings(lora=settings.turbo_lora, decoder=settings.turbo_decoder)
        generate = GenerateSettings(
            model=settings.model,
            revision=settings.revision,
            allow_pickle=settings.allow_pickle,
            engine=EngineChoice(settings.engine),
            turbo=turbo,
        )
        device, dtype = Device(settings.device), Dtype(settings.dtype)
        engine = EngineSettings(device=device, dtype=dtype, threads=settings.threads, generate=generate)
        families = dict(FAMILIES)
        if settings.switch:
            families[JobKind.GENERATE] = lambda given: SwitchedStableDiffusion(given, Switch(settings.switch))
        self._session = Session(engine, families=families)
        self._request = GenerateRequest(
            prompt=settings.prompt,
            seed=1,
            width=settings.width or None,
            height=settings.height or None,
            speed=Speed(settings.speed),
            steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            scheduler=Scheduler(settings.scheduler) if settings.scheduler else None,
            variant=settings.variant,
        )
        self.facts = self.picture()

    def picture(self) -> dict[str, object]:
        """Draws it; raises RuntimeError where it cannot be drawn."""
        reporter = KeptOutcomes()
        self._session.run([Task(job_id="picture", request=self._request)], reporter)
        outcome = reporter.all["picture"]
        if isinstance(outcome, Failure):
            raise RuntimeError(outcome.told)
        assert isinstance(outcome, Produced)
        return {"variant": outcome.variant, "dtype": outcome.dtype, "levers": outcome.levers}


if __name__ == "__main__":
    quiet_libraries()
    serve(lambda: SwitchedPictures(SwitchedSettings(**json.loads(sys.argv[1]))))
