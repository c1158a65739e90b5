"""Converted models on the disk. In: ModelFiles. Out: complete files, why there are none, what was measured.

One folder a model and set of versions. In it a folder a kind, made under another name and renamed when it is complete:
whoever finds it finds all of it. A conversion that failed leaves its reason, and is not tried again with these
versions. No library is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from aura_daemon.config.workers.services import ConversionKind, ConvertedPart
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.wishes.places import ABOUT
from aura_daemon.system import durable_files
from aura_daemon.system.files import regular_files, syncing
from aura_daemon.system.instance_lock import try_lock

LAYOUT: Final = "1"
"""Changes with every change of what a conversion makes."""

MANIFEST: Final = "manifest.json"
"""Size and hash of each file."""

UNUSED_S: Final = 30 * 86_400
"""After so long without a job that used it a conversion is deleted: of a model that is gone, or of older versions."""

HASHED_BYTES: Final = 64 << 20
"""Larger files are known by their size alone, unless in doubt: to hash weights would take as long as to read them."""


Kind = ConversionKind

DISTRIBUTIONS: Final = ("openvino", "torch", "diffusers", "transformers", "nncf")
"""Packages whose versions decide what a conversion makes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertedModel:
    """The place of one model's conversions; nothing need be there."""

    folder: Path

    def graph(self, kind: Kind) -> Path | None:
        """The graph's file, where the conversion is complete; a damaged one counts as none."""
        folder = self.folder / kind
        try:
            stamps = tuple(sorted((entry.name, *_stamp(entry)) for entry in os.scandir(folder)))
        except OSError:
            return None
        names = {name for name, *_ in stamps}
        graph = next((folder / part.graph for part in ConvertedPart if part.graph in names), None)
        return graph if _is_sound(folder, stamps) else None

    def failure(self, kind: Kind) -> str:
        """Why it was not converted; empty where that did not fail."""
        return str(_read(self._failed(kind)).get("reason", ""))

    def is_intact(self, kind: Kind) -> bool:
        """Whether every byte is what was written; reads all, so only where there is a doubt."""
        folder = self.folder / kind
        wanted = _read(folder / MANIFEST).get("files")
        try:
            return isinstance(wanted, dict) and all(
                regular_files.sha256_of(folder / name) == described.get("sha256") for name, described in wanted.items()
            )
        except OSError:
            return False

    def discard(self, kind: Kind) -> None:
        """Deletes a conversion, to be made anew; a process that has it open goes on."""
        away = self.folder / f".{kind}-{os.getpid()}-gone"
        with suppress(OSError):
            (self.folder / kind).rename(away)
            _remove(away)

    def record_failure(self, kind: Kind, reason: str, traceback: str = "") -> None:
        """Has the conversion not tried again, nor used, with these versions."""
        self._write(self._failed(kind), {"reason": reason, "traceback": traceback})

    @contextmanager
    def writing(self, kind: Kind) -> Iterator[Path]:
        """An empty folder that becomes the conversion when the block ends well; replaces a damaged one."""
        durable_files.make_folder(self.folder)
        half = self.folder / f".{kind}-{os.getpid()}"
        _remove(half)
        half.mkdir()
        try:
            yield half
            files = {
                file.name: {"bytes": file.stat().st_size, "sha256": regular_files.sha256_of(file)}
                for file in sorted(half.iterdir())
            }
            self._write(half / MANIFEST, {"files": files})
            for file in half.iterdir():
                _sync(file)
            syncing.sync_folder(half)
            _remove(self.folder / kind)
            half.rename(self.folder / kind)
            syncing.sync_folder(self.folder)
        finally:
            _remove(half)

    def sweep(self) -> None:
        """Deletes what a killed conversion has left; only for the holder of the lock."""
        with suppress(OSError):
            for entry in self.folder.iterdir():
                if entry.name.startswith("."):
                    _remove(entry)

    def measured(self, machine: str) -> Mapping[str, float]:
        """Variant -> seconds that a step took on this machine; empty where nothing was measured."""
        found = _read(self.folder / f"measured-{machine}.json").get("step_s")
        return {str(name): float(value) for name, value in found.items()} if isinstance(found, dict) else {}

    def record(self, machine: str, step_s: Mapping[str, float], **told: Any) -> None:
        """`told`: what else a reader of the file wants to know."""
        self._write(self.folder / f"measured-{machine}.json", {"step_s": dict(step_s), **told})

    def describe(self, about: Mapping[str, Any]) -> None:
        """Says which model this is."""
        self._write(self.folder / ABOUT, about)

    def touch(self) -> None:
        """Notes that a job uses it, as the age of a file."""
        with suppress(OSError):
            os.utime(self.folder / ABOUT)

    def _failed(self, kind: Kind) -> Path:
        return self.folder / f"{kind}.failed.json"

    def _write(self, file: Path, content: Mapping[str, Any]) -> None:
        durable_files.make_folder(file.parent)
        temp = file.with_name(f".{file.name}-{os.getpid()}")
        temp.write_text(json.dumps(content, indent=1), encoding="utf-8")
        _sync(temp)
        temp.replace(file)


