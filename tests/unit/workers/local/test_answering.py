"""What a child may ask for: models that are configured, and the pictures of the sets that it puts together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from aura_daemon.config.engine import Dtype, EngineSettings
from aura_daemon.config.workers.services import (
    ConversionKind,
    ConvertedPart,
    FaultyConversion,
    ModelRole,
    WantedConversion,
    WantedModel,
)
from aura_daemon.jobs.caption_files import CaptionFile
from aura_daemon.jobs.requests import DatasetRequest
from aura_daemon.jobs.tasks import PictureState, SetPicture, Task
from aura_daemon.workers.converting.conversions import ModelConversions
from aura_daemon.workers.fetching.fetches import ModelFetches
from aura_daemon.workers.local.answering import MOST_UNSENT, AnsweredQuestions
from aura_daemon.workers.local.child import Child
from aura_daemon.workers.protocol import (
    Batch,
    ConversionFailed,
    ConversionUsed,
    ConversionWanted,
    FetchWanted,
    PictureAnswer,
    PictureWanted,
    Question,
)
from aura_daemon.workers.reports.decoding import BrokenProtocol

SETTINGS = EngineSettings(max_image_bytes=8)


class Told:
    """A child whose messages are kept, and made when the test asks for them."""

    def __init__(self) -> None:
        self.waiting: list[Iterable[object]] = []

    def send(self, messages: Iterable[object]) -> None:
        self.waiting.append(messages)

    def sent(self) -> list[object]:
        made = [message for messages in self.waiting for message in messages]
        self.waiting.clear()
        return made


@pytest.fixture
def child() -> Told:
    return Told()


@pytest.fixture
def questions(tmp_path: Path) -> AnsweredQuestions:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a.png").write_bytes(b"picture")
    (inbox / "large.png").write_bytes(b"a picture")
    (tmp_path / "secret").write_bytes(b"secret")
    (inbox / "link.png").symlink_to(tmp_path / "secret")
    (inbox / "failed.png").write_bytes(b"refused")
    made = AnsweredQuestions(SETTINGS, ModelFetches(SETTINGS, command=("/nowhere/python",)))
    names = ("a.png", "large.png", "link.png", "gone.png", "failed.png")
    pictures = [
        SetPicture(file_name=name, image=name, place=str(inbox / name), below=str(inbox), state=PictureState.CAPTIONED)
        for name in names
    ]
    pictures[-1] = replace(pictures[-1], state=PictureState.FAILED)
    request = DatasetRequest(images=("*.png",), base="", file=CaptionFile())
    given = made.begin(Batch(tasks=(Task(job_id="set", request=request, pictures=tuple(pictures)),)))
    assert [picture.place for picture in given.tasks[0].pictures] == [""] * len(names)
    assert [picture.file_name for picture in given.tasks[0].pictures] == list(names)
    return made


def ask(questions: AnsweredQuestions, child: Told, question: Question) -> None:
    questions.ask(question, cast(Child, child), {"set"})


@pytest.mark.parametrize(("number", "content"), [(0, b"picture"), (1, None), (2, None), (3, None), (4, None)])
def test_a_picture_of_a_set_is_read_where_it_lies_and_no_other_file(
    questions: AnsweredQuestions, child: Told, number: int, content: bytes | None
) -> None:
    ask(questions, child, PictureWanted(job_id="set", number=number))
    assert child.sent() == [PictureAnswer(content=content)]


@pytest.mark.parametrize(("job_id", "number"), [("set", 5), ("set", -1), ("other", 0)])
def test_what_is_no_picture_of_the_batch_is_not_to_be_asked_for(
    questions: AnsweredQuestions, child: Told, job_id: str, number: int
) -> None:
    with pytest.raises(BrokenProtocol):
        questions.ask(PictureWanted(job_id=job_id, number=number), cast(Child, child), {"set", "other"})


def test_a_set_that_has_ended_has_no_pictures(questions: AnsweredQuestions, child: Told) -> None:
    with pytest.raises(BrokenProtocol):
        questions.ask(PictureWanted(job_id="set", number=0), cast(Child, child), ())


def test_pictures_are_asked_for_one_after_the_other(questions: AnsweredQuestions, child: Told) -> None:
    wanted = PictureWanted(job_id="set", number=0)
    for _ in range(3):
        for _ in range(MOST_UNSENT):
            ask(questions, child, wanted)
        assert len(child.sent()) == MOST_UNSENT
    for _ in range(MOST_UNSENT):
        ask(questions, child, wanted)
    with pytest.raises(BrokenProtocol):
        ask(questions, child, wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        WantedModel(role=ModelRole.GENERATOR, model="somebody/else"),
        WantedModel(role=ModelRole.GENERATOR, model="/etc"),
        WantedModel(role=ModelRole.CAPTIONER, model=SETTINGS.caption.model, at_turbo=True),
        WantedModel(role=ModelRole.ANSWERS, model=SETTINGS.caption.model),
    ],
)
def test_a_model_that_is_not_configured_is_not_to_be_asked_for(
    questions: AnsweredQuestions, child: Told, wanted: WantedModel
) -> None:
    with pytest.raises(BrokenProtocol):
        ask(questions, child, FetchWanted(wanted=wanted))


def test_one_model_is_asked_for_at_a_time_and_only_by_a_job(questions: AnsweredQuestions, child: Told) -> None:
    wanted = FetchWanted(wanted=WantedModel(role=ModelRole.GENERATOR, model=SETTINGS.generate.model))
    with pytest.raises(BrokenProtocol):
        questions.ask(wanted, cast(Child, child), ())
    ask(questions, child, wanted)
    with pytest.raises(BrokenProtocol):
        ask(questions, child, wanted)
    questions.leave()
    ask(questions, child, wanted)


class Converting:
    """Writes down what passes (`workers.converting.conversions.ModelConversions`)."""

    def __init__(self) -> None:
        self.wishes: list[object] = []

    def convert(self, wish: WantedConversion) -> None:
        self.wishes.append(wish)

    def settle(self, fault: FaultyConversion) -> None:
        self.wishes.append(fault)

    def note_used(self, place: str) -> None:
        self.wishes.append(place)


WISH = WantedConversion(
    wanted=WantedModel(role=ModelRole.GENERATOR, model=SETTINGS.generate.model),
    part=ConvertedPart.UNET,
    wants_int8=True,
    device_name="a processor",
    dtype=Dtype.FLOAT32,
)
FAULT = FaultyConversion(place="0" * 32, kind=ConversionKind.OPENVINO, reason="it failed", lasts=True)


def wishing(child: Told, question: Question) -> list[object]:
    converting = Converting()
    fetches = ModelFetches(SETTINGS, command=("/nowhere/python",))
    made = AnsweredQuestions(SETTINGS, fetches, cast(ModelConversions, converting))
    made.ask(question, cast(Child, child), ())
    AnsweredQuestions(SETTINGS, fetches).ask(question, cast(Child, child), ())  # where none is converted
    return converting.wishes


def test_wishes_about_converted_models_pass_whether_a_job_runs_or_not(child: Told) -> None:
    assert wishing(child, ConversionWanted(conversion=WISH)) == [WISH]
    assert wishing(child, ConversionUsed(place=FAULT.place)) == [FAULT.place]
    hostile = replace(FAULT, reason="\x1bit failed")
    assert wishing(child, ConversionFailed(fault=hostile)) == [replace(FAULT, reason="\\x1bit failed")]


@pytest.mark.parametrize(
    "question",
    [
        ConversionWanted(conversion=replace(WISH, wanted=replace(WISH.wanted, model="/etc"))),
        ConversionWanted(conversion=replace(WISH, device_name="\x1b")),
        ConversionFailed(fault=replace(FAULT, place="../secret")),
        ConversionUsed(place="/etc/passwd"),
    ],
)
def test_wishes_that_name_what_is_not_configured_are_refused(child: Told, question: Question) -> None:
    with pytest.raises(BrokenProtocol):
        wishing(child, question)
