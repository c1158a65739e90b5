"""A UNet that is recorded once for every shape and played back: no Python, and one launch instead of thousands.

In: calls as diffusers makes them. Out: the very same noise. At batch 1 the launch of kernels is what limits a fast GPU.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import torch
from loguru import logger

from aura_daemon.engines.compiled.variants import CUDA_GRAPHS
from aura_daemon.engines.failures import first_line, is_broken, is_out_of_memory
from aura_daemon.jobs.results import EAGER

Tensors: TypeAlias = Mapping[str, torch.Tensor]
"""What a call is given, by the name of the argument."""

Shapes: TypeAlias = tuple[tuple[str, tuple[int, ...], torch.dtype], ...]
"""What a recording is for: names, shapes and number formats."""

MOST_GRAPHS: Final = 8
"""Recordings that are kept at once; the one that was used longest ago goes first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A call that can be played back."""

    inputs: Tensors
    """Where it reads: whoever plays it writes here before."""
    outputs: tuple[torch.Tensor, ...]
    """Where it writes, at every play anew."""
    play: Callable[[], None]


class Recorder(Protocol):
    """Records a call; `cuda_capture.CudaRecorder` does so on a GPU."""

    def __call__(self, call: Callable[..., tuple[torch.Tensor, ...]], inputs: Tensors) -> Recording:
        """`inputs` belong to the recording; raises what torch raises."""


class CapturedCalls:
    """One function of tensors, recorded for each shape that it is called with."""

    def __init__(self, call: Callable[..., tuple[torch.Tensor, ...]], record: Recorder) -> None:
        self._call = call
        self._record = record
        self._recordings: OrderedDict[Shapes, Recording] = OrderedDict()

    def __call__(self, given: Tensors) -> tuple[torch.Tensor, ...]:
        """New tensors: the next play may not touch what a scheduler keeps."""
        shapes = shapes_of(given)
        recording = self._recordings.get(shapes)
        if recording is None:
            while len(self._recordings) >= MOST_GRAPHS:
                self._recordings.popitem(last=False)
            inputs = {name: one.detach().clone() for name, one in given.items()}
            recording = self._recordings[shapes] = self._record(self._call, inputs)
        self._recordings.move_to_end(shapes)
        for name, one in given.items():
            recording.inputs[name].copy_(one)
        recording.play()
        return tuple(one.clone() for one in recording.outputs)

    def forget(self) -> None:
        """Gives up all recordings and their memory."""
        self._recordings.clear()


class CapturedUNet:
    """Stands where a UNet stands; what cannot be recorded is computed by the UNet itself."""

    def __init__(self, unet: Any, record: Recorder) -> None:
        """`unet`: diffusers', or a stand-in for it, which may offer `full` and `shallow` (`CachingUNet`)."""
        self._unet = unet
        self._noise = CapturedCalls(lambda **given: tuple(unet(**given, return_dict=False)), record)
        self._full = CapturedCalls(lambda **given: tuple(unet.full(**given)), record)
        self._shallow = CapturedCalls(lambda **given: (unet.shallow(**given),), record)
        self._trouble = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    @property
    def variant(self) -> str:
        """How it computes: as the UNet below it does, where that has a name of its own."""
        below = str(getattr(self._unet, "variant", EAGER))
        return below if below != EAGER or self._trouble else CUDA_GRAPHS

    @property
    def caches(self) -> bool:
        """Whether the UNet below offers `full` and `shallow`."""
        return is_in_parts(self._unet)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What did not work; for the sidecar."""
        below = tuple(getattr(self._unet, "warnings", ()))
        return (*below, self._trouble) if self._trouble else below

    def __call__(self, sample: torch.Tensor, timestep: Any, **arguments: Any) -> tuple[torch.Tensor, ...]:
        """As in diffusers, with `encoder_hidden_states` by name; a tuple in any case."""
        given = tensors_of(sample, timestep, arguments)
        if self._trouble or given is None:
            return tuple(self._unet(sample, timestep, **arguments | {"return_dict": False}))
        played = self._played(self._noise, given)
        return played if played is not None else self(sample, timestep, **arguments)

    def full(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `CachingUNet.full`."""
        given = tensors_of(sample, timestep, {"encoder_hidden_states": encoder_hidden_states})
        if given is not None and not self._trouble and (played := self._played(self._full, given)) is not None:
            return played[0], played[1]
        noise, feature = self._unet.full(sample, timestep, encoder_hidden_states)
        return noise, feature

    def shallow(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, feature: torch.Tensor
    ) -> torch.Tensor:
        """As `CachingUNet.shallow`."""
        arguments = {"encoder_hidden_states": encoder_hidden_states, "feature": feature}
        given = tensors_of(sample, timestep, arguments)
        if given is not None and not self._trouble and (played := self._played(self._shallow, given)) is not None:
            return played[0]
        noise: torch.Tensor = self._unet.shallow(sample, timestep, encoder_hidden_states, feature)
        return noise

    def _played(self, calls: CapturedCalls, given: Tensors) -> tuple[torch.Tensor, ...] | None:
        """None where recording failed, now and for good; what the session must know of is raised."""
        try:
            return calls(given)
        except RuntimeError as error:
            for one in (self._noise, self._full, self._shallow):
                one.forget()
            if is_out_of_memory(error) or is_broken(error):
                raise
            self._trouble = f"drawn without CUDA graphs, which failed: {first_line(str(error))}"
            logger.warning("{}", self._trouble)
            return None


def is_in_parts(unet: Any) -> bool:
    """Whether a UNet, or what stands in for one, offers `full` and `shallow`."""
    return bool(getattr(unet, "caches", hasattr(type(unet), "full")))


def shapes_of(given: Tensors) -> Shapes:
    """What makes one call as good as another for a compiler or a recorder."""
    return tuple((name, tuple(one.shape), one.dtype) for name, one in sorted(given.items()))


def tensors_of(sample: torch.Tensor, timestep: Any, arguments: Mapping[str, Any]) -> dict[str, torch.Tensor] | None:
    """All that a call is given, as tensors; None where it is given anything else (residuals of a ControlNet)."""
    moment = timestep if torch.is_tensor(timestep) else torch.tensor(timestep)
    if moment.device != sample.device:
        moment = moment.to(sample.device)
    tensors = {"sample": sample, "timestep": moment}
    for name, value in arguments.items():
        if torch.is_tensor(value):
            tensors[name] = value
        elif value is not None and name != "return_dict":
            return None
    return tensors
