"""How the models of one family lie on the disk: what `find` has to know of a family."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from aura_daemon.config.workers.services import ModelRole
from aura_daemon.engines.model_files.weights import WeightFiles
from aura_daemon.jobs.results import Failure

ChooseWeights: TypeAlias = Callable[[Iterable[str], Mapping[str, Any], bool, bool], WeightFiles | Failure | str]
"""Names of all files, `model_index.json`, half precision preferred, pickles allowed -> the weights in use, or the name
of the file that is missing or refused, or another refusal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFormat:
    """The files of a family's models."""

    noun: str
    """With its article: "a captioner"."""
    description: str
    """What a folder has to be, for refusals."""
    architectures: tuple[str, ...]
    """Class names in `model_index.json` or `config.json`; a model type counts where there is no class name."""
    embedded: Path
    """The folder of the model inside the package."""
    weight_files: ChooseWeights
    role: ModelRole | None = None
    """What its models are for; None: they belong to others."""
    has_checkpoints: bool = False
    """Whether one file can hold the whole model."""
    is_one_file: bool = False
    """Whether it is one file without a configuration that says what it is."""
