"""Imports the engines as a worker does, and says on standard output what came of that, as JSON."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.library_imports import lean_imports
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
from aura_daemon.jobs.results import Outcome, Produced
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.tasks import Task
from aura_daemon.mini import GENERATOR

HEAVY = ("scipy", "sympy", "torch._dynamo", "torch.distributed.tensor")
STEPS = 6


def main() -> None:
    """Which heavy packages a picture and its caption took, what the samplers do without them, and whether they come."""
    with lean_imports():
        from aura_daemon.engines.session import Session
    import torch
    import transformers

    outcomes = _Outcomes()
    for request in (GenerateRequest(prompt="a red circle", seed=1, steps=2), CaptionRequest(image="image.png")):
        picture = outcomes.made[0].payloads[0].content if outcomes.made else None
        Session(EngineSettings()).run([Task(job_id=str(request), request=request, image=picture)], outcomes)
    assert len(outcomes.made) == 2
    imported = [name for name in HEAVY if name in sys.modules]
    imported += [name for name in transformers._class_to_module if name == "LlamaModel"]
    compiled = torch.compile(lambda number: number + 1, backend="eager")(torch.ones(2)).tolist()
    json.dump({"imported": imported, "sampled": sampled(), "compiled": compiled}, sys.stdout)


class _Outcomes:
    """Keeps what is made (`engines.reporter.Reporter`)."""

    def __init__(self) -> None:
        self.made: list[Produced] = []

    def loading(self, *_: object) -> None:
        """Nobody is told."""

    def placed(self, *_: object) -> None:
        """Nobody is told."""

    def stepped(self, *_: object, **__: object) -> None:
        """Nobody is told."""

    def is_cancelled(self, job_id: str) -> bool:
        return not job_id

    def finish(self, job_id: str, outcome: Outcome, **_: object) -> None:
        assert isinstance(outcome, Produced), (job_id, outcome)
        self.made.append(outcome)


def sampled() -> dict[str, str]:
    """Digests of what every sampler makes of the same numbers, and of one with the sigmas of a beta distribution."""
    own = json.loads((GENERATOR / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    beta = _sampled(Scheduler.DPMPP_2M, {**own, "use_beta_sigmas": True})
    return {str(name): _sampled(name, own) for name in Scheduler} | {"beta": beta}


def _sampled(name: Scheduler, own: dict[str, Any]) -> str:
    import torch

    from aura_daemon.engines.stable_diffusion.schedulers import scheduler_for

    chosen = scheduler_for(name, own, STEPS)
    given = {key: chosen.steps[key] for key in ("num_inference_steps", "timesteps") if key in chosen.steps}
    chosen.scheduler.set_timesteps(**given)
    sample = torch.linspace(-1, 1, 64).reshape(1, 4, 4, 4) * chosen.scheduler.init_noise_sigma
    takes_random = "generator" in chosen.scheduler.step.__code__.co_varnames
    options = {"generator": torch.Generator().manual_seed(1)} if takes_random else {}
    for timestep in chosen.scheduler.timesteps:
        noise = chosen.scheduler.scale_model_input(sample, timestep).sin()
        sample = chosen.scheduler.step(noise, timestep, sample, **options).prev_sample
    return hashlib.sha256(sample.numpy().tobytes()).hexdigest()


if __name__ == "__main__":
    main()
