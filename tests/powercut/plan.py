"""What a machine is to do between two cuts, as a file that it reads, and what it says while it does so."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

MARK: Final = "@@"
"""Begins a line that a machine says; other lines are its kernel's."""


class Way(StrEnum):
    """How a file comes into the inbox."""

    RENAMED = "renamed"
    """Written under a private name, fsynced, renamed, the folder fsynced."""
    RENAMED_FIRST = "renamed first"
    """Renamed before its content is durable."""
    IN_PLACE = "in place"
    """Written under its name, in two parts."""
    UNSYNCED = "unsynced"
    """Copied by a program that leaves it to the kernel when it is durable."""


class Said(StrEnum):
    """What a machine tells, each on a line with a value."""

    UP = "up"
    """Its disk is there; what the check of the file system said, empty where that is in order."""
    TORN = "torn"
    """What is half-written under a final name, before the daemon starts."""
    RUNNING = "running"
    """The daemon takes up what the last cut left."""
    JUDGED = "judged"
    """That is done: what became of all files."""
    DELIVERING = "delivering"
    """The sender starts."""
    SENDING = "sending"
    """It begins to write a file, with its hash."""
    DURABLE = "durable"
    """All of its fsyncs for that file have returned."""
    REACHED = "reached"
    """The daemon stands at the named step."""
    SETTLED = "settled"
    """All that was sent has a fate; how often each named step was passed."""
    ENDED = "ended"
    """The daemon has ended and the disk is unmounted; what the check of the file system said."""
    BROKEN = "broken"
    """The daemon or the machine has failed, with the end of its log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """A file that is to be delivered."""

    name: str
    content: bytes
    way: Way
    documents: int = 0
    """How many documents with fates of their own it holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What the machine does until it is cut."""

    filesystem: str
    place: str
    """A folder that may be hidden by the machine's own."""
    modules: str
    """The folder of the kernel's modules."""
    expected: tuple[str, ...] = ()
    """Hashes of files that must have a fate before anything new is sent."""
    settles: bool = True
    """Whether that is waited for and told; else the machine is cut meanwhile."""
    sendings: tuple[Sending, ...] = ()
    moment: str = ""
    """A named step, `journal.claim:after`, at which the daemon stops for ever, once `Said.DELIVERING` is over."""
    time: int = 1
    """At its how manieth time."""
    ends: bool = False
    """Whether the daemon ends in order once nothing is left to do."""

    def write(self, file: Path) -> None:
        document = asdict(self)
        for sending in document["sendings"]:
            sending["content"] = sending["content"].hex()
        file.write_text(json.dumps(document), "utf-8")


def read_plan(file: Path) -> Plan:
    """The plan in a file."""
    document: dict[str, Any] = json.loads(file.read_text("utf-8"))
    sendings = [
        Sending(**{**sending, "content": bytes.fromhex(sending["content"]), "way": Way(sending["way"])})
        for sending in document.pop("sendings")
    ]
    return Plan(**{**document, "expected": tuple(document["expected"]), "sendings": tuple(sendings)})
