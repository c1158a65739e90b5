"""The keys of hooks, retention and the log file. The docstrings of the classes are descriptions in the schema."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from aura_daemon.config.amounts import AGE, SIZE, Age, Number, Size

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")

_COMMAND: Final = "a list, [program, argument, …], which no shell reads, or an empty one"


class HooksConfig(BaseModel):
    """Programs that are run when something has happened."""

    model_config = _CONFIG
    on_done: tuple[str, ...] = Field((), description=f"{_COMMAND}; for every job that is done")
    on_failed: tuple[str, ...] = Field((), description=f"{_COMMAND}; for every job that failed and every refused file")
    on_idle: tuple[str, ...] = Field((), description=f"{_COMMAND}; when nothing is left to do")
    time_limit: Number = Field(
        30, ge=1, le=3600, description="a number of seconds from 1 to 3600: a hook that runs for longer is ended"
    )

    @property
    def commands(self) -> dict[str, tuple[str, ...]]:
        """What happened (`done`, `failed`, `idle`) -> what is run; without those for which nothing is."""
        named = {"done": self.on_done, "failed": self.on_failed, "idle": self.on_idle}
        return {kind: command for kind, command in named.items() if command}


class KeptFor(BaseModel):
    """How long something is kept, and how much of it."""

    model_config = _CONFIG
    age: Age = Field(None, description=AGE)
    size: Size = Field(None, description=SIZE)

    @property
    def is_limited(self) -> bool:
        """Whether anything ever goes."""
        return self.age is not None or self.size is not None


def _kept(what: str) -> Any:
    return Field(KeptFor(), description=f"age and size of {what}; of what is too much, the oldest goes")


class RetentionConfig(BaseModel):
    """What is deleted when it is old, or too much. Results never are."""

    model_config = _CONFIG
    archive: KeptFor = _kept("the archived sources")
    failed: KeptFor = _kept("the files in `failed/`, with their reports")
    journal: KeptFor = _kept("what the journal knows of files that are done")
    previews: KeptFor = _kept("the previews of jobs that have ended")
    logs: KeptFor = _kept("the log files before the present one")


class LogFileConfig(BaseModel):
    """The log as a file, beside stderr."""

    model_config = _CONFIG
    path: str | None = Field(None, description="a file, or null: the log goes to stderr alone")
    size: Size = Field(10_000_000, description="a size as 10 MB: a larger file is put aside, or null: never")
    age: Age = Field(None, description="an age such as 7d: an older file is put aside, or null: never")
    keep: int = Field(5, ge=0, le=10_000, description="a whole number of files put aside, from 0 to 10000")
