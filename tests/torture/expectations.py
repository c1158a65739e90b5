"""What a user did to an inbox, and what must have become of it by the contract. Files are told apart by hash.

In: deliveries, rewrites, deletions, as they happen. Out: complaints. A file that its user overwrote or removed before
it was claimed need not have a fate. A file was claimed if its bytes have left the inbox or, under `keep`, if the
journal has it.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from aura_daemon.file_names import GALLERY_FOLDER
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS
from aura_daemon.gallery.paging import INDEX
from aura_daemon.jobs.lifecycle import JobState, SourceState
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.journal.records import Source
from aura_daemon.outbox.source_policy import SourcePolicy
from tests.support.house import PNG, House, sha256
from tests.torture.ledger import Wanted

WHOLE = (None,)
"""The documents of a file that holds one job or none."""

FIRST_MTIME_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
NAMING = b"image: a.png"
"""A line of job files that name an image."""

HELD = re.compile(rb"an image of ([0-9a-f]{64})")


@dataclass(kw_only=True, slots=True)
class Delivery:
    """A file that was put into the inbox once."""

    path: str
    content: bytes
    mtime_ns: int
    documents: tuple[int | None, ...]
    low: int = 1
    """The least number of fates that this delivery adds to the fates of its bytes; `high` is the most."""
    high: int = 1
    taken_away: bool = False
    """The user removed the file: its bytes need not be anywhere."""

    @property
    def sha256(self) -> str:
        return sha256(self.content)


@dataclass(kw_only=True, slots=True)
class Expectations:
    """Everything that was done to one house."""

    house: House
    disposition: SourcePolicy
    deliveries: list[Delivery] = field(default_factory=list)
    strangers: dict[str, bytes] = field(default_factory=dict)
    """Files that somebody else put into the outbox; they must not change."""
    cleared: Counter[Wanted] = field(default_factory=Counter)
    """Fates whose reports the user removed when the file went back into the inbox."""
    mtime_ns: int = FIRST_MTIME_NS

    # -- what users do ---------------------------------------------------------------------------------------------

    def put(
        self,
        path: str,
        content: bytes,
        documents: tuple[int | None, ...],
        *,
        in_place: bool = False,
        mtime_ns: int | None = None,
    ) -> None:
        """Delivers a file over whatever is there: by rename, or written in place."""
        self._displace(path)
        if mtime_ns is None:
            self.mtime_ns += SECOND_NS
            mtime_ns = self.mtime_ns
        place = self.house.inbox / path
        place.parent.mkdir(parents=True, exist_ok=True)
        written = place if in_place else self.house.root / "on-its-way"
        written.write_bytes(content)
        os.utime(written, ns=(mtime_ns, mtime_ns))
        written.rename(place)
        self._note(Delivery(path=path, content=content, mtime_ns=mtime_ns, documents=documents))

    def remove(self, path: str) -> None:
        """Removes a file from the inbox, where it is there."""
        self._displace(path)
        (self.house.inbox / path).unlink(missing_ok=True)

    def rename(self, path: str, other: str) -> None:
        """Gives a file in the inbox another name."""
        delivery = self._lying(path)
        if delivery is not None and other != path:
            self.remove(path)
            self.put(other, delivery.content, delivery.documents, mtime_ns=delivery.mtime_ns)

    def touch(self, path: str) -> None:
        """Gives a file in the inbox another time."""
        delivery = self._lying(path)
        if delivery is not None:
            self.put(path, delivery.content, delivery.documents, in_place=True)

    def again(self, delivery: Delivery) -> None:
        """Delivers a file once more: path, content and time as before."""
        self.put(delivery.path, delivery.content, delivery.documents, mtime_ns=delivery.mtime_ns)

    def try_again(self, report: str) -> None:
        """Moves a file from `failed/` back into the inbox, and throws its report away.

        Only of a source that is closed: before, a daemon that comes back takes a report that is gone for not written.
        """
        place = self.house.outbox / "failed" / report
        file = place.with_name(place.name.removesuffix(".json"))
        document = json.loads(place.read_bytes())
        with closing(self.house.journal()) as journal:
            if journal.source("-".join(document["job_id"].split("-")[:2])).state is not SourceState.CLOSED:
                return
        source = document["source"]
        content, mtime_ns = file.read_bytes(), file.stat().st_mtime_ns
        before = next((delivery for delivery in self.deliveries if delivery.sha256 == sha256(content)), None)
        place.unlink()
        file.unlink()
        self.cleared.update(self._fates_told_by(source))
        path = report.removesuffix(".json")
        self.put(path, content, before.documents if before else WHOLE, mtime_ns=mtime_ns)

    def meet(self, path: str, content: bytes) -> None:
        """A stranger's file in the outbox, where nothing of that name is yet."""
        place = self.house.outbox / path
        if not os.path.lexists(place) and place.parent.is_dir():
            place.write_bytes(content)
            self.strangers[path] = content

    # -- what must be ----------------------------------------------------------------------------------------------

    def complaints(self) -> Iterator[str]:
        """What must not be at any moment."""
        fates = (yield from self._outbox()) + self.cleared
        held = self._held()
        _, high = self._wanted()
        for wanted, count in fates.items():
            if count > high[wanted]:
                yield f"{self._name(wanted)} has {count} fates and must have {high[wanted]} at most"
        for delivery in self.deliveries:
            done = all(fates[delivery.sha256, document] for document in delivery.documents)
            if not delivery.taken_away and not done and delivery.sha256 not in held:
                yield f"{delivery.path} ({delivery.sha256[:8]}) vanished before it had its fate"

    def last_complaints(self) -> Iterator[str]:
        """What must not be when all is quiet."""
        yield from self.complaints()
        fates = (yield from self._outbox()) + self.cleared
        low, _ = self._wanted()
        for wanted, count in low.items():
            if fates[wanted] < count:
                yield f"{self._name(wanted)} has {fates[wanted]} fates and must have {count} at least"
        kept = self.disposition is SourcePolicy.KEEP
        stay = {
            delivery.path
            for delivery in self.deliveries
            if delivery.low == 0 and (_is_text(delivery.path) or _can_be_named(delivery.path))
        }
        yield from (f"left in the inbox: {path}" for path in self.house.waiting() if not kept | (path in stay))
        yield from (f"left behind: {path}" for path in self._leftovers())

    # -- below -----------------------------------------------------------------------------------------------------

    def _note(self, delivery: Delivery) -> None:
        """Adds a delivery whose file has just been put there."""
        delivery.low, delivery.high = self._to_come(delivery)
        self._pair(delivery)
        stem, extension = _stem(delivery.path), PurePosixPath(delivery.path).suffix
        if extension in IMAGE_EXTENSIONS:
            for other in self.deliveries:
                if _is_text(other.path) and _key(other.path) == _key(delivery.path) and not self._is_claimed(other):
                    other.low = 0
        elif _is_text(delivery.path):
            images = [stem + extension for extension in IMAGE_EXTENSIONS]
            if any(self._rows(image) for image in images):
                delivery.low = delivery.high = 0
            elif any(_is_image(other.path) and _key(other.path) == _key(stem) for other in self.deliveries):
                delivery.low = 0
        self.deliveries.append(delivery)

    def _pair(self, delivery: Delivery) -> None:
        """An image that a job file names shares that one's fate, unless it was taken before the job file was seen."""
        if _can_be_named(delivery.path) and any(NAMING in other.content for other in self.deliveries):
            delivery.low = 0
        elif NAMING in delivery.content:
            for other in self.deliveries:
                if _can_be_named(other.path) and not self._is_claimed(other):
                    other.low = 0

    def _to_come(self, delivery: Delivery) -> tuple[int, int]:
        """How many fates a delivery adds, least and most, by the rules for files that are delivered again."""
        alike = [row for row in self._rows(delivery.path) if row.sha256 in ("", delivery.sha256)]
        keeps = self.disposition is SourcePolicy.KEEP
        for row in alike:
            same_time = row.modified_ns == delivery.mtime_ns
            if row.sha256 and (same_time or keeps) and self._succeeded(row):
                return 0, 0
            if row.sha256 and same_time and keeps:
                return 0, 0
        if any(row.state is not SourceState.CLOSED for row in alike) or delivery.sha256 in self._worked_on():
            return 0, 1
        return 1, 1

    def _displace(self, path: str) -> None:
        """Notes that a file in the inbox is about to be replaced or removed."""
        delivery = self._lying(path)
        if delivery is None:
            return
        if self.disposition is not SourcePolicy.KEEP:
            delivery.low = delivery.high = 0
            delivery.taken_away = True
        elif not self._is_claimed(delivery):
            delivery.low = 0
            delivery.taken_away = True

    def _lying(self, path: str) -> Delivery | None:
        """The delivery whose bytes lie in the inbox under this name."""
        try:
            with (self.house.inbox / path).open("rb") as file:
                content, mtime_ns = file.read(), os.fstat(file.fileno()).st_mtime_ns
        except OSError:
            return None
        found = [delivery for delivery in self.deliveries if (delivery.path, delivery.content) == (path, content)]
        found = [delivery for delivery in found if delivery.mtime_ns == mtime_ns and not delivery.taken_away] or found
        return found[-1] if found else None

    def _is_claimed(self, delivery: Delivery) -> bool:
        """Whether a delivered file was claimed, as far as is certain."""
        if self.disposition is SourcePolicy.KEEP:
            inode = (self.house.inbox / delivery.path).stat().st_ino if self._lying(delivery.path) is delivery else None
            return any(
                row.modified_ns == delivery.mtime_ns and inode in (row.inode, None) for row in self._rows(delivery.path)
            )
        return self._lying(delivery.path) is not delivery

    def _rows(self, path: str) -> list[Source]:
        if not (self.house.state / FILE_NAME).exists():
            return []
        with closing(self.house.journal()) as journal:
            return journal.sources_at(path)

    def _succeeded(self, row: Source) -> bool:
        with closing(Journal(self.house.state / FILE_NAME, read_only=True)) as journal:
            jobs = journal.jobs_of(row.id)
        return bool(jobs) and all(job.state is JobState.DONE for job in jobs)

    def _wanted(self) -> tuple[Counter[Wanted], Counter[Wanted]]:
        low: Counter[Wanted] = Counter()
        high: Counter[Wanted] = Counter()
        for delivery in self.deliveries:
            for document in delivery.documents:
                low[delivery.sha256, document] += delivery.low
                high[delivery.sha256, document] += delivery.high
        return low, high

    def _name(self, wanted: Wanted) -> str:
        paths = {delivery.path for delivery in self.deliveries if delivery.sha256 == wanted[0]}
        return f"{' or '.join(sorted(paths)) or 'what nobody sent'} ({wanted[0][:8]}, document {wanted[1]})"

    def _outbox(self) -> Generator[str, None, Counter[Wanted]]:
        """Complaints about what is visible in the outbox; returns the fates (`yield from`)."""
        fates: Counter[Wanted] = Counter()
        sent = {delivery.sha256 for delivery in self.deliveries}
        for path in House.visible(self.house.outbox):
            content = _bytes(self.house.outbox / path)
            if path in self.strangers:
                if content != self.strangers[path]:
                    yield f"a stranger's {path} was changed"
            elif path.startswith("failed/"):
                if is_report(content):
                    fates.update(self._fates_told_by(json.loads(content)["source"]))
                    if not (self.house.outbox / path.removesuffix(".json")).is_file():
                        yield f"{path} lacks its file"
            elif path == INDEX or path.startswith(f"{GALLERY_FOLDER}/"):
                if path.endswith(".html") and not content.endswith(b"</html>\n"):
                    yield f"{path} is half a page"
            elif path.endswith(".json"):
                document = json.loads(content)
                if path == "health.json":
                    continue
                fates.update(self._fates_told_by(document["source"]))
                for output in document["outputs"]:
                    payload = _bytes((self.house.outbox / path).with_name(output["name"]))
                    if sha256(payload) != output["sha256"]:
                        yield f"{path} speaks of {output['name']}, which is not there, or other bytes"
            elif path.endswith(".png"):
                if not (content.startswith(PNG[:8]) and content.endswith(PNG[-12:])):
                    yield f"{path} is half a picture"
            else:
                held = HELD.fullmatch(content)
                if held is None or held[1].decode() not in sent:
                    yield f"{path} is no caption of an image that was delivered"
        for path in self.strangers:
            if not (self.house.outbox / path).exists():
                yield f"a stranger's {path} is gone"
        return fates

    def _fates_told_by(self, source: dict[str, Any]) -> list[Wanted]:
        """The fates that a sidecar or report tells; a report on a whole file tells those of all its documents."""
        sha256, number = source["sha256"], source["document"]
        known = next((delivery.documents for delivery in self.deliveries if delivery.sha256 == sha256), WHOLE)
        return [(sha256, document) for document in (known if number is None else (number,))]

    def _held(self) -> set[str]:
        """Hashes of the users' files that still exist, and of the images that were captioned."""
        captions = (_bytes(place) for place in self.house.outbox.rglob("*.txt"))
        captioned = {held[1].decode() for caption in captions if (held := HELD.fullmatch(caption))}
        return captioned | _hashes(self.house.inbox, self.house.state / "work", self.house.outbox / "failed")

    def _worked_on(self) -> set[str]:
        return _hashes(self.house.inbox / ".aura" / "work", self.house.state / "work")

    def _leftovers(self) -> Iterator[str]:
        """Files and folders of ours that should be gone when no daemon runs."""
        own = (self.house.outbox / ".aura", self.house.inbox / ".aura")
        for place in (*own, self.house.state):
            for folder, folders, names in os.walk(place):
                for name in (*names, *folders):
                    path = Path(folder, name)
                    shown = path.relative_to(self.house.root).as_posix()
                    ours = path.relative_to(place).as_posix()
                    if not _BELONGS.fullmatch(ours):
                        yield shown


