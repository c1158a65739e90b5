"""Textual inversions: words that a user's files teach the text encoder. In: a folder. Out: vectors for a name.

A file is read when a prompt first names it. The model is not changed: the vectors replace those of tokens while one
window is encoded. Both layouts are read, `emb_params` of A1111 and `<token>` of diffusers. A pickle is refused where a
prompt names it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from aura_daemon.engines.failures import first_line
from aura_daemon.jobs.results import Failure, FailureKind

PICKLED: Final = (".pt", ".bin", ".pth", ".ckpt")
MOST_BYTES: Final = 8 << 20
"""Of a file; 75 vectors of Stable Diffusion 1.x are 225 KiB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextualInversion:
    """One word's vectors."""

    name: str
    version: tuple[int, int]
    """Size in bytes and time of change in nanoseconds."""
    sha256: str
    vectors: torch.Tensor
    """`[n, D]`, on the CPU."""


class TextualInversions:
    """The files of a folder and of the folders below it; without a folder there are no files."""

    def __init__(self, folder: str | None, tokenizer: Any, width: int, room: int) -> None:
        """`width`: D of the text encoder; `room`: the most vectors a window takes."""
        self._folder = folder
        self._tokenizer = tokenizer
        self._width = width
        self._room = room
        self._files: dict[str, Path] = {}
        vocabulary = tokenizer.get_vocab().items()
        self._word_ends = {number for token, number in vocabulary if token.endswith(("</w>", "|>"))}
        self._by_first: dict[int, list[tuple[list[int], str]]] = {}
        self._loaded: dict[str, TextualInversion] = {}

    def look(self) -> str:
        """Lists the folder; returns a warning where that fails, else an empty string."""
        if self._folder is None:
            return ""
        files: dict[str, Path] = {}
        faults: list[OSError] = []
        for place, folders, names in os.walk(self._folder, onerror=faults.append):
            folders.sort()
            for name in sorted(names):
                path = Path(place, name)
                if name.startswith(".") or path.suffix.lower() not in (".safetensors", *PICKLED):
                    continue
                present = files.get(path.stem)
                if present is None or (_is_pickled(present) and not _is_pickled(path)):
                    files[path.stem] = path
        if files.keys() != self._files.keys():
            self._index(files)
        self._files = files
        return f"generate.embeddings: {faults[0]}: no textual inversion was looked for there" if faults else ""

    def at(self, tokens: list[int], start: int) -> tuple[str, int] | None:
        """The longest name that begins at token `start`, at the beginning of a word, and its number of tokens."""
        if start and tokens[start - 1] not in self._word_ends:
            return None
        for name_tokens, name in self._by_first.get(tokens[start], ()):
            if tokens[start : start + len(name_tokens)] == name_tokens:
                return name, len(name_tokens)
        return None

    def load(self, name: str) -> TextualInversion | Failure:
        """The vectors of a name that `at` has found."""
        path = self._files[name]
        if _is_pickled(path):
            return _refused(path, "is a pickle file, which can run any code", "save it as .safetensors")
        try:
            state = path.stat()
            if not path.resolve().is_relative_to(Path(self._folder or "").resolve()):
                return _refused(path, "is a link out of its folder, which is not followed", "put the file itself there")
            if not stat.S_ISREG(state.st_mode):  # to open a named pipe would wait for its other end
                return _refused(path, "is no file", "move it away")
            version = (state.st_size, state.st_mtime_ns)
            present = self._loaded.get(name)
            if present is not None and present.version == version:
                return present
            if state.st_size > MOST_BYTES:
                return _refused(path, f"has {state.st_size:,} bytes, more than any textual inversion", "move it away")
            content = path.read_bytes()
            tensors = load(content)
        except (OSError, SafetensorError) as error:
            return _refused(path, f"cannot be read: {first_line(str(error))}", "fetch it anew")
        if isinstance(vectors := self._vectors(tensors), str):
            return _refused(path, vectors, "take one that was made for Stable Diffusion 1.x")
        digest = hashlib.sha256(content).hexdigest()
        self._loaded[name] = TextualInversion(name=name, version=version, sha256=digest, vectors=vectors)
        return self._loaded[name]

    def _vectors(self, tensors: dict[str, torch.Tensor]) -> torch.Tensor | str:
        """Vectors `[n, D]`, or what is wrong with them."""
        if len(tensors) != 1:
            return f"holds {len(tensors)} tensors ({', '.join(sorted(tensors)[:5])}), not one of vectors"
        (found,) = tensors.values()
        vectors = found.unsqueeze(0) if found.ndim == 1 else found
        if vectors.ndim != 2 or not vectors.is_floating_point() or not len(vectors):
            return f"holds a tensor of {list(found.shape)} and {found.dtype}, not one of vectors"
        if vectors.shape[1] != self._width:
            return f"has vectors of {vectors.shape[1]} numbers; this model's have {self._width}"
        if len(vectors) > self._room:
            return f"has {len(vectors)} vectors; at most {self._room} fit"
        return vectors if bool(torch.isfinite(vectors).all()) else "holds numbers that are none (NaN or endless)"

    def _index(self, files: dict[str, Path]) -> None:
        """Names by their first token, the longest first."""
        self._by_first = {}
        self._loaded = {name: present for name, present in self._loaded.items() if name in files}
        for name in files:
            if tokens := list(self._tokenizer(name, add_special_tokens=False, verbose=False).input_ids):
                self._by_first.setdefault(tokens[0], []).append((tokens, name))
        for named in self._by_first.values():
            named.sort(key=lambda one: len(one[0]), reverse=True)


def _is_pickled(path: Path) -> bool:
    return path.suffix.lower() in PICKLED


def _refused(path: Path, cause: str, mend: str) -> Failure:
    message, mend = f"textual inversion {path.name}: it {cause}", f"{mend}, or take its name out of the prompt"
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
