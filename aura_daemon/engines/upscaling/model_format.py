"""How an upscaler is recognized: one file of safetensors. Importing it imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aura_daemon.config.workers.services import ModelRole
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.weights import WeightFiles, unavailable
from aura_daemon.jobs.prompts.lora_names import EXTENSION
from aura_daemon.jobs.results import Failure
from aura_daemon.mini import WEIGHTS

PICKLES: Final = (".pth", ".pt", ".ckpt", ".bin")
"""As most upscalers are offered."""

CONVERT: Final = "convert it where you trust it, as docs/control.md says, and name that file"


def upscaler_weights(
    names: Iterable[str], _index: Mapping[str, Any], _half: bool, _allow_pickle: bool
) -> WeightFiles | Failure | str:
    """The only file of safetensors."""
    present = sorted(name for name in names if "/" not in name)
    found = [name for name in present if name.endswith(EXTENSION)]
    if len(found) == 1:
        return WeightFiles(names=(found[0],))
    if found:
        mend = "name one file, or set upscale.folder to that folder and name one in it"
        return unavailable("for upscaling", f"its folder holds {len(found)} files of safetensors", mend)
    if pickle := next((name for name in present if name.endswith(PICKLES)), ""):
        return pickle_refused(pickle)
    return "an upscaler (.safetensors)"


def pickle_refused(name: str) -> Failure:
    """The failure of an upscaler that is a pickle."""
    return unavailable(name, "it is a pickle, which can run any code when it is opened; it is not read", CONVERT)


UPSCALERS: Final = ModelFormat(
    noun="an upscaler",
    description="an upscaler",
    architectures=(),
    embedded=WEIGHTS / "upscaler",
    weight_files=upscaler_weights,
    role=ModelRole.UPSCALER,
    is_one_file=True,
)
