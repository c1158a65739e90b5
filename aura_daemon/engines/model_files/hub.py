"""Fetches models from the hub. In: owner/name and revision. Out: a folder in the hub's cache, or a Failure.

The cache is used without asking the hub where the revision is a commit, and whenever the hub does not answer.
"""

from __future__ import annotations

import errno
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import httpx2
from huggingface_hub import HfApi, constants, errors, get_cached_repo_tree, snapshot_download
from huggingface_hub.hf_api import RepoFile
from tqdm.std import tqdm  # type: ignore[import-untyped]

from aura_daemon.engines.model_files.downloads import DamagedDownload, LargeFile, bytes_here, discard_unlike, download
from aura_daemon.engines.model_files.hub_guard import StrangeAnswer, guarded
from aura_daemon.engines.model_files.weights import SMALL_FILES, WeightFiles, names_below, unavailable
from aura_daemon.engines.reporter import Reporter
from aura_daemon.formats.readable import download_text
from aura_daemon.jobs.results import Failure

REPORT_EVERY_S: Final = 0.5
"""Seconds between two reports of a download."""

TRIED_AGAIN: Final = "it is tried again by itself"
GOES_ON: Final = "it goes on by itself"
"""What the daemon does; `fetch` says what a person does instead."""

DEFAULT_REVISION: Final = "main"

PINNED: Final = {"sd-1.4": "133a221b8aa7292a167afc5127cb63fb5005638b", "blip-base": "refs/pr/50"}
"""Hub revisions of the short names. `blip-base`: `main` has only a pickle, this pull request has safetensors."""

EXPECTED: Final = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    OSError,
    errors.HFValidationError,
    errors.CachedRepoTreeNotFoundError,
    errors.XetDownloadError,
)
"""What the hub's client raises when it cannot fetch a model; the hub's own errors are OSErrors."""


_STRANGE: Final = (httpx2.TooManyRedirects, httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.DecodingError)
"""What httpx says of an answer that leads nowhere, or cannot be read."""


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
            download(repository, folder.name, large, _reported(model, total, reporter))
            _snapshot(repository, folder.name, [*SMALL_FILES, *weights.names], _counter(model, total, reporter))
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
    return _snapshot(repository, revision or DEFAULT_REVISION, SMALL_FILES, _silent(), local_only=local_only)


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


def explain(error: BaseException, repository: str, revision: str) -> tuple[str, str]:
    """What went wrong and what the user can do, one line each."""
    place = constants.ENDPOINT
    strange = next((cause for cause in _chain(error) if isinstance(cause, (StrangeAnswer, *_STRANGE))), None)
    if strange is not None:
        mend = "nothing of it is used; check HF_ENDPOINT, its mirror and the network"
        return f"{place} sends what no hub does: {_line(strange)}", mend
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            mend = "free space there, or set HF_HOME to another disk"
            return f"the disk is full below {constants.HF_HUB_CACHE}", mend
        if isinstance(cause, PermissionError):
            mend = "mend its permissions, or set HF_HOME to another folder"
            return f"no right to write to {constants.HF_HUB_CACHE}", mend
        if isinstance(cause, DamagedDownload):
            return f"what {place} sends is damaged: {_line(cause)}", "check the network, or HF_ENDPOINT and its mirror"
        if isinstance(cause, errors.OfflineModeIsEnabled):
            mend = f"unset HF_HUB_OFFLINE once, or run `hf download {repository}` and bring its cache here"
            return "it is not in the cache, and HF_HUB_OFFLINE forbids to fetch it", mend
        if isinstance(cause, errors.GatedRepoError):
            mend = f"accept it at {place}/{repository}, then run `hf auth login` or set HF_TOKEN"
            return f"{place} gives it to those who accepted its licence (HTTP {cause.response.status_code})", mend
        if isinstance(cause, errors.RevisionNotFoundError):
            return (
                f"{repository} has no revision {revision} (HTTP 404)",
                "correct generate.revision or caption.revision, or leave it out",
            )
        if isinstance(cause, errors.RepositoryNotFoundError):
            return _not_found(cause, repository)
        if isinstance(cause, errors.HFValidationError):
            mend = "write owner/name, or a path that exists"
            return f"{repository!r} is no name of a hub model and no folder here", mend
        if isinstance(cause, errors.HfHubHTTPError):
            return _refused_by_hub(cause, repository)
        if isinstance(cause, socket.gaierror):
            return f"the name of {place} cannot be resolved (no network, or DNS is down)", TRIED_AGAIN
        if isinstance(cause, ConnectionRefusedError):
            return (f"{place} refuses the connection", f"check HF_ENDPOINT and the network; {TRIED_AGAIN}")
        if isinstance(cause, (httpx2.TimeoutException, TimeoutError)):
            return f"{place} does not answer in time", TRIED_AGAIN
    for cause in _chain(error):
        is_of_cache = isinstance(cause, errors.LocalEntryNotFoundError)
        if isinstance(cause, (httpx2.HTTPError, OSError, errors.XetDownloadError)) and not is_of_cache:
            return (f"the download from {place} broke ({type(cause).__name__}: {_line(cause)})", GOES_ON)
    return f"it cannot be had from {place}: {_line(error)}", "check the name and the network"


def _not_found(error: errors.RepositoryNotFoundError, repository: str) -> tuple[str, str]:
    """The hub answers 401 both for missing and for private models."""
    if error.response.status_code == 401:
        why = "HTTP 401: it does not exist, or it is private or gated"
        mend = "correct the name, or accept its licence there and run `hf auth login` or set HF_TOKEN"
        return f"{constants.ENDPOINT} has no public model {repository} ({why})", mend
    return (f"{constants.ENDPOINT} has no model {repository} (HTTP {error.response.status_code})", "correct the name")


def _refused_by_hub(error: errors.HfHubHTTPError, repository: str) -> tuple[str, str]:
    status = error.response.status_code
    if status in (401, 403):
        mend = "run `hf auth login` or set HF_TOKEN to a token that may read it"
        return f"{constants.ENDPOINT} refuses access to {repository} (HTTP {status})", mend
    return f"{constants.ENDPOINT} answers HTTP {status} for {repository}", TRIED_AGAIN


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and all its causes, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


class _NullStream:
    """A file that drops what progress bars write."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def _silent() -> type[Any]:
    """A progress bar that shows nothing."""

    class NoReport(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options["file"] = _NullStream()
            super().__init__(*args, **options)

    return NoReport


def _reported(model: str, total_bytes: int, reporter: Reporter) -> Callable[[int], None]:
    """Counts bytes, and reports them now and then."""
    done, reported_at = 0, 0.0

    def read(amount: int) -> None:
        nonlocal done, reported_at
        done += amount
        now = time.monotonic()
        if now - reported_at >= REPORT_EVERY_S or done >= total_bytes:
            reported_at = now
            reporter.loading(model, max(0, min(done, total_bytes)), total_bytes)

    return read


def _counter(model: str, total_bytes: int, reporter: Reporter) -> type[Any]:
    """A progress bar that calls `reporter` and writes nothing; called from several threads."""
    lock = Lock()
    reported_at = 0.0

    class Counter(_silent()):  # type: ignore[misc]
        def update(self, amount: float | None = 1) -> Any:
            nonlocal reported_at
            shown = super().update(amount)
            if getattr(self, "unit", "") == "B" and str(self.desc or "").startswith("Downloading"):
                with lock:
                    now = time.monotonic()
                    if now - reported_at >= REPORT_EVERY_S or self.n >= total_bytes:
                        reported_at = now
                        reporter.loading(model, min(int(self.n), total_bytes), total_bytes)
            return shown

    return Counter
