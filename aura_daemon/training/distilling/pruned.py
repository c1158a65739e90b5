"""Leave blocks out of aura-mini's UNet: `python -m aura_daemon.training.distilling.pruned DIR [--layout NAME]`.

As BK-SDM does (Kim et al. 2023): the student is the teacher without some blocks. It learns velocities, the teacher's
output, and what the teacher's blocks put out. DIR becomes a whole model, which the daemon loads as any other
(`generate.model: DIR`). At the end the round trip is measured: prompt to picture to caption, a third of them held
out of training. Ten minutes on one core; `--steps 0` leaves out without training.
"""

import copy
import json
import random
import shutil
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor

from aura_daemon.mini import GENERATOR, NAME, NATIVE_SIZE_PX
from aura_daemon.mini.knowledge import shows
from aura_daemon.training.evaluate import prompted
from aura_daemon.training.generator import NoiseLevels, TrainingLatents, even_times, of_every_size, of_step
from aura_daemon.training.models import DrawSettings, came_back, draw
from aura_daemon.training.stages import parsed, training_parser
from aura_daemon.training.trainlog import CosineAdamW, TrainingLog, follow

STEPS: Final = 1500
BATCH: Final = 32
PEAK_RATE: Final = 1e-3
EMA_DECAY: Final = 0.99
TASK_WEIGHT: Final = 0.2  # beside 1 for the teacher's output and 1 for what its blocks put out
SQUARE, WIDE = 8_192, 1_024  # latents kept; as many tall as wide
PAIRS: Final = 15  # of timed steps, teacher and student in turn

# What differs from aura-mini's config. A down block has one pair of ResNet and attention, an up block has two.
LAYOUTS: Final[dict[str, dict[str, Any]]] = {
    "no-mid": {"mid_block_type": None},
    "no-outer-attention": {
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    },
    "slim": {"mid_block_type": None, "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"]},
    "slimmest": {
        "mid_block_type": None,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    },
}


def main() -> None:
    parser = training_parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the model is written")
    parser.add_argument("--layout", choices=LAYOUTS, default="slim")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--prompts", type=int, default=200, help="of the round trip; 0: it is not measured")
    options = parsed(parser)
    log = TrainingLog(options.folder / "train.log")
    pipeline = StableDiffusionPipeline.from_pretrained(GENERATOR, dtype=torch.float32)
    student = distil(log, pipeline, LAYOUTS[options.layout], steps=options.steps, seed=options.seed)
    for rows in (2, 50):
        before_s, after_s = step_times_s((pipeline.unet, student), rows)
        log.note(f"a step of {rows} rows: {before_s * 1e3:.1f} ms before, {after_s * 1e3:.1f} ms after")
    pipeline.unet = student
    export(options.folder, pipeline, f"{NAME}-{options.layout}")
    if options.prompts:
        log.note(round_trip(options.folder, options.prompts, options.seed))


def round_trip(folder: Path, count: int, seed: int) -> str:
    """How much of what a model is asked comes back, by the captioner and by geometry."""
    asked = prompted(count, random.Random(seed))
    pictures = draw([str(sentence) for sentence in asked], range(count), DrawSettings(folder=folder))
    shown = sum(map(shows, pictures, asked))
    return f"{count} prompts: {came_back(asked, pictures) / count:.2%} right, {shown / count:.2%} by geometry"


def without(teacher: UNet2DConditionModel, layout: dict[str, Any]) -> UNet2DConditionModel:
    """The teacher without what the layout leaves out; every weight that is left is the teacher's."""
    student = UNet2DConditionModel.from_config({**teacher.config, **layout})
    weights = teacher.state_dict()
    student.load_state_dict({name: weights[name] for name in student.state_dict()})
    return student


def distil(
    log: TrainingLog,
    pipeline: StableDiffusionPipeline,
    layout: dict[str, Any],
    *,
    steps: int,
    seed: int,
    latents: tuple[int, int] = (SQUARE, WIDE),
) -> UNet2DConditionModel:
    """The student's running average; `latents`: how many square and wide ones the student learns from."""
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed + 5)
    teacher, text = pipeline.unet.requires_grad_(False).eval(), pipeline.text_encoder
    student = without(teacher, layout)
    average = copy.deepcopy(student).requires_grad_(False).eval()
    millions = [round(sum(one.numel() for one in unet.parameters()) / 1e6, 2) for unet in (teacher, student)]
    log.begin("pruned", f"{steps} steps of {BATCH}, {millions[1]} of {millions[0]} M parameters")
    if steps == 0:
        return average
    sizes = of_every_size(lambda count, size_px: TrainingLatents(pipeline.vae, count, size_px, dice), *latents)

    levels = NoiseLevels()
    of_teacher, of_student = _BlockOutputs(teacher), _BlockOutputs(student)
    descent = CosineAdamW(student.parameters(), peak_rate=PEAK_RATE, steps=steps)
    for step in range(1, steps + 1):
        tokens, clean = of_step(sizes, step).batch(BATCH, dice)
        noise = torch.randn(clean.shape, generator=dice)
        times = even_times(BATCH, dice)
        noisy, velocity = levels.mixed(clean, noise, times)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                embeddings = text(tokens).last_hidden_state
                goal = teacher(noisy, times, embeddings).sample.float()
            reached = student(noisy, times, embeddings).sample.float()
        output = (reached - goal).square().mean()
        loss = output + TASK_WEIGHT * (reached - velocity).square().mean() + of_student.distance(of_teacher)
        descent.down(loss)
        follow(average.parameters(), student.parameters(), step, most=EMA_DECAY)
        log.step(step, output)
    return average


@torch.inference_mode()
def step_times_s(unets: Iterable[UNet2DConditionModel], rows: int) -> list[float]:
    """Median seconds of one pass at the native size, the UNets in turn."""
    side = NATIVE_SIZE_PX // 8
    noisy, embeddings = torch.randn(rows, 4, side, side), torch.randn(rows, 77, 64)
    taken: list[list[float]] = []
    for _ in range(PAIRS):
        taken.append([])
        for unet in unets:
            began_s = time.perf_counter()
            unet(noisy, 500, embeddings)
            taken[-1].append(time.perf_counter() - began_s)
    return [statistics.median(times) for times in zip(*taken, strict=True)]


def export(folder: Path, pipeline: StableDiffusionPipeline, name: str) -> None:
    """A whole model, fp16, with aura-mini's own defaults and without its few-step parts, which are of other weights."""
    shutil.copytree(GENERATOR, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("turbo", "unet"))
    copy.deepcopy(pipeline.unet).half().save_pretrained(folder / "unet")
    facts = json.loads((GENERATOR / "aura.json").read_text(encoding="utf-8"))
    facts.pop("turbo", None)
    (folder / "aura.json").write_text(json.dumps({**facts, "name": name}, indent=2) + "\n", encoding="utf-8")


class _BlockOutputs:
    """What the down and up blocks of a UNet put out in its last pass."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._outputs: list[Tensor] = []
        unet.register_forward_pre_hook(lambda *_: self._outputs.clear())
        for block in (*unet.down_blocks, *unet.up_blocks):
            block.register_forward_hook(self._keep)

    def distance(self, goal: "_BlockOutputs") -> Tensor:
        """The mean square difference, each block's over the power of the goal."""
        parts = [
            (mine.float() - theirs.float()).square().mean() / theirs.float().square().mean()
            for mine, theirs in zip(self._outputs, goal._outputs, strict=True)
        ]
        return torch.stack(parts).mean()

    def _keep(self, block: torch.nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        self._outputs.append(output[0] if isinstance(output, tuple) else output)


if __name__ == "__main__":
    main()
