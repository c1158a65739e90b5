"""What lies on a disk after a cut, and what of it breaks the contract. Files are told apart by hash.

In: the folders of a daemon; what was sent, and what of it is durable. Out: fates, complaints. `look` runs inside the
machine, `Account` outside.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from tests.powercut.plan import Sending, Way
from tests.support.house import House, sha256

Wanted: TypeAlias = tuple[str, int | None]
"""What must have exactly one fate: a file, by its hash, or one document of a file, by its number."""

Told: TypeAlias = tuple[str, int | None, str]
"""What a sidecar or a report tells of: the hash of the source, the number of its document, the source's name."""

WITH_SOURCE: Final = ("aura-daemon/sidecar", "aura-daemon/failure")
"""How the schemas of documents begin that tell of a source."""

WITHOUT_FSYNC: Final = ("index.html", "aura-gallery/")
"""Pages that can be made again: a cut may leave them empty."""


def told_in(house: House) -> list[Told]:
    """The sources that the outbox tells of, once a result and once a failure."""
    return [
        (source["sha256"], source["document"], source["name"])
        for _, document in _documents(house)
        if (source := document.get("source")) is not None
    ]


def left_in(house: House) -> list[str]:
    """The hashes of files that still lie in the inbox, or where claimed ones lie."""
    work = (house.inbox / ".aura" / "work", house.state / "work")
    files = [house.inbox / name for name in house.waiting()]
    files += [place for folder in work for place in folder.rglob("*") if place.is_file()]
    return [sha256(place.read_bytes()) for place in files]


def torn_in(house: House, *, is_at_rest: bool) -> list[str]:
    """What is half-written under a final name. `is_at_rest`: no daemon has anything left to do."""
    torn, described = [], set()
    for name, document in _documents(house):
        described.add(name)
        if "source" not in document:
            torn.append(f"{name} is no whole document")
            continue
        for output in document.get("outputs", ()):
            described.add(str(Path(name).with_name(output["name"])))
            torn += _complaint(house.outbox / name, output["name"], output["sha256"])
        if name.startswith("failed/"):
            described.add(name.removesuffix(".json"))
            if document["source"]["document"] is None and document["source"]["sha256"]:
                torn += _complaint(house.outbox / name, Path(name).stem, document["source"]["sha256"])
    for name in house.visible(house.outbox):
        if name.startswith(WITHOUT_FSYNC) and name.endswith(".html"):
            torn += _half_a_page(house.outbox / name)
        if name.startswith(WITHOUT_FSYNC) or name == "health.json" or name in described:
            continue
        if name.startswith("failed/"):
            continue  # an image may have failed with the job file that names it
        if is_at_rest:
            torn.append(f"{name} has no sidecar")
        elif not (house.outbox / name).read_bytes().strip(b"\0"):
            torn.append(f"{name} is empty, or nothing but zeros")
    return torn


def _complaint(document: Path, name: str, digest: str) -> Iterator[str]:
    payload = document.with_name(name)
    if not payload.is_file():
        yield f"{document.name} is there, {name} is not"
    elif sha256(payload.read_bytes()) != digest:
        yield f"{name} does not hold what {document.name} says"


def _half_a_page(page: Path) -> Iterator[str]:
    """An empty page counts as none."""
    content = page.read_bytes()
    if content and not content.endswith(b"</html>\n"):
        yield f"{page.name} is half a page"


def _documents(house: House) -> Iterator[tuple[str, dict[str, Any]]]:
    """Sidecars and reports by name; a document that cannot be read is empty."""
    for name in house.visible(house.outbox):
        if not name.endswith(".json") or name.startswith(WITHOUT_FSYNC) or name == "health.json":
            continue
        place = house.outbox / name
        try:
            document = json.loads(place.read_bytes())
        except FileNotFoundError:
            continue
        except ValueError:
            document = {}
        is_source = name.startswith("failed/") and not place.with_name(place.name + ".json").exists()
        if str(document.get("schema", "")).startswith(WITH_SOURCE):
            yield name, document
        elif is_source or not name.startswith("failed/"):
            yield name, {}


