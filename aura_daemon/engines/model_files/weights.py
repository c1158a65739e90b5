"""Which files of a model are its weights, and whether they may be read. In: names in a folder. Out: the files in use.

Only safetensors are read: a pickle runs code when it is opened, so that it needs `allow_pickle`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

from aura_daemon.jobs.results import Failure, FailureKind

SMALL_FILES: Final = ("*.json", "*.txt", "*.model", "*.jinja")
"""Configurations and tokenizers, which a model needs beside its weights."""

PICKLES: Final = {"diffusion_pytorch_model": "diffusion_pytorch_model", "model": "pytorch_model"}
"""Name of a safetensors file -> name of the pickle with the same content."""

HALF: Final = "fp16"
"""The variant of half-precision files, which halves the download where a repository has it."""

MOST_HEADER_BYTES: Final = 16 << 20
"""Of the header of a safetensors file; that of a Stable Diffusion has 130 kB, of a LoRA with all its tags 3 MB."""

CHUNK_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightFiles:
    """The files in use, relative to the model's folder, and the options with which the libraries load them."""

    names: tuple[str, ...]
    variant: str | None = None
    pickled: bool = False


def choose_weights(
    names: Iterable[str], parts: Iterable[tuple[str, str]], half: bool, allow_pickle: bool
) -> WeightFiles | str:
    """Of each part the half-precision files where preferred or needed, else the full ones, else the pickles.

    `parts`: folder with its slash, and how its files are called. Where one part has only half-precision files, all
    parts take them: the libraries take one variant for all parts. A str names the file that is missing or refused.
    """
    present = sorted(names)
    chosen: list[str] = []
    halved = pickled = False
    found_of = [
        (folder, stem, _matching(present, folder, stem, f".{HALF}"), _matching(present, folder, stem, ""))
        for folder, stem in parts
    ]
    half = half or any(fp16 and not full for _, _, fp16, full in found_of)
    for folder, stem, fp16, full in found_of:
        pickles = _matching(present, folder, PICKLES[stem], "", "bin")
        if found := (fp16 if half else []) or full:
            halved = halved or found is fp16
        elif pickles and allow_pickle:
            found, pickled = pickles, True
        elif pickles:
            return pickles[0]
        else:
            return f"{folder}{stem}.safetensors"
        chosen += found
    return WeightFiles(names=tuple(chosen), variant=HALF if halved else None, pickled=pickled)


def broken_file(files: Iterable[Path]) -> str:
    """The first safetensors file with a wrong header or length, and the reason; empty where all files are complete."""
    for file in files:
        if file.suffix != ".safetensors":
            continue
        if fault := header_fault(file):
            return f"{file} ({fault})"
        try:
            with safe_open(file, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            return f"{file} ({error})"
    return ""


def header_fault(file: Path) -> str:
    """Why the header of a safetensors file is not read; empty for one that may be: the library judges what it says.

    The file begins with the header's length in eight bytes, and the library allows 100 MB, which take gigabytes.
    """
    try:
        if not file.is_file():
            return "it is no file"
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
        size = file.stat().st_size
    except OSError as error:
        return error.strerror or str(error)
    if 8 + length > size:
        return f"its header claims {length:,} bytes, the file has {size:,}"
    return f"its header has {length:,} bytes, more than any known" if length > MOST_HEADER_BYTES else ""


def content_hash(root: Path, names: Iterable[str], read: Callable[[int], None]) -> str:
    """sha256 over the sorted lines `name sha256`; `read` is called with the bytes of every chunk."""
    whole = hashlib.sha256()
    for name in sorted(names):
        one = hashlib.sha256()
        with (root / name).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                one.update(chunk)
                read(len(chunk))
        whole.update(f"{name} {one.hexdigest()}\n".encode())
    return whole.hexdigest()


def names_below(folder: Path) -> tuple[str, ...]:
    """All files below a folder, relative to it."""
    return tuple(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def unavailable(model: str, cause: str, mend: str) -> Failure:
    """The failure of a model that cannot be used, in its one wording."""
    return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=f"model {model}: {cause}", mend=mend)


def pickle_refused(name: str, what: str) -> Failure:
    """The failure of a model with a pickle, in its one wording."""
    return unavailable(
        name,
        f"{what} is a pickle, which can run any code when it is opened; only safetensors is read",
        "convert it where you trust it (from_pretrained(...).save_pretrained(FOLDER) writes safetensors, or "
        "https://huggingface.co/spaces/safetensors/convert), name a revision that has safetensors, or set "
        "generate.allow_pickle (for a captioner caption.allow_pickle) to true",
    )


def _matching(names: Iterable[str], folder: str, stem: str, variant: str, kind: str = "safetensors") -> list[str]:
    """Whole or sharded files, `stem[.variant][-00001-of-00002].kind`, in one folder."""
    pattern = re.compile(
        rf"{re.escape(folder + stem + variant)}(-\d{{5}}-of-\d{{5}})?\.{kind}"
        rf"|{re.escape(folder + stem)}-\d{{5}}-of-\d{{5}}{re.escape(variant)}\.{kind}"
    )
    return [name for name in names if pattern.fullmatch(name)]
