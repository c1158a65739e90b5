"""Distil aura-mini into few steps: `python -m aura_daemon.training.distilling.consistency [--out DIR] [--steps N]`.

Latent consistency distillation (Luo et al. 2023): the student learns to give from any point of the teacher's path the
end of that path; guidance is already in the path. What is kept is the student's running average, as a LoRA: of every
layer's difference to the teacher the largest singular values. About ten minutes on one core.
"""

import copy
import math
from pathlib import Path
from typing import Final

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from aura_daemon.mini import GENERATOR, WEIGHTS
from aura_daemon.training.distilling.turbo import export_lora
from aura_daemon.training.generator import TIMESTEPS, NoiseLevels, TrainingLatents, of_every_size, of_step
from aura_daemon.training.stages import parsed, training_parser
from aura_daemon.training.trainlog import TrainingLog, follow

STEPS: Final = 800
BATCH: Final = 32
RATE: Final = 3e-4
WARM_UP_STEPS, FLAT_SHARE, LAST_RATE = 30, 0.6, 0.05  # then a cosine down to that share of the rate
GUIDANCE: Final = 3.0  # of the teacher: goes into the student, which needs no second pass
EMA_DECAY: Final = 0.95
SOLVER_STEPS: Final = 50  # DDIM steps of the teacher's path
STRIDE: Final = TIMESTEPS // SOLVER_STEPS
SIGMA_DATA, TIME_SCALE = 0.5, 10.0  # as LCMScheduler has them
HUBER: Final = 0.001  # where the loss goes from square to linear
SQUARE, WIDE = 8_192, 1_024  # latents kept; as many tall as wide
RANK: Final = 32


def main() -> None:
    parser = training_parser(__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where generator/turbo/ is written")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rank", type=int, default=RANK)
    options = parsed(parser)
    log = TrainingLog(options.out / "train.log")
    pipeline = StableDiffusionPipeline.from_pretrained(GENERATOR, dtype=torch.float32)
    student = distil(log, pipeline, steps=options.steps, seed=options.seed)
    layers, kept = difference(pipeline.unet, student, rank=options.rank)
    log.note(f"a LoRA of rank {options.rank} keeps {kept:.1%} of the difference")
    export_lora(options.out / "generator", layers)


def distil(
    log: TrainingLog,
    pipeline: StableDiffusionPipeline,
    *,
    steps: int,
    seed: int,
    latents: tuple[int, int] = (SQUARE, WIDE),
) -> UNet2DConditionModel:
    """The student's running average; `latents`: how many square and wide ones the student learns from."""
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed + 3)
    teacher, text = pipeline.unet.requires_grad_(False).eval(), pipeline.text_encoder
    student = copy.deepcopy(teacher)
    # Only what a LoRA can carry is learned: the weights of layers, neither biases nor norms.
    learned = [parameter.requires_grad_() for parameter in student.parameters() if parameter.dim() > 1]
    average = copy.deepcopy(student).requires_grad_(False)
    averaged = [parameter for parameter in average.parameters() if parameter.dim() > 1]
    log.begin("turbo", f"{steps} steps of {BATCH}, {sum(one.numel() for one in learned) / 1e6:.2f} M parameters")
    sizes = of_every_size(lambda count, size_px: TrainingLatents(pipeline.vae, count, size_px, dice), *latents)
    log.note(f"{latents[0]} square, {latents[1]} wide and {latents[1]} tall latents")

    path = _TeacherPath()
    nothing = pipeline.tokenizer([""], padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        empty = text(nothing).last_hidden_state.expand(BATCH, -1, -1)
    descent = AdamW(learned, lr=RATE, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    slope = LambdaLR(descent, lambda step: _rate(step, steps))
    for step in range(1, steps + 1):
        tokens, clean = of_step(sizes, step).batch(BATCH, dice)
        noise = torch.randn(clean.shape, generator=dice)
        # One random point in each of `BATCH` equal slices of the path.
        points = ((torch.arange(BATCH) + torch.rand(BATCH, generator=dice)) * SOLVER_STEPS / BATCH).long()
        times = (points + 1) * STRIDE - 1
        noisy, _ = path.mixed(clean, noise, times)
        with torch.no_grad():
            embeddings = text(tokens).last_hidden_state
            both = teacher(noisy.repeat(2, 1, 1, 1), times.repeat(2), torch.cat([empty, embeddings])).sample
            without, with_prompt = both.chunk(2)
            earlier, nearer = path.back(noisy, times, without + GUIDANCE * (with_prompt - without))
            goal = path.end(nearer, earlier, average(nearer, earlier, embeddings).sample)
        reached = path.end(noisy, times, student(noisy, times, embeddings).sample)
        loss = ((reached - goal).square() + HUBER**2).sqrt().mean() - HUBER
        descent.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        descent.step()
        slope.step()
        follow(averaged, learned, step, most=EMA_DECAY)
        log.step(step, loss)
    return average.eval()


@torch.no_grad()
def difference(
    teacher: UNet2DConditionModel, student: UNet2DConditionModel, *, rank: int
) -> tuple[dict[str, Tensor], float]:
    """The LoRA that makes the teacher's layers nearly the student's, fp16, and the share of the difference it keeps."""
    layers: dict[str, Tensor] = {}
    kept = whole = 0.0
    learned = dict(student.named_parameters())
    for name, weight in teacher.named_parameters():
        if weight.dim() < 2:
            continue
        change = learned[name] - weight
        left, sizes, right = torch.linalg.svd(change.flatten(1), full_matrices=False)
        whole += float(sizes.square().sum())
        sizes = sizes[:rank]
        kept += float(sizes.square().sum())
        inward = torch.zeros(rank, right.shape[1])  # zeros where a layer has less: the loaders want one rank
        outward = torch.zeros(left.shape[0], rank)
        inward[: len(sizes)] = sizes.sqrt()[:, None] * right[:rank]
        outward[:, : len(sizes)] = left[:, :rank] * sizes.sqrt()
        layer = name.removesuffix(".weight")
        layers[f"{layer}.lora_A.weight"] = inward.reshape(rank, *change.shape[1:]).half()
        tail = (1,) * (change.dim() - 2)
        layers[f"{layer}.lora_B.weight"] = outward.reshape(*outward.shape, *tail).half()
    return layers, kept / whole


class _TeacherPath(NoiseLevels):
    """What the teacher's predictions of velocity mean."""

    def back(self, noisy: Tensor, times: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor]:
        """One DDIM step: the earlier times, and the less noisy latents."""
        earlier = (times - STRIDE).clamp(min=0)
        clean = self.signal[times] * noisy - self.noise_share[times] * velocity
        noise = self.signal[times] * velocity + self.noise_share[times] * noisy
        return earlier, self.signal[earlier] * clean + self.noise_share[earlier] * noise

    def end(self, noisy: Tensor, times: Tensor, velocity: Tensor) -> Tensor:
        """The consistency function: the latents themselves at time 0, the predicted end at any later time."""
        scaled = (times * TIME_SCALE)[:, None, None, None]
        size = (scaled**2 + SIGMA_DATA**2).sqrt()
        clean = self.signal[times] * noisy - self.noise_share[times] * velocity
        reached: Tensor = (SIGMA_DATA / size) ** 2 * noisy + scaled / size * clean
        return reached


def _rate(step: int, steps: int) -> float:
    """The share of `RATE` at a step."""
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    down = max(0.0, (step - FLAT_SHARE * steps) / ((1 - FLAT_SHARE) * steps))
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * down)) / 2


if __name__ == "__main__":
    main()
