"""What the daemon does for a child that may do little. In: its questions. Out: answers, once they are there.

A question names no file and no revision: what it means, the daemon's own settings and tasks say. The loop never waits:
a model is fetched by another process, and a picture is read by the thread that sends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from threading import BoundedSemaphore
from typing import Final, assert_never

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import configured, is_place
from aura_daemon.jobs.tasks import PictureState, SetPicture, Task
from aura_daemon.system.files.reading import content_below
from aura_daemon.workers.converting.conversions import ModelConversions
from aura_daemon.workers.fetching.fetches import FetchPart, ModelFetches
from aura_daemon.workers.fetching.messages import Fetched
from aura_daemon.workers.local.child import Child
from aura_daemon.workers.protocol import (
    Answer,
    Batch,
    ConversionFailed,
    ConversionUsed,
    ConversionWanted,
    FetchAnswer,
    FetchWanted,
    Loading,
    PictureAnswer,
    PictureWanted,
    Question,
)
from aura_daemon.workers.reports.checking import require_names, sentence
from aura_daemon.workers.reports.decoding import BrokenProtocol

MOST_UNSENT: Final = 4
"""Pictures that are asked for and not sent yet; a worker asks for one after the other."""


class AnsweredQuestions:
    """The questions of one child about its batch."""

    def __init__(
        self, settings: EngineSettings, fetches: ModelFetches, conversions: ModelConversions | None = None
    ) -> None:
        """`conversions`: None: no model is converted."""
        self._settings = settings
        self._conversions = conversions
        self._fetches = fetches
        self._fetch: FetchPart | None = None
        """What the child waits for."""
        self._pictures: Mapping[str, tuple[SetPicture, ...]] = {}
        """Of the sets that its batch puts together, by job."""
        self._room = BoundedSemaphore(MOST_UNSENT)

    def begin(self, batch: Batch) -> Batch:
        """The batch as the child gets it: where pictures of sets lie is for the daemon alone to know."""
        self._pictures = {task.job_id: task.pictures for task in batch.tasks if task.pictures}
        if not self._pictures:
            return batch
        return replace(batch, tasks=tuple(map(_without_places, batch.tasks)))

    def waitables(self) -> list[int]:
        """The descriptor that becomes readable when a fetch has news."""
        return self._fetch.waitables() if self._fetch is not None else []

    def ask(self, question: Question, child: Child, unfinished: Collection[str]) -> None:
        """Answers soon; raises BrokenProtocol for what no job of the batch takes."""
        match question:
            case FetchWanted(wanted=wanted):
                if not unfinished or self._fetch is not None or configured(self._settings, wanted) is None:
                    raise BrokenProtocol("it asks for a model that no job takes")
                self._fetch = self._fetches.join(wanted)
            case PictureWanted(job_id=job_id, number=number):
                pictures = self._pictures.get(job_id, ())
                if (
                    job_id not in unfinished
                    or not 0 <= number < len(pictures)
                    or not self._room.acquire(blocking=False)
                ):
                    raise BrokenProtocol("it asks for a picture that no job takes")
                child.send(self._read(pictures[number], self._room))
            case ConversionWanted(conversion=conversion):
                if configured(self._settings, conversion.wanted) is None:
                    raise BrokenProtocol("it asks for a model that is not configured")
                require_names(conversion.device_name)
                if self._conversions is not None:
                    self._conversions.convert(conversion)
            case ConversionFailed(fault=fault):
                _require_place(fault.place)
                if self._conversions is not None:
                    self._conversions.settle(replace(fault, reason=sentence(fault.reason)))
            case ConversionUsed(place=place):
                _require_place(place)
                if self._conversions is not None:
                    self._conversions.note_used(place)
            case _:
                assert_never(question)

    def take(self, child: Child) -> tuple[list[Loading], bool]:
        """How far a fetch is, and whether there is any news of it; its answer goes to the child."""
        if self._conversions is not None:
            self._conversions.go_on()
        news = self._fetch.take() if self._fetch is not None else []
        for told in news:
            if isinstance(told, Fetched):
                self.leave()
                child.send([FetchAnswer(failure=told.failure)])
        return [told for told in news if isinstance(told, Loading)], bool(news)

    def leave(self) -> None:
        """The child is gone, or waits no longer."""
        self._room = BoundedSemaphore(MOST_UNSENT)
        if self._fetch is not None:
            self._fetch.leave()
            self._fetch = None

    def _read(self, picture: SetPicture, room: BoundedSemaphore) -> Iterator[Answer]:
        """Read when it is sent; a picture that failed is not shown."""
        is_shown = picture.state is not PictureState.FAILED
        most_bytes = self._settings.max_image_bytes
        yield PictureAnswer(content=content_below(picture.place, picture.below, most_bytes) if is_shown else None)
        room.release()


def _require_place(place: str) -> None:
    if not is_place(place):
        raise BrokenProtocol("it names a folder that is none of converted models")


def _without_places(task: Task) -> Task:
    return replace(task, pictures=tuple(replace(picture, place="", below="") for picture in task.pictures))