_BELONGS = re.compile(
    r"marker|lock|tmp|work|copying|inputs|done(/(?!\.tmp/).*)?|journal\.sqlite3.*|(health|known-folders)\.json"
)


def is_report(content: bytes) -> bool:
    """Whether these bytes are a failure report; a sidecar that failed as a job file also ends in `.json`."""
    return b'"schema": "aura-daemon/failure/' in content[:256]


def _hashes(*places: Path) -> set[str]:
    """The hashes of all files below some folders."""
    return {
        sha256(_bytes(Path(folder, name))) for place in places for folder, _, names in os.walk(place) for name in names
    }


def _bytes(place: Path) -> bytes:
    """The content of a file; empty where it cannot be read."""
    try:
        return place.read_bytes()
    except OSError:
        return b""


def _is_text(path: str) -> bool:
    return PurePosixPath(path).suffix in (".txt", ".json")


def _can_be_named(path: str) -> bool:
    """Whether `NAMING` may mean an image: where there is no a.png, A.png is taken for it."""
    return PurePosixPath(path).name.lower() == "a.png"


def _is_image(path: str) -> bool:
    return PurePosixPath(path).suffix in IMAGE_EXTENSIONS


def _key(path: str) -> str:
    """What a text and its picture have in common, in whatever letters."""
    return str(PurePosixPath(path).with_suffix("")).lower()


def _stem(path: str) -> str:
    return path.rpartition(".")[0]
