"""What went wrong when a model was fetched, and what a user can do. In: exceptions of the hub's client. Out: words."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Final

import httpx2
from huggingface_hub import constants, errors

from aura_daemon.engines.model_files.downloads import DamagedDownload
from aura_daemon.engines.model_files.hub_guard import StrangeAnswer

TRIED_AGAIN: Final = "it is tried again by itself"
GOES_ON: Final = "it goes on by itself"
"""What the daemon does; `fetch` says what a person does instead."""

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
