"""What a worker asks of its daemon, as messages. In: a question of the engines. Out: the daemon's answer.

`config.workers.services` says what may be asked; the daemon decides.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from aura_daemon.config.workers.services import FaultyConversion, WantedConversion, WantedModel
from aura_daemon.jobs.results import Failure
from aura_daemon.workers.protocol import (
    Answer,
    ConversionFailed,
    ConversionUsed,
    ConversionWanted,
    FetchAnswer,
    FetchWanted,
    PictureAnswer,
    PictureWanted,
    Question,
)

AnswerT = TypeVar("AnswerT", bound=Answer)


class AskedDaemon:
    """Asks one question at a time (`config.workers.services.Services`)."""

    def __init__(self, send_up: Callable[[Question], None]) -> None:
        self._send_up = send_up
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._lock = Lock()

    def fetch(self, wanted: WantedModel) -> Failure | None:
        """Has what is missing of a model fetched; why that did not go well."""
        return self._asked(FetchWanted(wanted=wanted), FetchAnswer).failure

    def picture(self, job_id: str, number: int) -> bytes | None:
        """The file of one picture of a set; None where it cannot be read, or is not to be."""
        return self._asked(PictureWanted(job_id=job_id, number=number), PictureAnswer).content

    def convert(self, conversion: WantedConversion) -> None:
        """Has a model converted while jobs go on."""
        self._send_up(ConversionWanted(conversion=conversion))

    def report_faulty(self, fault: FaultyConversion) -> None:
        """Has a converted model that failed made anew, or left."""
        self._send_up(ConversionFailed(fault=fault))

    def note_used(self, place: str) -> None:
        """A job uses a converted model."""
        self._send_up(ConversionUsed(place=place))

    def take(self, answer: Answer) -> None:
        """An answer has come; called by whoever reads the socket."""
        self._answers.put(answer)

    def _asked(self, question: Question, kind: type[AnswerT]) -> AnswerT:
        with self._lock:
            self._send_up(question)
            answer = self._answers.get()
        assert isinstance(answer, kind)
        return answer
