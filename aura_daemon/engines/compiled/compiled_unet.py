"""A UNet that torch.compile has compiled. In: calls as diffusers makes them. Out: noise that differs by rounding.

Each of the first shapes is compiled for itself, which makes the fastest code; all further ones share one code for any
shape, so that no stream of odd sizes compiles for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol

import torch
from loguru import logger

from aura_daemon.engines.compiled.captured_unet import Shapes, is_in_parts, shapes_of, tensors_of
from aura_daemon.engines.compiled.variants import TENSORRT
from aura_daemon.engines.failures import first_line, is_out_of_memory
from aura_daemon.jobs.results import EAGER
from aura_daemon.system.processes.repeating import repeating

MOST_STATIC: Final = 4
"""Shapes with code of their own: pictures alone and together, in two sizes."""

TELL_S: Final = 10.0
"""Seconds between two signs of life; a worker may always be silent for longer (`workers.silence.LEAST_S`)."""

MOST_S: Final = 3600.0
"""A compiler that takes longer has stopped."""


class Compiler(Protocol):
    """Compiles a UNet's forward pass at its first call, for one shape or for any."""

    def __call__(self, forward: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        """`dynamic`: for any shape."""


class CompiledUNet:
    """Stands where a UNet stands; a UNet that cannot be compiled computes as it is written, which is said."""

    def __init__(
        self, unet: Any, compiler: Compiler, variant: str, alive: Callable[[], None], tell_s: float = TELL_S
    ) -> None:
        """`unet`: diffusers', or one that offers `full` and `shallow` too (`CachingUNet`).

        `alive`: called every `tell_s` seconds, from another thread, while a shape may be compiled.
        """
        self._unet = unet
        self._name = variant
        self._alive = alive
        self._tell_s = tell_s
        self._noise = _Codes(unet.forward, compiler)
        self._full = _Codes(unet.full, compiler) if self.caches else None
        self._shallow = _Codes(unet.shallow, compiler) if self.caches else None
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

    @property
    def caches(self) -> bool:
        """Whether the UNet below offers `full` and `shallow`."""
        return is_in_parts(self._unet)

    def __call__(self, sample: torch.Tensor, timestep: Any, **arguments: Any) -> tuple[torch.Tensor, ...]:
        """As in diffusers, with `encoder_hidden_states` by name; a tuple in any case."""
        given = tensors_of(sample, timestep, arguments)
        found = self._computed(self._noise, given, return_dict=False) if given is not None else None
        if found is None:
            found = self._unet(sample, timestep, **arguments | {"return_dict": False})
        return tuple(found)

    def full(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `CachingUNet.full`."""
        given = tensors_of(sample, timestep, {"encoder_hidden_states": encoder_hidden_states})
        found = self._computed(self._full, given)
        noise, feature = found if found is not None else self._unet.full(sample, timestep, encoder_hidden_states)
        return noise, feature

    def shallow(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, feature: torch.Tensor
    ) -> torch.Tensor:
        """As `CachingUNet.shallow`."""
        arguments = {"encoder_hidden_states": encoder_hidden_states, "feature": feature}
        found = self._computed(self._shallow, tensors_of(sample, timestep, arguments))
        if found is None:
            found = self._unet.shallow(sample, timestep, encoder_hidden_states, feature)
        noise: torch.Tensor = found
        return noise

    def _computed(self, codes: _Codes | None, given: dict[str, torch.Tensor] | None, **more: Any) -> Any:
        """None where compiling has failed, now or before; what is no fault of the compiler is raised."""
        if self._trouble or codes is None or given is None:
            return None
        shapes = shapes_of(given)
        try:
            with nullcontext() if shapes in codes.met else self._telling(given["sample"]):
                found = codes.of(shapes)(**given, **more)
        except Exception as error:
            if is_out_of_memory(error) or not _is_of_compiler(error):
                raise
            self._trouble = _in_words(error, self._name)
            logger.warning("{}", self._trouble)
            return None
        codes.met.add(shapes)
        return found

    def _telling(self, sample: torch.Tensor) -> AbstractContextManager[None]:
        """Says that this process is alive: a second pass may compile between two steps, for minutes."""
        latents = "x".join(map(str, sample.shape))
        logger.info("the UNet is compiled for latents {}: minutes, unless the cache has it", latents)
        return repeating(self._alive, self._tell_s, name="compiling", most_s=MOST_S)


class _Codes:
    """What one function was compiled to."""

    def __init__(self, function: Callable[..., Any], compiler: Compiler) -> None:
        self._static = compiler(function, dynamic=False)
        self._dynamic = compiler(function, dynamic=True)
        self._own: set[Shapes] = set()
        """Shapes with code of their own."""
        self.met: set[Shapes] = set()
        """Shapes that were computed before."""

    def of(self, shapes: Shapes) -> Callable[..., Any]:
        """The code for some shapes, which is made when it is called."""
        if shapes not in self._own and len(self._own) >= MOST_STATIC:
            return self._dynamic
        self._own.add(shapes)
        return self._static


def _is_of_compiler(error: Exception) -> bool:
    """Whether torch's compiler or a backend of it raised this; its errors have no one class."""
    # Not at the top: the compiler takes 1.4 s to import, and `library_imports` keeps it away until it is used.
    from torch._dynamo.exc import TorchDynamoException

    place = type(error).__module__
    return isinstance(error, TorchDynamoException) or place.startswith(("torch._inductor", "torch_tensorrt", "triton"))


def _in_words(error: Exception, variant: str) -> str:
    """The reason, and what mends it."""
    inner = getattr(error, "inner_exception", None) or error
    reason = f"{type(inner).__name__}: {first_line(str(inner))}"
    mend = "torch-tensorrt may not fit this torch" if variant == TENSORRT else "it takes a C++ compiler, such as g++"
    return f"drawn without engine {variant}: it could not be compiled ({reason}); {mend}, or set generate.engine: auto"
