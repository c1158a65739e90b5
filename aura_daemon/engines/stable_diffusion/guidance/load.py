"""How much the UNet and its ControlNets compute in a step. In: pictures drawn together, their maps. Out: a factor.

Times of steps are compared by it: a picture with regions or maps takes longer, and says nothing of the device.
"""

from __future__ import annotations

from collections.abc import Sequence

from aura_daemon.engines.stable_diffusion.guidance.controls.control_maps import ControlMaps
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_unet import computed_rows
from aura_daemon.engines.stable_diffusion.picture_task import PictureTask
from aura_daemon.engines.stable_diffusion.steps import counted_passes


def load_of(tasks: Sequence[PictureTask], maps: ControlMaps, *, guided: bool) -> float:
    """What a step computes on the average, by a step of plain prompts without maps; of several passes, by their steps.

    The pictures are alike, and their prompts encoded.
    """
    work = taken = 0.0
    for number, one in enumerate(counted_passes(tasks[0].resolved)):
        told = [task.encoded.of_pass(number) for task in tasks if task.encoded is not None]
        work += one.taken * computed_rows(told, guided=guided) * (1 + maps.work(number, guided=guided))
        taken += one.taken
    return work / (taken or 1.0) / (len(tasks) * (2 if guided else 1))
