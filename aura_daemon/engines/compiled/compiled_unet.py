"""A UNet that torch.compile has compiled. In: calls as diffusers makes them. Out: noise that differs by rounding.

Each of the first shapes is compiled for itself, which makes the fastest code; all further ones share one code for any
shape, so that no stream of odd sizes compiles for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import torch
from loguru import logger
from torch._dynamo.exc import TorchDynamoException

from aura_daemon.engines.compiled.captured_unet import Shapes, tensors_of
from aura_daemon.engines.compiled.variants import TENSORRT
from aura_daemon.engines.failures import first_line, is_out_of_memory
from aura_daemon.jobs.results import EAGER

MOST_STATIC: Final = 4
"""Shapes with code of their own: pictures alone and together, in two sizes."""


class Compiler(Protocol):
    """Compiles a UNet's forward pass at its first call, for one shape or for any."""

    def __call__(self, forward: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        """`dynamic`: for any shape."""


class CompiledUNet:
    """Stands where a UNet stands; a UNet that cannot be compiled computes as it is written, which is said."""

    def __init__(self, unet: Any, compiler: Compiler, variant: str) -> None:
        self._unet = unet
        self._static = compiler(unet.forward, dynamic=False)
        self._dynamic = compiler(unet.forward, dynamic=True)
        self._name = variant
        self._shapes: set[Shapes] = set()
        self._trouble = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    @property
    def variant(self) -> str:
        """`EAGER` once compiling has failed."""
        return EAGER if self._trouble else self._name

    @property
    def warnings(self) -> tuple[str, ...]:
        """What did not work; for the sidecar."""
        return (self._trouble,) if self._trouble else ()

    def __call__(self, sample: torch.Tensor, timestep: Any, **arguments: Any) -> tuple[torch.Tensor, ...]:
        """As in diffusers, with `encoder_hidden_states` by name; a tuple in any case."""
        given = tensors_of(sample, timestep, arguments)
        if not self._trouble and given is not None:
            try:
                return tuple(self._chosen(given)(**given, return_dict=False))
            except Exception as error:
                if is_out_of_memory(error) or not _is_of_compiler(error):
                    raise
                self._trouble = _in_words(error, self._name)
                logger.warning("{}", self._trouble)
        return tuple(self._unet(sample, timestep, **arguments | {"return_dict": False}))

    def _chosen(self, given: dict[str, torch.Tensor]) -> Callable[..., Any]:
        shapes = tuple((name, tuple(one.shape), one.dtype) for name, one in sorted(given.items()))
        if shapes in self._shapes:
            return self._static
        if len(self._shapes) >= MOST_STATIC:
            return self._dynamic
        self._shapes.add(shapes)
        logger.info(
            "the UNet is compiled for latents {}; unless the cache has it, in minutes", tuple(given["sample"].shape)
        )
        return self._static


def _is_of_compiler(error: Exception) -> bool:
    """Whether torch's compiler or a backend of it raised this; its errors have no one class."""
    place = type(error).__module__
    return isinstance(error, TorchDynamoException) or place.startswith(("torch._inductor", "torch_tensorrt", "triton"))


def _in_words(error: Exception, variant: str) -> str:
    """The reason, and what mends it."""
    inner = getattr(error, "inner_exception", None) or error
    reason = f"{type(inner).__name__}: {first_line(str(inner))}"
    mend = "torch-tensorrt may not fit this torch" if variant == TENSORRT else "it takes a C++ compiler, such as g++"
    return f"drawn without engine {variant}: it could not be compiled ({reason}); {mend}, or set generate.engine: auto"
