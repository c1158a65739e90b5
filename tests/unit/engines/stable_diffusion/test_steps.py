"""How long a step takes, and how far a picture is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.config.engine import Attention, Device, EngineSettings, GenerateSettings
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.family import Decoded, StableDiffusion
from aura_daemon.engines.stable_diffusion.generator import Generator
from aura_daemon.engines.stable_diffusion.picture_task import PictureTask
from aura_daemon.engines.stable_diffusion.steps import counted_passes
from aura_daemon.formats.prompts.prompt_schedule import PassSteps
from aura_daemon.jobs.requests import GenerateRequest, Hires, JobKind
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.tasks import Task
from tests.support.listening import Listener
from tests.support.running import run_alone


def drawing(resolved: ResolvedGenerate, *, denoised_s: float, first_step_s: float) -> PictureTask:
    made = PictureTask(task=Task(job_id="1", request=GenerateRequest(prompt="")), resolved=resolved)
    made.clock.seconds["denoised_s"] = denoised_s
    made.clock.first_step_s = first_step_s
    return made


def test_a_step_is_a_whole_one_and_the_first_in_which_kernels_are_chosen_says_nothing_of_it() -> None:
    resolved = ResolvedGenerate(
        prompt="", negative_prompt="", seed=1, steps=5, guidance_scale=1, width=64, height=64, scheduler="euler"
    )
    assert drawing(resolved, denoised_s=10, first_step_s=6).step_s(5) == 1
    assert drawing(resolved, denoised_s=6, first_step_s=6).step_s(1) == 6
    partial = drawing(resolved, denoised_s=3, first_step_s=1)
    partial.costs = (1.0, 0.25, 0.75)  # of whole steps
    assert partial.step_s(3) == 2


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize(
    ("prompts", "guidance", "load"),
    [
        (["a"], 4.0, 1.0),
        (["[a|b]"], 4.0, 1.0),
        (["a AND b"], 4.0, 1.5),
        (["a AND b AND c:0"], 4.0, 1.5),
        (["a AND b"], 1.0, 3.0),
        (["a AND b AND c", "d"], 4.0, 1.5),
    ],
)
def test_a_step_is_as_long_as_that_of_a_plain_prompt_however_many_parts_are_drawn(
    generator_folder: Path, prompts: list[str], guidance: float, load: float
) -> None:
    settings = EngineSettings(device=Device.CPU, generate=GenerateSettings(model=str(generator_folder)))
    family = KeepingPictures(settings)
    tasks = [
        Task(job_id=prompt, request=GenerateRequest(prompt=prompt, seed=1, steps=2, guidance_scale=guidance))
        for prompt in prompts
    ]
    Session(settings, families={JobKind.GENERATE: lambda _: family}).run(tasks, Listener())
    drawn = family.pictures[-len(prompts) :]
    assert [picture.load for picture in drawn] == [load] * len(prompts)
    once = drawing(drawn[0].resolved, denoised_s=10, first_step_s=4)
    once.load = load
    assert once.step_s(2) == 6 / load


@pytest.mark.parametrize(
    ("asked", "passes"),
    [
        ({}, [PassSteps(steps=20, taken=20)]),
        ({"scheduler": "pndm"}, [PassSteps(steps=20, taken=20)]),
        ({"scheduler": "heun"}, [PassSteps(steps=40, taken=39)]),
        ({"strength": 0.5}, [PassSteps(steps=20, taken=10)]),
        ({"strength": 0.5, "scheduler": "heun"}, [PassSteps(steps=40, taken=19)]),
        (
            {"hires": Hires(strength=0.25)},
            [PassSteps(steps=20, taken=20), PassSteps(steps=5, taken=5, before=20)],
        ),
        (
            {"hires": Hires(strength=0.25), "strength": 0.5, "scheduler": "heun"},
            [PassSteps(steps=40, taken=19), PassSteps(steps=10, taken=9, before=40)],
        ),
    ],
)
def test_prompts_count_the_steps_of_each_pass_as_in_a1111(asked: dict[str, Any], passes: list[PassSteps]) -> None:
    resolved = ResolvedGenerate(
        **{"prompt": "", "negative_prompt": "", "seed": 1, "steps": 20, "guidance_scale": 1.0, "width": 64}
        | {"height": 64, "scheduler": "euler"}
        | asked
    )
    assert counted_passes(resolved) == tuple(passes)


class KeepingPictures(StableDiffusion):
    """Keeps the pictures that it draws, for a test to look into."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self.pictures: list[PictureTask] = []

    def _picture_task(self, decoded: Decoded, files: ModelFiles) -> PictureTask:
        self.pictures.append(super()._picture_task(decoded, files))
        return self.pictures[-1]


class SlowDevice(StableDiffusion):
    """Its device needs a second for the first step, as a GPU does that chooses kernels."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self.waits = 0

    def load(self, files: ModelFiles, placement: Placement) -> Generator:
        return Generator(files, placement, self.configured(files.name), Attention.SDPA, self._wait)

    def _wait(self, placement: Placement) -> None:
        self.waits += 1
        if self.waits == 1:
            time.sleep(1.0)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_the_device_is_waited_for_once_after_the_first_step(generator_folder: Path) -> None:
    settings = EngineSettings(device=Device.CPU, generate=GenerateSettings(model=str(generator_folder)))
    family, listener = SlowDevice(settings), Listener()
    session = Session(settings, families={JobKind.GENERATE: lambda _: family})
    run_alone(session, GenerateRequest(prompt="a", seed=1, steps=4), listener=listener)
    assert family.waits == 2  # and at the end
    (ended,) = listener.results.values()
    assert isinstance(ended.outcome, Produced)
    assert ended.step_s > 0
    assert ended.outcome.timing.denoised_s - 3 * ended.step_s >= 1.0
