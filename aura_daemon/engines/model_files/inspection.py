"""Looks a model's folder over before a library opens anything in it. In: the folder. Out: what is wrong, and its mend.

Whoever made the folder may mean ill: links that lead out of it, pipes that never end, files without bound, and
configurations that name other folders, code, or sizes that no file holds.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

from aura_daemon.engines.model_files.configurations import MOST_BYTES, MOST_INDEX_BYTES, read_bounded, read_json
from aura_daemon.engines.model_files.proportions import numbers_problem, sizes_problem
from aura_daemon.file_names import escaped
from aura_daemon.formats.readable import bytes_text

Fault: TypeAlias = tuple[str, str]
"""What is wrong, as the end of a sentence about a model, and what a person can do."""

MOST_ENTRIES: Final = 5_000
"""Files and folders of a model; the largest repositories of such models have 300."""

DEEPEST: Final = 2
"""Folders of a model are read to this depth: its parts, and what they hold."""

MOST_VOCABULARY_BYTES: Final = 8 << 20
"""Of a tokenizer's file; the largest of a known model has 3.6 MB."""

_VOCABULARIES: Final = re.compile(r"tokenizer\.json|vocab\.(json|txt)|merges\.txt|.*\.model")
_INDEX: Final = ".index.json"
_TEXTS: Final = (".json", ".txt", ".model", ".jinja")

LIBRARIES: Final = frozenset({"diffusers", "transformers", "stable_diffusion", "onnxruntime"})
"""Where a pipeline's parts may come from; `stable_diffusion` is the folder of diffusers with the safety checker."""

_CLASS: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,99}")
_SCHEDULER: Final = "scheduler_config.json"
_SIZES: Final = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")

_ANEW: Final = "fetch the model anew from where you trust it, or name another"


def folder_fault(folder: Path) -> Fault | None:
    """The first thing in a model's folder that no library may open."""
    root = _root_of(folder)
    for number, (name, path, status) in enumerate(_entries(folder)):
        if number >= MOST_ENTRIES:
            return f"its folder holds more than {MOST_ENTRIES:,} files", "name the folder of one model alone"
        shown = escaped(name)
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            mend = "put the file itself there, or name the folder that it is in"
            return f"{shown} is a link out of its folder, which is not followed", mend
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return f"{shown} is {_kind(status.st_mode)}, not a file", f"remove it; {_ANEW}"
        if stat.S_ISREG(status.st_mode) and name.endswith(_TEXTS) and (most := _most_bytes(path.name)) < status.st_size:
            cause = f"{shown} has {bytes_text(status.st_size)}, and no such file of a model has more than"
            return f"{cause} {bytes_text(most)}", _ANEW
    for name, path, status in _entries(folder):
        if stat.S_ISREG(status.st_mode) and (cause := _configuration_fault(path)):
            return f"{escaped(name)} {cause}", _ANEW
    return None


def weights_fault(folder: Path, weights: Mapping[str, int]) -> Fault | None:
    """What a configuration says that the weights do not hold. `weights`: name of each file -> its bytes."""
    for name, path, status in _entries(folder):
        if path.name != "config.json" or not stat.S_ISREG(status.st_mode):
            continue
        part = name.removesuffix("config.json")
        own = [size for file, size in weights.items() if file.startswith(part) and "/" not in file[len(part) :]]
        is_whole = len(weights) == 1 and not any("/" in file for file in weights)  # one file holds every part
        if (own or is_whole) and (cause := numbers_problem(read_json(path), sum(own or weights.values()))):
            return f"{escaped(name)} {cause}", _ANEW
    return None


def _entries(folder: Path, above: str = "", depth: int = 0) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Name below the model's folder, path and status of what lies there; a link has the status of its target."""
    try:
        names = sorted(path.name for path in islice(folder.iterdir(), MOST_ENTRIES + 1))
    except OSError:
        return
    for name in names:
        path = folder / name
        try:
            status = path.stat()
        except OSError:  # a link to nothing, or a loop of links: missing for whoever asks for it
            continue
        yield above + name, path, status
        if stat.S_ISDIR(status.st_mode) and depth + 1 < DEEPEST:
            yield from _entries(path, f"{above}{name}/", depth + 1)


def _root_of(folder: Path) -> Path:
    """What a model's links may lead to: its folder, or its whole repository where the hub's cache has it."""
    place = folder.resolve()
    is_cached = place.parent.name == "snapshots" and place.parents[1].name.startswith("models--")
    return place.parents[1] if is_cached else place


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def _most_bytes(name: str) -> int:
    if _VOCABULARIES.fullmatch(name):
        return MOST_VOCABULARY_BYTES
    return MOST_INDEX_BYTES if name.endswith(_INDEX) else MOST_BYTES


def _configuration_fault(path: Path) -> str:
    """What is wrong with what a configuration names; empty for nothing, and for other files."""
    if path.name == "model_index.json":
        return _of_pipeline(read_json(path))
    if path.name.endswith(_INDEX):
        return _of_index(read_json(path, MOST_INDEX_BYTES))
    if path.name == _SCHEDULER or path.name in _SIZES:
        return sizes_problem(read_json(path))
    if path.name == "config.json" and not read_json(path) and _is_written(path):
        return "is no JSON object"
    return ""


def _of_pipeline(index: Mapping[str, Any]) -> str:
    """Parts that come from elsewhere than the libraries, or are no classes."""
    for part, entry in index.items():
        if not isinstance(entry, list) or part.startswith("_"):
            continue
        named = [one for one in entry if one is not None]
        library, kind = (*named, None, None)[:2]
        if not named:
            continue
        if not isinstance(library, str) or library not in LIBRARIES:
            return f"takes its {escaped(part)[:40]} from {_shown(library)}: only diffusers and transformers are asked"
        if not isinstance(kind, str) or not _CLASS.fullmatch(kind):
            return f"names {_shown(kind)} as its {escaped(part)[:40]}, which is no class of {library}"
    return ""


def _of_index(index: Mapping[str, Any]) -> str:
    """Parts of the weights that lie elsewhere."""
    places = index.get("weight_map")
    for place in set(map(str, places.values())) if isinstance(places, dict) else ():
        if PurePosixPath(place).name != place or "\\" in place:
            return f"names {_shown(place)}, which is outside its folder"
    return ""


def _is_written(path: Path) -> bool:
    try:
        return read_bounded(path, MOST_BYTES) not in (b"", b"{}")
    except OSError:
        return False


def _shown(value: object) -> str:
    return escaped(str(value))[:80]
