"""What was delivered over hours, and what became of it: as `torture.ledger`, for an outbox that its user empties.

Results are noted when they are seen, and picked up later; reports are noted before retention deletes them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.house import House, sha256
from tests.torture.ledger import Verdict, Wanted

WHOLE: Final = (None,)
"""The documents of a file that is one job, or none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    files: tuple[Path, ...]
    seen_s: float


@dataclass(kw_only=True, slots=True)
class Fates:
    """The deliveries to one outbox."""

    outbox: Path
    """Where it lies on the disk, mounted or not."""
    wrong: list[str] = field(default_factory=list)
    _expected: dict[Wanted, tuple[str, int]] = field(default_factory=dict)
    """Name, and how many fates."""
    _found: dict[Wanted, set[str]] = field(default_factory=lambda: defaultdict(set))
    _known: set[tuple[str, int, int]] = field(default_factory=set)
    _results: list[_Result] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many fates there must be in the end."""
        return sum(times for _, times in self._expected.values())

    def expect(self, name: str, content: bytes, documents: Sequence[int | None] = WHOLE) -> None:
        """Notes a delivery; one with the bytes of another adds to what is expected of those."""
        for document in documents:
            wanted = sha256(content), document
            _, times = self._expected.get(wanted, ("", 0))
            self._expected[wanted] = name, times + 1

    def collect(self, now_s: float) -> None:
        """Notes results and reports that were not there before, and checks the hashes of results."""
        for name in House.visible(self.outbox):
            if not name.endswith(".json"):
                continue
            place = self.outbox / name
            with suppress(FileNotFoundError):
                status = place.stat()
                key = name, status.st_ino, status.st_mtime_ns
                if key not in self._known and (document := _document(place)) is not None:
                    self._known.add(key)
                    self._note(place, f"{document['job_id']} {key}", document, now_s)

    def pick_up(self, before_s: float) -> None:
        """Removes results that were seen before a moment, as a user does who takes them away."""
        for result in [one for one in self._results if one.seen_s < before_s]:
            self._results.remove(result)
            for file in result.files:
                file.unlink(missing_ok=True)
            for folder in {file.parent for file in result.files} - {self.outbox}:
                with suppress(OSError):
                    folder.rmdir()

    def all_are_there(self) -> bool:
        return all(len(self._found[wanted]) >= times for wanted, (_, times) in self._expected.items())

    def verdict(self) -> Verdict:
        """The contract, judged by all that was ever seen."""
        verdict = Verdict(tried=self.count, wrong=list(self.wrong))
        for wanted, (name, times) in self._expected.items():
            missing = times - len(self._found[wanted])
            verdict.lost += [name] * max(0, missing)
            verdict.doubled += [name] * max(0, -missing)
        strangers = self._found.keys() - self._expected
        verdict.wrong += [f"nobody sent {digest[:12]} {document}" for digest, document in strangers]
        return verdict

    def _note(self, place: Path, key: str, document: dict[str, Any], now_s: float) -> None:
        source = document["source"]
        for wanted in self._told_by(source["sha256"], source["document"]):
            self._found[wanted].add(key)
        if not document["schema"].startswith("aura-daemon/sidecar"):
            return
        files = [place]
        for output in document["outputs"]:
            payload = place.with_name(output["name"])
            files.append(payload)
            if not payload.is_file() or sha256(payload.read_bytes()) != output["sha256"]:
                self.wrong.append(f"half written: {payload.name}")
        self._results.append(_Result(files=tuple(files), seen_s=now_s))

    def _told_by(self, digest: str, document: int | None) -> Iterator[Wanted]:
        """The deliveries whose fate a sidecar or report tells: that of a whole file is that of all its documents."""
        wanted = [one for number in range(1, 100) if (one := (digest, number)) in self._expected]
        yield from wanted if document is None and wanted else [(digest, document)]


def _document(place: Path) -> dict[str, Any] | None:
    """A sidecar or a report; None for any other file."""
    try:
        found = json.loads(place.read_bytes())
    except ValueError:
        return None
    ours = ("aura-daemon/sidecar", "aura-daemon/failure")
    return found if isinstance(found, dict) and str(found.get("schema")).startswith(ours) else None
