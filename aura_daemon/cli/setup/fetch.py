"""`fetch`: models from the hub, before a job needs them: the licence first, then what is missing, checked."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final, assert_never

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from aura_daemon.cli.setup.fetchable_models import (
    FetchableModel,
    configured_models,
    models_meant,
    models_with_short_names,
)
from aura_daemon.config.engine import Device, Dtype
from aura_daemon.config.loading import load
from aura_daemon.config.settings import Settings
from aura_daemon.doctor.probe import ProbeFailed, TorchProbe
from aura_daemon.doctor.report import ProbeRequest
from aura_daemon.engines.model_files.downloads import discard_damaged
from aura_daemon.engines.model_files.fetching.faults import GOES_ON, TRIED_AGAIN
from aura_daemon.engines.model_files.find import ModelFiles, find_model, look_for_model
from aura_daemon.engines.model_files.hub import AbsentModel
from aura_daemon.engines.model_files.offer import Licence, Offer, licence_of, offer_of
from aura_daemon.errors import AuraError, with_mend
from aura_daemon.file_names import escaped
from aura_daemon.formats.readable import download_text
from aura_daemon.jobs.results import Failure

FAILED: Final = 1
REFUSED: Final = 2
STOPPED: Final = 130

AGAIN: Final = "fetch again when that is mended: it goes on where it broke"
"""What a person does, where the daemon tries again by itself."""

ROOM_BYTES: Final = 200_000_000
"""What a disk must have beyond the model."""


def fetch(
    models: Sequence[str],
    config: Path | None,
    *,
    accepts_licence: bool,
    lists: bool = False,
    probe: TorchProbe | None = None,
) -> int:
    """0 where all of them are here; 1 where one cannot be had, 2 without consent or room, 130 after Ctrl-C.

    `models`: by default those that the configuration names. `probe`: who asks torch; by default a child process.
    """
    settings = load(config).settings
    configured = configured_models(settings)
    if lists:
        return _print_list(configured)
    wanted = [model for name in models for model in models_meant(name, configured)] if models else configured
    absent = [model for model in wanted if model.is_on_hub]
    for model in wanted:
        if model not in absent:
            print(f"{model.name}: {_presence(model)}")
    if not absent:
        return 0
    half = _wants_half(settings, probe or TorchProbe())
    try:
        return max(_fetch(model, half, accepts_licence=accepts_licence) for model in absent)
    except KeyboardInterrupt:
        print(
            f"\nstopped: what was fetched stays, and `aura-daemon fetch {' '.join(models)}`".rstrip(" `") + "` goes on"
        )
        return STOPPED


def _wants_half(settings: Settings, probe: TorchProbe) -> bool:
    """Whether this machine loads files in half precision, as a worker would; torch is asked where it decides."""
    never = settings.dtype in (Dtype.FLOAT32, Dtype.BFLOAT16)
    if never or (settings.device is Device.CPU and settings.dtype is Dtype.AUTO):
        return False
    console = Console(stderr=True)
    with console.status("asking torch what this machine computes in …") if console.is_terminal else nullcontext():
        answer = probe.ask(ProbeRequest(settings=settings.engine()))
    if isinstance(answer, ProbeFailed):
        raise AuraError(with_mend(answer.complaint.message, answer.complaint.mend))
    if answer.refusal is not None:
        raise AuraError(with_mend(answer.refusal.message, answer.refusal.mend))
    return answer.torch.dtype == "float16"


def _fetch(model: FetchableModel, half: bool, *, accepts_licence: bool) -> int:
    for model_format in model.formats:
        if isinstance(found := look_for_model(model.settings, model_format, half), ModelFiles):
            if not (damaged := discard_damaged(found.folder, found.weights.names)):
                return _done(model.name, found)
            print(f"{model.name}: damaged on this disk, and fetched anew: {', '.join(damaged)}")
    licence = licence_of(model.settings)
    if isinstance(licence, Failure):
        return _told(licence)
    offers = [(kind, offer_of(model.settings, kind, half, licence)) for kind in model.formats]
    model_format, offer = next((one for one in offers if isinstance(one[1], Offer)), offers[0])
    if isinstance(offer, Failure):
        return _told(offer)
    _print_offer(model.name, offer)
    if offer.missing_bytes + ROOM_BYTES > offer.free_bytes:
        print("error: there is too little room: free some, or set HF_HOME to another disk", file=sys.stderr)
        return REFUSED
    if not accepts_licence and not _consents(model.name, offer):
        return REFUSED
    with _bar() as reporter:
        fetched = find_model(model.settings, model_format, half, reporter)
    return _told(fetched) if isinstance(fetched, Failure) else _done(model.name, fetched)


def _done(name: str, found: ModelFiles) -> int:
    print(f"{name}: here and whole, {download_text(found.size_bytes)} in {escaped(str(found.folder))}")
    return 0


def _told(failure: Failure) -> int:
    mend = failure.mend.replace(TRIED_AGAIN, AGAIN).replace(GOES_ON, AGAIN)
    print(f"error: {with_mend(failure.message, mend)}", file=sys.stderr)
    return FAILED


def _print_offer(name: str, offer: Offer) -> None:
    precision = "half precision" if offer.is_half else "full precision"
    print(f"{name}: {offer.repository} at {offer.commit[:12]}\n")
    for line in _licence_lines(offer.licence):
        print(escaped(line))
    begun = "" if offer.missing_bytes == offer.total_bytes else f", {download_text(offer.missing_bytes)} of it missing"
    print(f"\nfiles      {len(offer.files)} of weights in {precision}, {download_text(offer.total_bytes)}{begun}")
    print(f"room       {download_text(offer.free_bytes)} free at {escaped(str(offer.cache))}", flush=True)


def _licence_lines(licence: Licence) -> Iterator[str]:
    yield f"licence    {licence.title or 'none is named: see the page of the model'}"
    if licence.link:
        yield f"           {licence.link}"
    yield f"page       {licence.page}"
    if licence.terms:
        yield ""
        yield from (f"  {line}" for line in licence.terms.splitlines())


def _consents(name: str, offer: Offer) -> bool:
    """Asks; a script must have said before that it accepts."""
    if not sys.stdin.isatty():
        mend = f"nobody can be asked here: read it, and say `aura-daemon fetch {name} --accept-licence`"
        print(f"error: the licence must be accepted; {mend}", file=sys.stderr)
        return False
    answer = input(f"\nAccept this licence, and fetch {download_text(offer.missing_bytes)}? [y/N] ")
    return answer.strip().lower() in ("y", "yes")


def _print_list(configured: Sequence[FetchableModel]) -> int:
    named = {model.name for model in configured}
    others = [model for name, models in models_with_short_names().items() if name not in named for model in models]
    width = max(24, *(len(model.name) for model in (*configured, *others)))
    for model in (*configured, *others):
        print(f"{model.name:<{width}} {model.use:<15} {_presence(model)}")
    return 0


def _presence(model: FetchableModel) -> str:
    """Whether a model is here, in whichever precision."""
    for half in (True, False):
        match look_for_model(model.settings, model.formats[0], half):
            case ModelFiles() as files:
                return f"here, {download_text(files.size_bytes)} in {escaped(str(files.checkpoint or files.folder))}"
            case Failure() as failure:
                return with_mend(failure.message.removeprefix(f"model {model.settings.model}: "), failure.mend)
            case AbsentModel():
                pass
            case other:  # pragma: no cover
                assert_never(other)
    return f"not here: `aura-daemon fetch {model.name}`"


class _Reporter:
    """What the engines report while a model is fetched and checked."""

    def placed(self, *_: object) -> None:
        """No job runs."""

    def is_cancelled(self, job_id: str) -> bool:
        return False

    def stepped(self, *_: object) -> None:
        """No job runs."""

    def finish(self, *_: object, **__: object) -> None:
        """No job runs."""


class _Lines(_Reporter):
    """A line for each tenth."""

    def __init__(self) -> None:
        self._told = -1

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        tenth = done_bytes * 10 // total_bytes if total_bytes else -1
        if tenth > self._told:
            self._told = tenth
            print(f"{model}: {tenth * 10} % of {download_text(total_bytes)}", file=sys.stderr, flush=True)


class _Bar(_Reporter):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        self._progress.update(self._task, description=model, completed=done_bytes, total=total_bytes or None)


@contextmanager
def _bar() -> Iterator[_Bar | _Lines]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress)
