"""Which file in a configured folder the name in a job means. In: a name, those that there are. Out: one, or why none.

Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from aura_daemon.engines.model_files.model_format import ChooseWeights
from aura_daemon.engines.model_files.weights import WeightFiles
from aura_daemon.file_names import escaped
from aura_daemon.jobs.prompts.lora_names import EXTENSION, names_meant
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.problems import nearest

MOST_LISTED: Final = 20
"""Names that a refusal lists."""


def one_meant(
    noun: str, name: str, known: Sequence[str], *, otherwise: str, mend: str = "put it into its folder"
) -> str | Failure:
    """The one of the known names that a name means. `otherwise`: what a name is that means none of them."""
    meant = names_meant(name, known)
    if len(meant) == 1:
        return meant[0]
    if meant:
        return refused(f"{noun} {escaped(name)}: there are several of this name: {listed(meant)}", "name one of these")
    near = nearest(name, known)
    there = f"there are {listed(known)}" if known else "its folder holds none"
    mend = f"did you mean {escaped(near)}?" if near else f"name one of them, or {mend}"
    return refused(f"{noun} {escaped(name)} {otherwise}; {there}", mend)


def link_refused(noun: str, name: str, folder: Path, places: Iterable[Path], *, key: str) -> Failure | None:
    """The refusal of what is a link out of its folder; None where it lies in it. `key`: of the configuration."""
    if all(place.resolve().is_relative_to(folder.resolve()) for place in places):
        return None
    mend = f"put the file itself there, or set {key} to the folder that it is in"
    return refused(f"{noun} {escaped(name)} is a link out of its folder, which is not followed", mend)


def weights_below(folder: Path) -> dict[str, Path]:
    """Every file of safetensors below a folder by its name, the path without the ending; `.SAFETENSORS` will do."""
    files = (file for file in sorted(folder.rglob("*")) if file.suffix.lower() == EXTENSION and file.is_file())
    return {file.relative_to(folder).as_posix()[: -len(EXTENSION)]: file for file in files}


def no_folder(missing: str) -> ChooseWeights:
    """Says that this file is missing in any folder: what is one file is in none."""
    return lambda _names, _index, _half, _allow_pickle: missing


def one_of_several(file: str) -> ChooseWeights:
    """Chooses this file of a repository of several, or says that it is missing."""
    return lambda names, _index, _half, _allow_pickle: WeightFiles(names=(file,)) if file in names else file


def listed(names: Sequence[str]) -> str:
    """The first of them, as a refusal lists them."""
    return ", ".join(map(escaped, names[:MOST_LISTED]))


def refused(message: str, mend: str) -> Failure:
    """The failure of a job that names what is not to be had."""
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