@dataclass(kw_only=True, slots=True)
class Verdict:
    """What came of the files that some cuts met."""

    cuts: int = 0
    tried: int = 0
    """Files and documents that were durable."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    """Other breaches too: a file system that is not in order, bytes that nobody sent, a daemon that does not start."""

    @property
    def survived(self) -> int:
        return max(0, self.tried - len(set(self.lost + self.doubled + self.torn)))

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.torn)

    def add(self, other: Verdict) -> None:
        self.cuts += other.cuts
        self.tried += other.tried
        self.lost += other.lost
        self.doubled += other.doubled
        self.torn += other.torn


@dataclass(kw_only=True, slots=True)
class _Sent:
    """A file or a document whose sender has begun to write it."""

    name: str
    is_durable: bool = False
    fates: int = 0


class Account:
    """What was sent to one disk, what of it is durable, and how many fates it has had so far."""

    def __init__(self) -> None:
        self._sent: dict[Wanted, _Sent] = {}
        self._open: set[Wanted] = set()
        """What was sent since the last judgement."""
        self._known: dict[str, Sending] = {}

    def planned(self, sendings: Sequence[Sending]) -> None:
        """These will be sent, or a part of them."""
        self._known |= {sha256(sending.content): sending for sending in sendings}

    def sending(self, digest: str) -> None:
        """The sender begins to write a file."""
        for wanted in self._wanted(digest):
            self._sent[wanted] = _Sent(name=self._known[digest].name)
            self._open.add(wanted)

    def durable(self, digest: str) -> None:
        """All of its fsyncs have returned."""
        for wanted in self._wanted(digest):
            self._sent[wanted].is_durable = True

    def expected(self) -> tuple[str, ...]:
        """The hashes of files that must have a fate."""
        return tuple(sorted({wanted[0] for wanted in self._open if self._sent[wanted].is_durable}))

    def judge(self, told: Iterable[Told], torn: Sequence[str], left: Iterable[str] = ()) -> Verdict:
        """Judges what was sent since the last time, and all that has come twice meanwhile.

        `left`: the hashes of files that nothing was done with; they are lost too, and it is told that they are there.
        """
        there = frozenset(left)
        found: Counter[Wanted] = Counter()
        verdict = Verdict(torn=list(torn))
        loose = {sent.name for sent in self._sent.values() if not sent.is_durable}
        for digest, number, name in told:
            wanted = [(digest, number)] if number is not None else self._wanted(digest)
            found.update(one for one in wanted if one in self._sent)
            if not wanted or wanted[0] not in self._sent:
                # A file that was cut while it was written may be taken for a whole one: nobody can know.
                verdict.torn += [] if name in loose else [f"nobody sent {name} with {digest[:12]}"]
        for wanted, sent in self._sent.items():
            sent.fates += found[wanted]
            what = sent.name if wanted[1] is None else f"{sent.name} document {wanted[1]}"
            if wanted in self._open and sent.is_durable:
                verdict.tried += 1
                where = " (left where it was, untouched)" if wanted[0] in there else ""
                verdict.lost += [what + where] if sent.fates == 0 else []
            verdict.doubled += [what] if found[wanted] and sent.fates > 1 else []
        self._open.clear()
        return verdict

    def _wanted(self, digest: str) -> list[Wanted]:
        """What of a file must have a fate."""
        sending = self._known.get(digest)
        if sending is None:
            return []
        return [(digest, number) for number in range(1, sending.documents + 1)] or [(digest, None)]


def batch(number: int) -> list[Sending]:
    """Files of every fate, each with bytes of its own, delivered in every way."""

    def text(name: str, way: Way, *, folder: str = "") -> Sending:
        return Sending(name=f"{folder}{number}-{name}.yaml", content=f"prompt: {name} {number}\n".encode(), way=way)

    def picture(name: str, way: Way) -> Sending:
        content = _PNG_HEAD + f"{name} {number}".encode() + bytes(range(256)) * 20 + _PNG_END
        return Sending(name=f"{number}-{name}.png", content=content, way=way)

    two = f"prompt: one {number}\n---\nprompt: two {number}\n".encode()
    named = f"task: caption\nimage: {number}-sea.png\n".encode()
    return [
        text("renamed", Way.RENAMED),
        text("placed", Way.IN_PLACE),
        Sending(name=f"{number}-two.yaml", content=two, way=Way.RENAMED_FIRST, documents=2),
        picture("beach", Way.IN_PLACE),
        picture("cat", Way.RENAMED),
        text("deeper", Way.RENAMED, folder=f"sub{number}/"),
        Sending(name=f"{number}-bad.yaml", content=f"steps: 0\nprompt: {number}\n".encode(), way=Way.RENAMED),
        text("copied", Way.UNSYNCED),
        picture("sea", Way.UNSYNCED),
        Sending(name=f"{number}-named.yaml", content=named, way=Way.RENAMED_FIRST),
    ]


_PNG_HEAD: Final = b"\x89PNG\r\n\x1a\n"
_PNG_END: Final = b"\0\0\0\0IEND\xaeB`\x82"
