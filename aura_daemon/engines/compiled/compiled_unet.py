"""A UNet that torch.compile has compiled. In: calls as diffusers makes them. Out: noise that differs by rounding.

Each of the first shapes is compiled for itself, which makes the fastest code; all further ones share one code for any
shape, so that no stream of odd sizes compiles for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
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
        """`alive`: called every `tell_s` seconds, from another thread, while a shape may be compiled."""
        self._unet = unet
        self._alive = alive
        self._tell_s = tell_s
        self._static = compiler(unet.forward, dynamic=False)
        self._dynamic = compiler(unet.forward, dynamic=True)
        self._name = variant
        self._own: set[Shapes] = set()
        """Those with code of their own."""
        self._met: set[Shapes] = set()
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
            shapes = tuple((name, tuple(one.shape), one.dtype) for name, one in sorted(given.items()))
            try:
                with self._telling(given["sample"]) if shapes not in self._met else nullcontext():
                    noise = tuple(self._code(shapes)(**given, return_dict=False))
                self._met.add(shapes)
                return noise
            except Exception as error:
                if is_out_of_memory(error) or not _is_of_compiler(error):
                    raise
                self._trouble = _in_words(error, self._name)
                logger.warning("{}", self._trouble)
        return tuple(self._unet(sample, timestep, **arguments | {"return_dict": False}))

    def _code(self, shapes: Shapes) -> Callable[..., Any]:
        if shapes not in self._own and len(self._own) >= MOST_STATIC:
            return self._dynamic
        self._own.add(shapes)
        return self._static

    @contextmanager
    def _telling(self, sample: torch.Tensor) -> Iterator[None]:
        """Says that this process is alive: a second pass may compile between two steps, for minutes."""
        latents = "x".join(map(str, sample.shape))
        logger.info("the UNet is compiled for latents {}: minutes, unless the cache has it", latents)
        over = threading.Event()

        def tell() -> None:
            for _ in range(int(MOST_S / self._tell_s)):
                if over.wait(self._tell_s):
                    return
                self._alive()

        thread = threading.Thread(target=tell, name="compiling", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


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
