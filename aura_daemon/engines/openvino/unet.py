"""The UNet on OpenVINO, in the place of diffusers' own. In: a converted file. Out: noise, and features to keep.

One row is computed after the other: measured at the size of Stable Diffusion 1.4, a batch takes as long as its rows
one by one (8.3 s against twice 4.2 s of one core). So one graph serves every batch and every use of guidance, and holds
the weights once. A graph has one size; the next size compiles another one, which takes seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from accelerate import init_empty_weights
from diffusers import UNet2DConditionModel
from loguru import logger

from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.conversion import NOISE, shaped
from aura_daemon.engines.openvino.graphs import FEATURE, shallow, with_feature
from aura_daemon.engines.openvino.library import openvino
from aura_daemon.engines.openvino.running import faults_told, options, shared
from aura_daemon.system.processes.mapped_pages import without_pages_of
from aura_daemon.system.processes.process_memory import trim

KEPT_BYTES: Final = 256 << 20
"""Of a file: sizes of larger models are compiled again when they come back, because each takes the weights once."""

KEPT: Final = 4
"""Sizes of a small model that stay compiled."""

Size: TypeAlias = tuple[int, int, int]
"""Height and width of the latents, and tokens."""


class _Compiled:
    """The graphs of one size."""

    def __init__(self, compile_graph: Callable[[bool], Any]) -> None:
        self._compile = compile_graph
        self.full = compile_graph(False)
        self._shallow: Any = None

    @property
    def shallow(self) -> Any:
        """Compiled at its first use; it has 1 % of the weights."""
        if self._shallow is None:
            self._shallow = self._compile(True)
        return self._shallow

    def give_back(self) -> None:
        """Keeps weights alone; the next call takes what it needs anew."""
        for request in filter(None, (self.full, self._shallow)):
            request.get_compiled_model().release_memory()


class OpenVinoUNet:
    """A `CachingUNet` that diffusers' pipelines call as their own; whatever else they ask, its empty original tells."""

    def __init__(self, files: ModelFiles, converted: Path, *, dtype: torch.dtype, threads: int) -> None:
        """`converted`: the graph's `.xml`, its weights beside it; compiled at the first call of each size."""
        with init_empty_weights():
            config = UNet2DConditionModel.load_config(str(files.folder), subfolder="unet", local_files_only=True)
            self.original = UNet2DConditionModel.from_config(config)
            """Without weights."""
        torch.nn.Module.to(self.original, dtype)  # diffusers' own `to` warns of what only weights could lose
        self._file = converted
        self._core = openvino.Core()
        self._options = options(dtype, threads)
        self._kept = KEPT if converted.with_suffix(".bin").stat().st_size <= KEPT_BYTES else 1
        self._sizes: OrderedDict[Size, _Compiled] = OrderedDict()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    def to(self, *_arguments: Any, **_named: Any) -> OpenVinoUNet:
        """Stays where it is, in the number format it has."""
        return self

    def __call__(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **arguments: Any
    ) -> tuple[torch.Tensor]:
        """As diffusers calls it; raises TypeError for what is not in the graph (ControlNet's residuals, say)."""
        arguments.pop("return_dict", None)
        if unknown := [name for name, value in arguments.items() if value is not None]:
            raise TypeError(f"the converted UNet takes no {', '.join(unknown)}")
        return (self.full(sample, timestep, encoder_hidden_states)[0],)

    def full(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The noise in the format of `sample`, and in float32 the feature that entered the last layers.

        Raises FaultyVariant, as `shallow` does, for what PyTorch may be able to compute.
        """
        request = self._at(sample, encoder_hidden_states).full
        feature = torch.empty(len(sample), *request.get_output_tensor(1).shape[1:])
        noise = self._run(request, sample, timestep, encoder_hidden_states, written={FEATURE: feature})
        return noise, feature

    def shallow(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, feature: torch.Tensor
    ) -> torch.Tensor:
        """The noise from the last layers alone; with a feature of the same step it equals that of `full`."""
        request = self._at(sample, encoder_hidden_states).shallow
        return self._run(request, sample, timestep, encoder_hidden_states, read={FEATURE: feature})

    def give_back(self) -> None:
        """Gives a large model's memory for activations back until the next call; a decode takes as much meanwhile."""
        if self._kept == 1:
            for compiled in self._sizes.values():
                compiled.give_back()
            trim()

    def _run(
        self,
        request: Any,
        sample: torch.Tensor,
        timestep: Any,
        encoder_hidden_states: torch.Tensor,
        *,
        read: dict[str, torch.Tensor] | None = None,
        written: dict[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Row by row, in memory that torch and OpenVINO share."""
        noise = torch.empty(sample.shape, dtype=torch.float32)
        inputs = {"sample": sample, "encoder_hidden_states": encoder_hidden_states, **(read or {})}
        plain = {name: tensor.to(torch.float32).contiguous() for name, tensor in inputs.items()}
        moment = torch.tensor(float(timestep))  # has a name so that it lives: OpenVINO keeps no reference to memory
        request.set_tensor("timestep", shared(moment))
        for row in range(len(sample)):
            for name, tensor in (plain | {NOISE: noise} | (written or {})).items():
                request.set_tensor(name, shared(tensor[row : row + 1]))
            with faults_told():
                request.infer()
        if not bool(noise.isfinite().all()) and all(bool(tensor.isfinite().all()) for tensor in plain.values()):
            raise FaultyVariant("it computes NaN", lasts=False)
        return noise.to(sample.dtype)

    def _at(self, sample: torch.Tensor, encoder_hidden_states: torch.Tensor) -> _Compiled:
        """The graphs for this size; the size used longest ago makes room."""
        size = (*sample.shape[-2:], encoder_hidden_states.shape[1])
        if size in self._sizes:
            self._sizes.move_to_end(size)
            return self._sizes[size]
        while len(self._sizes) >= self._kept:
            self._sizes.popitem(last=False)

        def compile_graph(is_shallow: bool) -> Any:
            with faults_told(), without_pages_of(self._file.with_suffix(".bin")):
                graph = shaped(
                    self._core,
                    self._file,
                    sample=tuple(sample.shape[1:]),
                    embeddings=tuple(encoder_hidden_states.shape[1:]),
                )
                cut = shallow(graph) if is_shallow else with_feature(graph)
                return self._core.compile_model(cut, "CPU", self._options).create_infer_request()

        logger.debug("compiling {} for latents of {}x{} and {} tokens", self._file, size[1], size[0], size[2])
        self._sizes[size] = compiled = _Compiled(compile_graph)
        return compiled
