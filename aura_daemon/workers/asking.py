"""What a worker asks of its daemon, as messages. In: a question of the engines. Out: the daemon's answer.

`engines.services` says what may be asked; the daemon decides.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from aura_daemon.engines.services import WantedModel
from aura_daemon.jobs.results import Failure
from aura_daemon.workers.protocol import Answer, FetchAnswer, FetchWanted, PictureAnswer, PictureWanted, Question

AnswerT = TypeVar("AnswerT", bound=Answer)


class AskedDaemon:
    """Asks one question at a time (`engines.services.Services`)."""

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

    def take(self, answer: Answer) -> None:
        """An answer has come; called by whoever reads the socket."""
        self._answers.put(answer)

    def _asked(self, question: Question, kind: type[AnswerT]) -> AnswerT:
        with self._lock:
            self._send_up(question)
            answer = self._answers.get()
        assert isinstance(answer, kind)
        return answer
