"""How much a picture may differ for the sake of speed. In: nothing. Out: the levels, and the engines that compute."""

from __future__ import annotations

from enum import StrEnum


class Speed(StrEnum):
    """What may be done to draw a picture sooner; each level does what those before it do, and more.

    The bounds are of the share of prompts that aura-mini draws right, as its captioner sees it, over 400 prompts.
    """

    EXACT = "exact"
    """Nothing is approximated: the fastest engine whose pictures differ by rounding alone."""
    BALANCED = "balanced"
    """Within 0.5 points of `exact`."""
    FAST = "fast"
    """Within 1 point of `exact`, with fewer steps where the job names none."""
    TURBO = "turbo"
    """A few steps by a model or a LoRA made for that, one pass a step, a tiny decoder: other pictures."""


def loaded_as(model: str, speed: Speed | None) -> str:
    """The name of a loaded model: for turbo other weights are loaded than for all other levels."""
    return f"{model} at {Speed.TURBO}" if speed is Speed.TURBO else model


class EngineChoice(StrEnum):
    """What computes the UNet."""

    AUTO = "auto"
    """What was measured to be the fastest on this machine."""
    EAGER = "eager"
    """PyTorch, as the model is written."""
    OPENVINO = "openvino"
    COMPILED = "compiled"
    """torch.compile."""
    CUDA_GRAPHS = "cuda-graphs"
    """PyTorch, as the model is written, recorded once for every size and played back; on CUDA GPUs."""
    TENSORRT = "tensorrt"
    """torch.compile with torch-tensorrt, which must be installed; on CUDA GPUs."""


class CaptionEngine(StrEnum):
    """What looks at pictures for a caption."""

    AUTO = "auto"
    """What was measured to be the fastest on this machine."""
    EAGER = "eager"
    """PyTorch, as the model is written."""
    OPENVINO = "openvino"


class CaptionSpeed(StrEnum):
    """What may be done to write a caption sooner."""

    EXACT = "exact"
    """Nothing is approximated: the fastest engine that differs by rounding alone."""
    BALANCED = "balanced"
    """At least 99 % of aura-mini's captions stay the same."""
