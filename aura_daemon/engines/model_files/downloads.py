"""Large files of the hub, of which nothing is fetched twice. In: files with their hashes. Out: blobs of its cache.

Small files the hub's own client fetches, and compares their sizes alone; here they are compared with their hashes, too.

The hub's own client throws away what it has of a file when it gives up or is killed. Here it stays in a file
`HASH.partial` beside the blobs: the next try goes on after its last byte, in whatever process. A file becomes a blob of
the cache only when its sha256 is the one that the hub names.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from huggingface_hub import constants, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import WeakFileLock, build_hf_headers, get_session, hf_raise_for_status

from aura_daemon.engines.model_files.hub_guard import MOST_BYTES, MOST_SMALL_BYTES

WAITS_S: Final = (1.0, 2.0, 4.0)
"""Waits before further tries. They are counted anew with each byte that comes."""

_SHA256: Final = re.compile("[0-9a-f]{64}")
"""The name of a blob of a large file; those of small files are hashes of git."""

_SHA1_CHARACTERS: Final = 40
"""Of a hash of git; there are repositories with sha256, too."""

_PASSING_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})


class DamagedDownload(OSError):
    """The bytes of a file are not those that the hub names, twice in a row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LargeFile:
    """A file of a repository, as the hub lists it."""

    path: str
    size_bytes: int
    sha256: str


def blob_of(repository: str, file: LargeFile) -> Path:
    """Where the file lies in the cache when it is whole."""
    return Path(constants.HF_HUB_CACHE, _folder(repository), "blobs", file.sha256)


def bytes_here(repository: str, file: LargeFile) -> int:
    """How much of the file was fetched already."""
    blob = blob_of(repository, file)
    return next((place.stat().st_size for place in (blob, _partial(blob)) if place.is_file()), 0)


def download(
    repository: str,
    commit: str,
    files: Iterable[LargeFile],
    read: Callable[[int], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Completes these files; `read` is called with the bytes of every chunk, and with those that were here before.

    Raises DamagedDownload, or what the hub's client raises once a file has failed for the last time.
    """
    for file in files:
        blob = blob_of(repository, file)
        lock = Path(constants.HF_HUB_CACHE, ".locks", _folder(repository), f"{file.sha256}.lock")
        for folder in (blob.parent, lock.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):  # the one that the hub's own client takes
            if blob.exists():
                read(file.size_bytes)
            else:
                _complete(hf_hub_url(repository, file.path, revision=commit), file, blob, read, sleep)


def discard_damaged(folder: Path, names: Iterable[str]) -> list[str]:
    """Deletes those files of a model in the cache whose bytes are not those of their hash, and names them."""
    damaged = []
    for name in names:
        blob = (folder / name).resolve()
        if _SHA256.fullmatch(blob.name) and _sha256(blob) != blob.name:
            damaged.append(name)
            (folder / name).unlink()
            blob.unlink(missing_ok=True)
    return damaged


def discard_unlike(folder: Path, files: Iterable[RepoFile]) -> list[str]:
    """Deletes those small files of a model in the cache whose hash is not the one that the hub lists; which."""
    unlike = []
    for file in files:
        place = folder / file.path
        is_large = file.lfs is not None and file.size > MOST_SMALL_BYTES  # compared where they are fetched
        if not is_large and place.is_file() and not _is_as_listed(place, file):
            unlike.append(file.path)
            blob = place.resolve()
            place.unlink()
            blob.unlink(missing_ok=True)
    return unlike


def _is_as_listed(place: Path, file: RepoFile) -> bool:
    """Of a file that git has, the hub tells git's own hash; of one beside git, the sha256 of its bytes."""
    listed: str = file.lfs.sha256 if file.lfs is not None else file.blob_id
    if file.lfs is not None:
        return _sha256(place) == listed
    content = place.read_bytes()
    kind = "sha1" if len(listed) == _SHA1_CHARACTERS else "sha256"
    return hashlib.new(kind, b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == listed


def _complete(
    url: str, file: LargeFile, blob: Path, read: Callable[[int], None], sleep: Callable[[float], None]
) -> None:
    partial = _partial(blob)
    for is_last in (False, True):
        _fetch_rest(url, file, partial, read, sleep)
        if _sha256(partial) == file.sha256:
            partial.replace(blob)
            return
        partial.unlink()
        read(-file.size_bytes)
        if is_last:
            raise DamagedDownload(f"{file.path} is not what the hub names (its sha256 is another)")


def _fetch_rest(
    url: str, file: LargeFile, partial: Path, read: Callable[[int], None], sleep: Callable[[float], None]
) -> None:
    """Appends what is missing; goes on after each break, until several tries in a row bring no byte."""
    partial.touch()
    if partial.stat().st_size > file.size_bytes:
        partial.write_bytes(b"")
    read(partial.stat().st_size)
    waits = iter(WAITS_S)
    while (before := partial.stat().st_size) < file.size_bytes:
        broke: Exception = OSError(f"{file.path} ended too early")  # where a server says that this was all
        try:
            _fetch(url, partial, file.size_bytes, read)
        except (httpx2.TransportError, HfHubHTTPError) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code not in _PASSING_STATUS:
                raise
            broke = error
        if partial.stat().st_size >= file.size_bytes:
            return
        if partial.stat().st_size > before:
            waits = iter(WAITS_S)
        if (wait_s := next(waits, None)) is None:
            raise broke
        sleep(wait_s)


def _fetch(url: str, partial: Path, size_bytes: int, read: Callable[[int], None]) -> None:
    """One request for the rest of a file. A server that sends all of it again is taken at its word.

    No more is read than the hub announced; raises StrangeAnswer where more comes.
    """
    have = partial.stat().st_size
    headers = {**build_hf_headers(), "Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    timeout_s = constants.HF_HUB_DOWNLOAD_TIMEOUT
    most: dict[str, Any] = {MOST_BYTES: (size_bytes, size_bytes - have)}
    with get_session().stream(
        "GET", url, headers=headers, follow_redirects=True, timeout=timeout_s, extensions=most
    ) as response:
        hf_raise_for_status(response)
        goes_on = response.status_code == httpx2.codes.PARTIAL_CONTENT
        if have and not goes_on:
            read(-have)
        with partial.open("ab" if goes_on else "wb") as target:
            for chunk in response.iter_bytes():  # as they come, so that a break loses nothing
                target.write(chunk)
                read(len(chunk))


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        digest: str = hashlib.file_digest(content, "sha256").hexdigest()
    return digest


def _partial(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.partial")


def _folder(repository: str) -> str:
    return str(repo_folder_name(repo_id=repository, repo_type="model"))
