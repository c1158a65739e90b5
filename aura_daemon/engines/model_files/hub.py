"""Fetches models from the hub. In: owner/name and revision. Out: a folder in the hub's cache, or a Failure.

The cache is used without asking the hub where the revision is a commit, and whenever the hub does not answer.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from huggingface_hub import HfApi, constants, errors, get_cached_repo_tree, snapshot_download
from huggingface_hub.hf_api import RepoFile

from aura_daemon.engines.model_files.downloads import DamagedDownload, LargeFile, bytes_here, discard_unlike, download
from aura_daemon.engines.model_files.fetching.faults import EXPECTED, explain
from aura_daemon.engines.model_files.fetching.progress import counter, reported, silent
from aura_daemon.engines.model_files.hub_guard import guarded
from aura_daemon.engines.model_files.weights import SMALL_FILES, WeightFiles, names_below, unavailable
from aura_daemon.engines.reporter import Reporter
from aura_daemon.formats.readable import download_text
from aura_daemon.jobs.results import Failure

DEFAULT_REVISION: Final = "main"

# It warns where nothing is small: a repository of single files holds nothing else.
logging.getLogger(snapshot_download.__module__).setLevel(logging.ERROR)

PINNED: Final = {
    "sd-1.4": "133a221b8aa7292a167afc5127cb63fb5005638b",
    "blip-base": "refs/pr/50",
    "blip-large": "353689b859fcf0523410b1806dace5fb46ecdf41",
    "git-base-coco": "a13141da42abd4a8cbf283601a8104265f537cee",
    "blip-vqa-base": "787b3d35d57e49572baabd22884b3d5a05acf072",
    "blip-itm-base": "refs/pr/6",
}
"""Hub revisions of the short names. Where it is a pull request, `main` has only a pickle, and that has safetensors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchedModel:
    """A complete folder of the hub's cache."""

    folder: Path
    weights: WeightFiles


@dataclass(frozen=True, kw_only=True, slots=True)
class AbsentModel:
    """A model of which at least a part is not on this machine: it would be fetched."""

    missing_bytes: int | None
    """None where the hub was not asked for the sizes yet."""


Choose = Callable[[Path, tuple[str, ...]], "WeightFiles | Failure"]
"""Folder of the small files, names of all files on the hub -> the weights to fetch."""


def fetch(
    model: str, repository: str, revision: str | None, choose: Choose, reporter: Reporter
) -> FetchedModel | Failure:
    """Fetches a repository's small files, then the weights that `choose` names; may be repeated after an error."""
    reporter.loading(model)
    try:
        with guarded():
            folder = small_files(repository, revision)
            tree = get_cached_repo_tree(repository, revision=revision or DEFAULT_REVISION)
            sizes = {file.path: file.size for file in tree}
            if isinstance(weights := choose(folder, tuple(sizes)), Failure):
                return weights
            total = sum(sizes[name] for name in weights.names)
            large = missing_files(repository, folder, weights.names)
            if (full := _no_room(model, repository, large)) is not None:
                return full
            download(repository, folder.name, large, reported(model, total, reporter))
            _snapshot(repository, folder.name, [*SMALL_FILES, *weights.names], counter(model, total, reporter))
    except EXPECTED as error:
        return unavailable(model, *explain(error, repository, revision or DEFAULT_REVISION))
    return FetchedModel(folder=folder, weights=weights)


def _no_room(model: str, repository: str, files: Iterable[LargeFile]) -> Failure | None:
    """The failure of a model that is larger than the disk has room for; nothing of it is fetched."""
    wanted = sum(file.size_bytes - bytes_here(repository, file) for file in files)
    free = shutil.disk_usage(constants.HF_HUB_CACHE).free
    if wanted <= free:
        return None
    cause = (
        f"it needs {download_text(wanted)} more below {constants.HF_HUB_CACHE}, where {download_text(free)} are free"
    )
    return unavailable(model, cause, "free space there, or set HF_HOME to another disk")


def missing_files(repository: str, folder: Path, names: Iterable[str]) -> list[LargeFile]:
    """Those of the named files that are not in the cache, and whose sha256 the hub tells; it is asked where any is."""
    missing = {name for name in names if not (folder / name).exists()}
    tree = HfApi().list_repo_tree(repository, recursive=True, revision=folder.name) if missing else ()
    return [
        LargeFile(path=file.path, size_bytes=file.size, sha256=file.lfs.sha256)
        for file in tree
        if isinstance(file, RepoFile) and file.path in missing and file.lfs is not None
    ]


def cached(model: str, repository: str, revision: str | None, choose: Choose) -> FetchedModel | Failure | AbsentModel:
    """What the cache holds of the model; fetches nothing and asks no hub."""
    try:
        folder = small_files(repository, revision, local_only=True)
    except errors.HFValidationError as error:
        return unavailable(model, *explain(error, repository, revision or DEFAULT_REVISION))
    except EXPECTED:
        return AbsentModel(missing_bytes=None)
    try:
        tree = get_cached_repo_tree(repository, revision=revision or DEFAULT_REVISION)
        sizes = {file.path: file.size for file in tree}
    except EXPECTED:  # fetched by an older client: only what lies there is known
        weights = choose(folder, names_below(folder))
        if isinstance(weights, Failure):
            return AbsentModel(missing_bytes=None)
        return FetchedModel(folder=folder, weights=weights)
    if isinstance(weights := choose(folder, tuple(sizes)), Failure):
        return weights
    if missing := [name for name in weights.names if not (folder / name).is_file()]:
        return AbsentModel(missing_bytes=sum(sizes[name] for name in missing))
    return FetchedModel(folder=folder, weights=weights)


def fetch_configuration(
    model: str, repository: str, revision: str | None, reporter: Reporter | None
) -> Path | Failure | AbsentModel:
    """The configurations and tokenizer for a checkpoint without them; without a reporter nothing is fetched."""
    if reporter is None:
        try:
            return small_files(repository, revision, local_only=True)
        except EXPECTED:
            return AbsentModel(missing_bytes=None)
    reporter.loading(model)
    try:
        with guarded():
            return small_files(repository, revision)
    except EXPECTED as error:
        cause, mend = explain(error, repository, revision or DEFAULT_REVISION)
    folder = "put a diffusers folder of its architecture beside it, called as the file without its suffix"
    cause = f"its configuration and tokenizer are taken from {repository}: {cause}"
    return unavailable(model, cause, f"{folder}, or: {mend}")


def small_files(repository: str, revision: str | None, *, local_only: bool = False) -> Path:
    """The folder with everything but weights; raises what the hub's client raises."""
    return _snapshot(repository, revision or DEFAULT_REVISION, SMALL_FILES, silent(), local_only=local_only)


def _snapshot(
    repository: str, revision: str, patterns: Iterable[str], bar: type[Any], *, local_only: bool = False
) -> Path:
    """The folder with these files, the small ones compared with their hashes: what is unlike is fetched once more."""

    def fetched() -> Path:
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=list(patterns),
                local_files_only=local_only,
                tqdm_class=bar,
            )
        )

    folder = fetched()
    if local_only:
        return folder
    for is_last in (False, True):
        try:
            tree = get_cached_repo_tree(repository, revision=folder.name)
        except errors.CachedRepoTreeNotFoundError:  # by an older client, and the hub does not answer now
            return folder
        if not (unlike := discard_unlike(folder, tree)):
            return folder
        if is_last:
            break
        folder = fetched()
    raise DamagedDownload(f"{unlike[0]} is not what the hub names (its hash is another)")
