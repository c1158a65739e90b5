"""What agents are answered, as data; the schemas of these models are published with the tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mcp_types import ImageContent
from pydantic import BaseModel, ConfigDict, Field

from aura_daemon.daemon.waiting import Stage


class AnswerData(BaseModel):
    """The structured part of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer as data, in words, and as pictures."""

    data: AnswerData
    text: str
    """The same for whoever reads no data; names that the next question needs stand here too."""
    pictures: tuple[ImageContent, ...] = field(default=())


class HandedIn(AnswerData):
    """A file that lies in the inbox now."""

    file: str = Field(description="its name below the inbox: `wait` and `why` take it")
    jobs: int
    warnings: list[str] = Field(description="what was read otherwise than it may have been meant")
    is_daemon_running: bool = Field(description="where it is false, the file waits for a daemon that somebody starts")


class FailedJob(AnswerData):
    """A job that failed, or a file that was refused."""

    id: str
    reason: str
    mend: str


class FileProgress(AnswerData):
    """How far a file is."""

    file: str
    stage: Stage
    text: str = Field(description="the same in words")
    is_over: bool = Field(description="nothing more will come; where it is false, call `wait` again")
    is_stuck: bool = Field(description="no daemon runs, or something is held up: `text` says what somebody must do")
    jobs: int
    ended: int
    results: list[str] = Field(description="names below the outbox: `look` takes them")
    failures: list[FailedJob]


class ResultKind(StrEnum):
    """What a result is."""

    PICTURE = "picture"
    TEXT = "text"


class Look(AnswerData):
    """A result."""

    result: str
    kind: ResultKind
    width: int | None = Field(None, description="pixels of the picture as it lies there")
    height: int | None = None
    shown_width: int | None = Field(None, description="pixels of the picture as it was handed over")
    shown_height: int | None = None
    text: str = Field("", description="the text of a caption; empty for a picture")
    sidecar: dict[str, Any] | None = Field(description="what was asked for and how it went")


class HeldUp(AnswerData):
    """What is held up."""

    what: str
    reason: str
    mend: str


class WorkerAnswer(AnswerData):
    """A worker, and what it does."""

    name: str
    node: str = Field(description="the machine that it runs on; empty: the daemon's, or none")
    device: str
    rung: str = Field(description="how its last job used the device's memory")
    models: list[str] = Field(description="those that are loaded")
    doing: str
    trouble: str = Field(description="why it has no place; empty where nothing is wrong")


class DaemonAnswer(AnswerData):
    """How the daemon is."""

    is_daemon_running: bool
    status: str | None
    inbox: str
    outbox: str = Field(description="the folder that the names of results are below")
    models: list[str] = Field(description="what `model` may name; the first is taken where none is named")
    upscalers: list[str] = Field(description="what `upscale` may name; the first is taken where none is named")
    jobs: dict[str, int] = Field(description="how many jobs are in which state")
    running: str = Field(description="the running job in words, of several the first")
    workers: list[WorkerAnswer]
    held_up: list[HeldUp]
    recent_failures: list[str]
    problem: str = Field(description="what somebody has to do; empty where all is well")


class Reason(AnswerData):
    """Why a file is where it is."""

    file: str
    text: str
    is_known: bool


class Ended(AnswerData):
    """A job that ended, or a file that was refused."""

    id: str
    file: str = Field(description="its file's name below the inbox")
    kind: str | None
    outcome: str
    ended_at: str
    total_s: float | None
    text: str = Field(description="the prompt, or the caption")
    result: str | None = Field(description="its name below the outbox: `look` takes it")
    is_there: bool = Field(description="whether it lies there still")
    reason: str = Field(description="of a failure, with what to do")


class ResultList(AnswerData):
    """What ended, the latest first."""

    results: list[Ended]
