"""The process that fetches one model: `python -m aura_daemon.workers.fetching.fetch_main FD PARENT_PID`.

In: a FetchOrder. Out: how far it is, then whether it is done. It shuts itself in with the network and the hub's
cache, imports no torch, and ends when the daemon closes the socket.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, cast

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import ModelRole, WantedModel, configured
from aura_daemon.engines.captioning.model_format import ANSWERS, CAPTIONS, MATCHES
from aura_daemon.engines.model_files.fetched import fetched
from aura_daemon.engines.stable_diffusion.guidance.controls.net_files import format_on_hub
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapter_files import (
    ADAPTER_OF_HUB,
    ENCODER_OF_HUB,
)
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.results import Failure, FailureKind, Outcome
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.system.sandbox.confining import confine
from aura_daemon.system.sandbox.plan import SandboxMode
from aura_daemon.workers.channel import MessageReceiver, read_order, report
from aura_daemon.workers.child_main import joined, relay_log
from aura_daemon.workers.fetching.messages import Fetched, FetchOrder, FromFetcher
from aura_daemon.workers.protocol import Loading
from aura_daemon.workers.refusing_runner import refusal

FORMATS: Final = {
    ModelRole.GENERATOR: STABLE_DIFFUSION,
    ModelRole.CAPTIONER: CAPTIONS,
    ModelRole.ANSWERS: ANSWERS,
    ModelRole.MATCHES: MATCHES,
    ModelRole.ADAPTER: ADAPTER_OF_HUB,
    ModelRole.IMAGE_ENCODER: ENCODER_OF_HUB,
}


def main(arguments: list[str]) -> NoReturn:
    """Fetches what it is told, and ends."""
    channel, relayed_level = joined("aura_daemon.workers.fetching.fetch_main", arguments)
    channel.set_inheritable(False)
    lock = threading.Lock()

    def say(message: FromFetcher) -> None:
        try:
            with lock:
                report(channel, message)
        except OSError:  # the daemon is gone, or nobody wants the model any more
            os._exit(1)

    if relayed_level is not None:
        relay_log(say, relayed_level)
    receiver = MessageReceiver(channel, read_order)
    (order,) = cast(list[FetchOrder], receiver.wait())
    lacks = confine(order.sandbox, keeps=(channel.fileno(),)) if order.sandbox is not None else ()
    if lacks and order.sandbox is not None and order.sandbox.mode is SandboxMode.STRICT:
        say(Fetched(failure=refusal(lacks)))
        os._exit(0)
    threading.Thread(target=_end_with, args=(receiver,), name="daemon", daemon=True).start()
    say(Fetched(failure=fetched_for(order.settings, order.wanted, FetchProgress(say))))
    os._exit(0)


def fetched_for(settings: EngineSettings, wanted: WantedModel, progress: FetchProgress) -> Failure | None:
    """Fetches a model that the settings name; why that did not go well."""
    model = configured(settings, wanted)
    if model is None:
        message = f"model {wanted.model}: the configuration does not name it"
        return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message)
    is_net = wanted.role is ModelRole.CONTROLNET
    return fetched(model, format_on_hub(model.model) if is_net else FORMATS[wanted.role], wanted.half, progress)


def _end_with(receiver: MessageReceiver) -> NoReturn:
    """Ends this process once the daemon closes the socket: the next one goes on where this one was."""
    receiver.wait()
    os._exit(0)


class FetchProgress:
    """Tells the daemon how far it is (`engines.reporter.Reporter`); no job runs here."""

    def __init__(self, say: Callable[[FromFetcher], None]) -> None:
        self._say = say

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """So much of a model has come."""
        self._say(Loading(model=model, done_bytes=done_bytes, total_bytes=total_bytes))

    def placed(self, job_ids: Sequence[str], tried: RunConditions) -> None: ...

    def is_cancelled(self, job_id: str) -> bool:
        """Nothing is: who does not want the model any more closes the socket."""
        return False

    def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None: ...

    def finish(
        self, job_id: str, outcome: Outcome, *, tried: RunConditions | None = None, step_s: float = 0.0
    ) -> None: ...


if __name__ == "__main__":
    main(sys.argv[1:])
