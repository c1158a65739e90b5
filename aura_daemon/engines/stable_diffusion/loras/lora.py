"""LoRAs are put on a loaded model before a job and taken off before a job with others. In: names, weights. Out: files.

Taking off puts the model's own modules back and does not only switch a LoRA off, so that no trace of it changes later
jobs. The content of the files is kept, so that no file is read twice.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import torch
from loguru import logger
from safetensors import SafetensorError
from safetensors.torch import load

from aura_daemon.engines.failures import UnusableIngredient, first_line
from aura_daemon.engines.model_files.beside.named_files import link_refused, one_meant, refused, weights_below
from aura_daemon.engines.model_files.weights import header_fault
from aura_daemon.engines.stable_diffusion.loras.lora_kinds import other_architecture, other_method
from aura_daemon.engines.stable_diffusion.loras.lora_layers import layers_without_place
from aura_daemon.file_names import escaped
from aura_daemon.jobs.prompts.lora_names import EXTENSION
from aura_daemon.jobs.requests import Lora
from aura_daemon.jobs.results import Failure, Ingredient, IngredientKind

MOST_BYTES: Final = 2 << 30
"""Of a file; a LoRA of rank 256 for Stable Diffusion 1.x has 1.2 GB."""

KEPT: Final = 8
"""LoRAs whose content is kept: 20 to 150 MiB each for Stable Diffusion 1.x."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Content:
    """The content of one file."""

    stamp: tuple[int, int]
    """Size in bytes and time of change in nanoseconds."""
    sha256: str
    tensors: dict[str, torch.Tensor] = field(repr=False, compare=False)


