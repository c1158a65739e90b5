"""Which files were delivered and what became of each, by hash: the contract in a dozen lines."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from tests.support.house import PNG, House, sha256
from tests.support.programs import LIGHT, Program
from tests.torture import beside

FATE_DEADLINE_S = 60.0

Wanted: TypeAlias = tuple[str, int | None]
"""What must have exactly one fate: a file, by its hash, or one document of a file, by its number."""


@dataclass(kw_only=True, slots=True)
class Verdict:
    """How many deliveries survived a fault, and which did not."""

    tried: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Other breaches: half a file under a final name, bytes that nobody delivered."""

    @property
    def survived(self) -> int:
        return self.tried - len(set(self.lost + self.doubled + self.wrong))

    def add(self, other: Verdict, place: str) -> None:
        """Adds the verdict on another house."""
        self.tried += other.tried
        self.lost += [f"{place} {name}" for name in other.lost]
        self.doubled += [f"{place} {name}" for name in other.doubled]
        self.wrong += [f"{place} {name}" for name in other.wrong]


class Ledger:
    """The files that were delivered to one house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._delivered: dict[Wanted, str] = {}
        self._count = 0

    def content(self, name: str, *, size_bytes: int = 0) -> bytes:
        """Unique bytes for a file, which is noted as delivered."""
        self._count += 1
        token = f"{name} number {self._count}"
        if name.endswith(".png"):
            content = PNG[:8] + token.encode() + b"x" * size_bytes + PNG[-12:]
        else:
            content = f"prompt: {json.dumps(token)}\n".encode() + b"#" * size_bytes
        self.note(name, content)
        return content

    def note(self, name: str, content: bytes, *, documents: int = 0) -> None:
        """Notes a delivery; `documents`: how many documents with fates of their own the file holds."""
        for number in range(1, documents + 1) if documents else (None,):
            self._delivered[sha256(content), number] = name

    def fates(self) -> Counter[Wanted]:
        """How many results and failures each delivery has; a whole file's failure counts for each document."""
        found: Counter[Wanted] = Counter()
        failed = {f"failed/{name}" for name in self.house.failed()}
        reports = {name for name in failed if name.endswith(".json") and name.removesuffix(".json") in failed}
        for name in (*self.house.results(), *reports):  # failed sources may end in `.json` too, and hold anything
            if not name.endswith(".json"):
                continue
            try:
                document = json.loads((self.house.outbox / name).read_bytes())
            except FileNotFoundError:
                continue
            if str(document.get("schema", "")).startswith(("aura-daemon/sidecar", "aura-daemon/failure")):
                found.update(self._fates_told_by(document["source"]["sha256"], document["source"]["document"]))
        return found

    def _fates_told_by(self, sha: str, number: int | None) -> list[Wanted]:
        """The deliveries whose fate a sidecar or report tells."""
        if number is not None or (sha, 1) not in self._delivered:
            return [(sha, number)]
        return [wanted for wanted in self._delivered if wanted[0] == sha]

    def all_have_one(self) -> bool:
        fates = self.fates()
        return all(fates[wanted] for wanted in self._delivered)

    def wait(self, program: Program, *, patience_s: float = FATE_DEADLINE_S) -> None:
        """Waits until every delivery has a fate, or for `patience_s`."""
        deadline_s = time.monotonic() + patience_s
        while not self.all_have_one() and time.monotonic() < deadline_s:
            assert program.process is None or program.process.poll() is None, program.log()
            time.sleep(0.05)

    def verdict(self, *, hooks_are_over: bool = True) -> Verdict:
        """Checks the contract. `hooks_are_over`: the last daemon was a drain."""
        fates = self.fates()
        verdict = Verdict(tried=len(self._delivered))
        verdict.lost = [name for wanted, name in self._delivered.items() if not fates[wanted]]
        verdict.doubled = [name for wanted, name in self._delivered.items() if fates[wanted] > 1]
        strangers = fates.keys() - self._delivered
        verdict.wrong = [*self._half_written(), *(f"nobody sent {sha[:12]}" for sha, _ in strangers)]
        verdict.wrong += beside.complaints(self.house, hooks_are_over=hooks_are_over)
        return verdict

    def _half_written(self) -> list[str]:
        """Sidecars whose payload is missing or has another hash."""
        wrong = []
        for name in self.house.results():
            if not name.endswith(".json"):
                continue
            for output in self.house.sidecar(name)["outputs"]:
                payload = (self.house.outbox / name).with_name(output["name"])
                if not payload.is_file() or sha256(payload.read_bytes()) != output["sha256"]:
                    wrong.append(name)
        return wrong


def living(
    house: House, work: Callable[[Program, Ledger], None], *, under: tuple[str, ...] = (), **variables: str
) -> Verdict:
    """Runs a daemon, does `work` to it, and returns the verdict."""
    ledger = Ledger(house)
    program = torture_program(house, under=under, **variables)
    program.start("run")
    try:
        program.until(lambda: program.health().get("status") == "ok")
        work(program, ledger)
        ledger.wait(program)
        time.sleep(0.5)  # a second result would come soon
    finally:
        program.end() if program.process is not None and program.process.poll() is None else None
        program.close()
    return ledger.verdict(hooks_are_over=False)


def torture_program(house: House, module: str = LIGHT, *, under: tuple[str, ...] = (), **changes: str) -> Program:
    """The daemon with everything on: gallery, hooks, retention, metrics."""
    return Program(house, module, under=under, **(beside.variables(house) | changes))


def place_of(path: Path) -> Path:
    """The folder, made where it is missing."""
    path.mkdir(parents=True, exist_ok=True)
    return path
