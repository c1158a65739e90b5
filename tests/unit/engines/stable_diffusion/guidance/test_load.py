"""What a step computes where more than plain prompts is drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from aura_daemon.engines.prompts.encoding import EncodedPrompt
from aura_daemon.engines.stable_diffusion.guidance.controls.control_maps import NET_WORK, ControlMaps
from aura_daemon.engines.stable_diffusion.guidance.inputs import PictureInputs
from aura_daemon.engines.stable_diffusion.guidance.load import load_of
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_prompt import (
    Encode,
    RegionalPrompt,
    regional_prompt,
)
from aura_daemon.engines.stable_diffusion.picture_task import PictureTask
from aura_daemon.engines.stable_diffusion.steps import counted_passes, sizes_px
from aura_daemon.formats.prompts.prompt_passes import read
from aura_daemon.jobs.guidance.controls import Control, ControlledPass, ControlMode
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.requests import GenerateRequest, Hires
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.tasks import Task

PLAIN: Final = ResolvedGenerate(
    prompt="a", negative_prompt="", seed=1, steps=20, guidance_scale=7, width=512, height=512, scheduler="euler"
)


def encoding(resolved: ResolvedGenerate) -> Encode:
    """Texts without embeddings."""

    def encode(prompt: str, *, least_windows: int) -> EncodedPrompt:
        return EncodedPrompt(
            texts=read(prompt, "n", counted_passes(resolved), guided=True), embeddings={}, windows=least_windows
        )

    return encode


def maps_of(resolved: ResolvedGenerate) -> ControlMaps:
    nets: Any = None  # only a pass that is computed asks for them
    return ControlMaps(resolved, PictureInputs(), nets)


HALVES: Final = tuple(
    Region(prompt=prompt, box=box) for prompt, box in (("a", (0.0, 0.0, 0.5, 1.0)), ("b", (0.5, 0.0, 1.0, 1.0)))
)


@pytest.mark.parametrize(
    ("width", "hires", "load"),
    [
        (512, None, 1.5),  # both see all of a picture of the model's own size: one row more
        (1024, None, 1.0),  # each sees its half, with a negative prompt of its own
        (1024, Hires(scale=2.0, strength=0.5), 1.0),
        (640, None, 1.6),  # each sees 512 of the 640 pixels
    ],
)
def test_regions_count_by_what_each_of_their_prompts_sees(width: int, hires: Hires | None, load: float) -> None:
    resolved = replace(PLAIN, width=width, height=512, regions=HALVES, hires=hires)
    task = PictureTask(task=Task(job_id="1", request=GenerateRequest(prompt="")), resolved=resolved)
    told = regional_prompt("", task.places(512), sizes_px(resolved), encoding(resolved))
    assert isinstance(told, RegionalPrompt)
    task.encoded = told
    assert load_of([task], maps_of(resolved), guided=True) == pytest.approx(load)


@pytest.mark.parametrize(
    ("controls", "hires", "guided", "load"),
    [
        ([{}], None, True, 1 + NET_WORK),
        ([{}, {"start": 0.25, "end": 0.75}], None, True, 1 + 1.5 * NET_WORK),
        ([{"weight": 0.0}], None, True, 1.0),
        ([{"mode": ControlMode.CONTROL}], None, True, 1 + NET_WORK / 2),  # rows of negative prompts are left alone
        ([{"mode": ControlMode.CONTROL}], None, False, 1 + NET_WORK),
        ([{"hires": ControlledPass.SECOND}], Hires(strength=0.5), True, 1 + NET_WORK / 3),  # 20 steps, then 10
    ],
)
def test_maps_count_in_the_steps_that_they_guide(
    controls: list[dict[str, Any]], hires: Hires | None, guided: bool, load: float
) -> None:
    maps = tuple(Control(image="a.png", model="canny", **keys) for keys in controls)
    resolved = replace(PLAIN, control=maps, hires=hires)
    task = PictureTask(task=Task(job_id="1", request=GenerateRequest(prompt="")), resolved=resolved)
    task.encoded = encoding(resolved)("a", least_windows=1)
    assert load_of([task], maps_of(resolved), guided=guided) == pytest.approx(load)