class LoraAdapters:
    """The LoRAs of one pipeline."""

    def __init__(self, pipe: Any, folder: str | None) -> None:
        self._pipe = pipe
        self._folder = Path(folder) if folder is not None else None
        self._contents: OrderedDict[str, _Content] = OrderedDict()
        self._on: tuple[tuple[str, str], ...] = ()
        """Name and hash of each LoRA on the model."""
        self._weights: tuple[float, ...] = ()
        self._warnings: list[str] = []

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the LoRAs that are on has no place in the model."""
        return tuple(self._warnings)

    @property
    def state(self) -> Hashable:
        """Changes whenever the model's outputs change with its LoRAs."""
        return self._on, self._weights

    def put_on(self, loras: tuple[Lora, ...]) -> tuple[Ingredient, ...]:
        """Leaves exactly these LoRAs on; raises UnusableIngredient, with none on. A weight of 0 means no LoRA."""
        by_file = {self._meant(lora.name): lora.weight for lora in loras if lora.weight != 0}
        contents = {name: self._read(name) for name in by_file}
        on = tuple((name, content.sha256) for name, content in contents.items())
        if on != self._on:
            self.take_off()
            for number, (name, content) in enumerate(contents.items()):
                self._add(name, content, number)
            self._on = on
        weights = tuple(by_file.values())
        if weights and weights != self._weights:
            self._pipe.set_adapters([_adapter(number) for number in range(len(weights))], list(weights))
        self._weights = weights
        return tuple(
            Ingredient(kind=IngredientKind.LORA, name=escaped(name), sha256=sha256) for name, sha256 in self._on
        )

    def take_off(self) -> None:
        """Puts the model's own modules back."""
        if self._on or self._has_traces():
            self._pipe.unload_lora_weights()
        self._on, self._weights = (), ()
        self._warnings.clear()

    def _has_traces(self) -> bool:
        """Whether an attempt that failed left something on."""
        return any(getattr(module, "peft_config", None) for module in (self._pipe.unet, self._pipe.text_encoder))

    def _add(self, name: str, content: _Content, number: int) -> None:
        method = other_method(content.tensors)
        if method:
            self.take_off()
            raise _unusable(name, f"is {method}, which is not read as a LoRA", _ANOTHER)
        absent, layers = layers_without_place(self._pipe, content.tensors)
        try:
            with warnings.catch_warnings(action="ignore"):  # that there are several, which is meant
                self._pipe.load_lora_weights(dict(content.tensors), adapter_name=_adapter(number))
        except Exception as error:  # noqa: BLE001 - diffusers and peft raise anything at a file that does not fit
            logger.debug("LoRA {}: {}", escaped(name), error)
            architecture = other_architecture(content.tensors)
            reason = f"it was trained for {architecture}" if architecture else first_line(str(error))
            fault = f"is none for this model ({reason})"
        else:
            if any(_adapter(number) in getattr(part, "peft_config", {}) for part in self._parts()):
                if absent:
                    without = f"{len(absent)} of its {layers} layers do nothing: this model does not have them"
                    self._warnings.append(f"LoRA {escaped(name)}: {without} ({absent[0]}, …)")
                return
            architecture = other_architecture(content.tensors)
            trained = f": it was trained for {architecture}" if architecture else ""
            fault = f"holds nothing for this model{trained}"
        self.take_off()
        raise _unusable(name, fault, _ANOTHER)

    def _parts(self) -> tuple[Any, Any]:
        return self._pipe.unet, self._pipe.text_encoder

    def _read(self, name: str) -> _Content:
        """The content of a LoRA, read again where its file has changed."""
        file = self._file(name)
        try:
            status = file.stat()
            stamp = status.st_size, status.st_mtime_ns
            present = self._contents.get(name)
            if present is not None and present.stamp == stamp:
                self._contents.move_to_end(name)
                return present
            if fault := header_fault(file) or _size_fault(status.st_size):
                raise _unusable(name, f"cannot be read: {fault}", _AGAIN)
            content = file.read_bytes()
            read = _Content(stamp=stamp, sha256=hashlib.sha256(content).hexdigest(), tensors=load(content))
        except (OSError, SafetensorError) as error:
            raise _unusable(name, f"cannot be read: {first_line(str(error))}", _AGAIN) from None
        self._contents[name] = read
        while len(self._contents) > KEPT:
            self._contents.popitem(last=False)
        return read

    def _meant(self, name: str) -> str:
        """The LoRA that a name means: its path below the folder, without the suffix."""
        if self._folder is None:
            message = f"LoRA {escaped(name)}: there is no folder of LoRAs"
            raise UnusableIngredient(refused(message, "set generate.loras to a folder"))
        path = PurePosixPath(name)
        is_inside = path.as_posix() == name and not path.is_absolute() and ".." not in path.parts
        if is_inside and (self._folder / f"{name}{EXTENSION}").is_file():
            return name
        known = sorted(weights_below(self._folder))
        meant = one_meant("LoRA", name, known, otherwise="is not there", mend="put its file there")
        if isinstance(meant, Failure):
            raise UnusableIngredient(meant)
        return meant

    def _file(self, name: str) -> Path:
        """Where a LoRA lies, never outside the folder."""
        assert self._folder is not None
        file = self._folder / f"{name}{EXTENSION}"
        if not file.is_file():
            file = weights_below(self._folder).get(name, file)
        if link := link_refused("LoRA", name, self._folder, [file], key="generate.loras"):
            raise UnusableIngredient(link)
        return file


def _unusable(name: str, reason: str, mend: str) -> UnusableIngredient:
    return UnusableIngredient(refused(f"LoRA {escaped(name)} {reason}", mend))


def _size_fault(size_bytes: int) -> str:
    return f"it has {size_bytes:,} bytes, more than any LoRA" if size_bytes > MOST_BYTES else ""


_AGAIN: Final = "copy its file again, or leave it out"
_ANOTHER: Final = "take one that was trained for Stable Diffusion 1.x, or leave it out"


def _adapter(number: int) -> str:
    """Names of ours: peft allows no dots in one."""
    return f"adapter{number}"