class ConversionStore:
    """All converted models of this user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def look_for(self, files: ModelFiles) -> ConvertedModel | None:
        """The place of a model that was not hashed, known by name and size; None where it was never converted."""
        wanted = {**_about(files), "versions": _versions()}
        for about in self.folder.glob(f"*/{ABOUT}"):
            if _read(about) == wanted:
                return ConvertedModel(folder=about.parent)
        return None

    def describe(self, files: ModelFiles) -> None:
        """Lets `look_for` find the place of a model."""
        self.of(files).describe({**_about(files), "versions": _versions()})

    def of(self, files: ModelFiles) -> ConvertedModel:
        """The place of a model's conversions with the installed versions."""
        identity = [LAYOUT, files.loaded_sha256, *_versions()]
        for config in ("unet/config.json", "config.json"):
            with suppress(OSError):
                identity.append((files.folder / config).read_text(encoding="utf-8"))
        return ConvertedModel(folder=self.folder / hashlib.sha256("\n".join(identity).encode()).hexdigest()[:32])

    def sweep(self) -> None:
        """Deletes what no job has used for long; only for the holder of the lock."""
        for about in self.folder.glob(f"*/{ABOUT}"):
            with suppress(OSError):
                if time.time() - about.stat().st_mtime > UNUSED_S:
                    _remove(about.parent)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Whether this process may convert: one at a time on this machine."""
        durable_files.make_folder(self.folder)
        with try_lock(self.folder / "lock") as is_ours:
            yield is_ours


def is_installed(kind: Kind, part: ConvertedPart = ConvertedPart.UNET) -> bool:
    """Whether all that a kind takes is installed."""
    takes = ("openvino", "nncf") if part is ConvertedPart.UNET and kind is Kind.INT8 else ("openvino",)
    return all(map(_version, takes))


@cache
def _version(distribution: str) -> str:
    """Empty where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _versions() -> list[str]:
    return [f"{name} {_version(name)}" for name in DISTRIBUTIONS]


def _about(files: ModelFiles) -> dict[str, Any]:
    lora = files.lora.name if files.lora is not None else ""
    return {"model": files.name, "bytes": files.size_bytes, "lora": lora}


@lru_cache(maxsize=64)
def _is_sound(folder: Path, _stamps: tuple[tuple[str, int, int], ...]) -> bool:
    """Whether all files of a conversion are what they were when it was made."""
    wanted = _read(folder / MANIFEST).get("files")
    if not isinstance(wanted, dict) or not any(part.graph in wanted for part in ConvertedPart):
        return False
    try:
        return all(_is_as(folder / name, described) for name, described in wanted.items())
    except OSError:
        return False


def _is_as(file: Path, described: Mapping[str, Any]) -> bool:
    size = file.stat().st_size
    if size != described["bytes"]:
        return False
    return size > HASHED_BYTES or regular_files.sha256_of(file) == described["sha256"]


def _stamp(entry: os.DirEntry[str]) -> tuple[int, int]:
    found = entry.stat()
    return found.st_size, found.st_mtime_ns


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remove(place: Path) -> None:
    """A folder with all in it, or a file; nothing is fine too."""
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        syncing.sync(opened.fileno())
