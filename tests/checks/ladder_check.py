"""`python -m tests.checks.ladder_check`: runs the real daemon under ever lower memory limits that the kernel enforces.

The model is Stable Diffusion 1.4 at its real size with random weights, on the CPU. The check needs root and a memory
control group. Out: a table, as in BENCHMARKS.md; exit code 1 where a job ended in another way than it must.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.memorygroup import MemoryGroup, obstacle

GIB: Final = 1 << 30

LIMITS_GIB: Final = (12, 8, 6, 5, 4, 3, 2, 1.5, 1)
"""Limits at which the prediction must find a rung or refuse the job; the kernel must kill nothing."""

KILLED_AT_GIB: Final = 6
LARGE_AT_GIB: Final = 5.5, 2

SMALL_PX: Final = 256
LARGE_PX: Final = 512

LOADED: Final = "is loaded on"
"""Words of the log line after which the weights are in memory and the picture is drawn."""

PIECE_BYTES: Final = 32 << 20
"""The memory that the neighbour takes at once."""

DEADLINE_S: Final = 420.0
"""Seconds for one row."""

JOB: Final = "prompt: a red circle\nseed: 7\nsteps: {steps}\nguidance_scale: 7.5\nwidth: {px}\nheight: {px}\n"

MENDS: Final = ("fewer pixels", "end other programs", "have more memory")
"""Remedies that a refusal must name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The result of one job in one group."""

    limit_gib: float
    situation: str
    px: int
    document: dict[str, Any]
    """Sidecar or failure report."""
    picture: bytes
    """The PNG; empty for a job that failed."""
    kills: int
    group_peak_bytes: int
    anonymous_peak_bytes: int
    neighbour_bytes: int
    seconds: float

    @property
    def rungs(self) -> list[str]:
        return [tried["rung"] for tried in self.document["tried"] if tried["rung"]]

    @property
    def is_done(self) -> bool:
        return bool(self.picture)

    @property
    def outcome(self) -> str:
        return "done" if self.is_done else f"failed: {self.document['reason']}"


class Check:
    """Makes the rows, and collects what is wrong with them."""

    def __init__(self, model: Path, steps: int, dtype: str) -> None:
        self._model = model
        self._dtype = dtype
        self._steps = steps
        self.rows: list[Row] = []
        self.faults: list[str] = []

    def run(self) -> None:
        """Makes and checks every row."""
        for limit in LIMITS_GIB:
            self._plain(limit, SMALL_PX)
        for limit in LARGE_AT_GIB:
            self._plain(limit, LARGE_PX)
        killed = self._row(KILLED_AT_GIB, "a neighbour grows once the model is loaded", SMALL_PX, greedy=True)
        self._must_have_stepped_down(killed)
        calm = self._row(
            KILLED_AT_GIB, "the same neighbour, there before", SMALL_PX, neighbour_bytes=killed.neighbour_bytes
        )
        self._must_be_untroubled(calm)
        self._must("ends on the rung of the untroubled one", killed, killed.rungs[-1:] == calm.rungs[-1:])
        self._must("is its very pixels", killed, _pixels(killed.picture) == _pixels(calm.picture))
        self._must_agree()

    def _plain(self, limit_gib: float, px: int) -> None:
        row = self._row(limit_gib, "alone", px)
        self._must_be_untroubled(row)
        before = [other for other in self.rows[:-1] if other.px == px and other.situation == "alone"]
        if before:
            self._must("is not roomier than with more memory", row, _depth(row) >= _depth(before[-1]))
        if limit_gib == max(LIMITS_GIB):
            self._must("runs on the first rung", row, row.rungs == ["cpu"] and row.is_done)
        if limit_gib == min(LIMITS_GIB):
            self._must("is refused", row, not row.is_done)

    def _must_be_untroubled(self, row: Row) -> None:
        """The prediction sufficed: the job is done at the first attempt, or refused with figures and remedies."""
        self._must("kills nobody", row, row.kills == 0)
        self._must("takes one attempt, or none", row, len(row.document["tried"]) == 1)
        if not row.is_done:
            reason, mend = row.document["reason"], row.document["mend"]
            self._must("says what is needed and free", row, " needed on the last rung" in reason and "to be" in reason)
            self._must("offers three mends", row, all(words in mend for words in MENDS))

    def _must_have_stepped_down(self, row: Row) -> None:
        tried = row.document["tried"]
        self._must("is done all the same", row, row.is_done)
        self._must("was killed by the kernel", row, row.kills >= 1 and tried[0]["outcome"] == "out_of_memory")
        self._must("lists its attempts", row, len(tried) == row.kills + 1 and len(set(row.rungs)) == len(tried))
        self._must("keeps its seed", row, row.document.get("seeds") == [7])

    def _must_agree(self) -> None:
        """Pictures of one size and rung are the same, whatever the limit."""
        first: dict[tuple[int, str], Row] = {}
        for row in self.rows:
            if row.is_done:
                other = first.setdefault((row.px, row.rungs[-1]), row)
                same = _pixels(row.picture) == _pixels(other.picture)
                self._must(f"is the picture of {other.limit_gib:g} GiB", row, same)

    def _must(self, what: str, row: Row, is_so: bool) -> None:
        if not is_so:
            self.faults.append(f"{row.limit_gib:g} GiB, {row.situation}, {row.px} px: not so: {what}")
            print(self.faults[-1], json.dumps(row.document, indent=1), file=sys.stderr, flush=True)

    def _row(self, limit_gib: float, situation: str, px: int, *, greedy: bool = False, neighbour_bytes: int = 0) -> Row:
        _forget_files(self._model)
        group = MemoryGroup(f"{len(self.rows)}", int(limit_gib * GIB))
        try:
            with tempfile.TemporaryDirectory(prefix="aura-ladder-", ignore_cleanup_errors=True) as folder:
                row = self._ran(group, Path(folder), limit_gib, situation, px, greedy, neighbour_bytes)
        finally:
            group.close()
        self.rows.append(row)
        print(f"{limit_gib:g} GiB, {situation}, {px} px: {row.rungs}, {row.outcome}", file=sys.stderr, flush=True)
        return row

    def _ran(
        self, group: MemoryGroup, folder: Path, limit_gib: float, situation: str, px: int, greedy: bool, held: int
    ) -> Row:
        """`aura-daemon once` with one job, as a process of the group."""
        inbox, outbox, log = folder / "inbox", folder / "outbox", folder / "log"
        for place in (inbox, outbox):
            place.mkdir()
        (inbox / "job.yaml").write_text(JOB.format(steps=self._steps, px=px))
        neighbour = Neighbour(group)
        if held:
            neighbour.hold(held)
        began_s = time.monotonic()
        with log.open("wb") as output, _sampled(lambda: group.anonymous_bytes) as sampled:
            command = [sys.executable, "-m", "aura_daemon", "once"]
            daemon = group.start(command, cwd=folder, env=self._environment(folder), stdout=output, stderr=output)
            if greedy:
                _wait(lambda: daemon.poll() is not None or LOADED in log.read_text(errors="replace"), "loading", log)
                neighbour.grow()
            _wait(lambda: daemon.poll() is not None, "the end", log)
        seconds = time.monotonic() - began_s
        documents = [place for place in outbox.rglob("job*.json") if ".aura" not in place.parts]
        if len(documents) != 1:
            raise RuntimeError(f"{len(documents)} documents\n{log.read_text(errors='replace')[-4000:]}")
        document = json.loads(documents[0].read_text(encoding="utf-8"))
        pictures = list(outbox.glob("job*.png"))
        return Row(
            limit_gib=limit_gib,
            situation=situation,
            px=px,
            document=document,
            picture=pictures[0].read_bytes() if pictures else b"",
            kills=group.kills,
            group_peak_bytes=group.peak_bytes,
            anonymous_peak_bytes=sampled[0],
            neighbour_bytes=neighbour.bytes,
            seconds=seconds,
        )

    def _environment(self, folder: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
        ours = {"inbox": "inbox", "outbox": "outbox", "state": "state", "device": "cpu", "settle": "0.2"}
        return {
            **inherited,
            **{f"AURA_{name.upper()}": str(folder / value) if value == name else value for name, value in ours.items()},
            "AURA_GENERATE__MODEL": str(self._model),
            "AURA_MEMORY_WAIT": "0",  # nobody in the group gives any back
            "XDG_CONFIG_HOME": str(folder / "no-config"),
            "AURA_DTYPE": self._dtype,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }


class Neighbour:
    """Another program in the group. It takes memory, at most until the kernel kills a process, and keeps it."""

    def __init__(self, group: MemoryGroup) -> None:
        self._group = group
        self._process: subprocess.Popen[str] | None = None
        self.bytes = 0

    def hold(self, amount_bytes: int) -> None:
        """Takes `amount_bytes`."""
        self._take(str(amount_bytes))

    def grow(self) -> None:
        """Takes memory until the kernel kills a process."""
        self._take("0")

    def _take(self, amount: str) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.checks.ladder_check",
            "--take",
            amount,
            "--group",
            str(self._group.folder),
        ]
        root = Path(__file__).parents[2]
        self._process = self._group.start(command, cwd=root, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.bytes = int(self._process.stdout.readline() or 0)


def take(amount_bytes: int, group: Path) -> None:
    """The neighbour's process: takes memory (0: until the kernel kills a process), prints how much, and stays."""
    own = MemoryGroup.at(group)
    held: list[bytearray] = []
    while len(held) * PIECE_BYTES < amount_bytes or (not amount_bytes and not own.kills):
        held.append(bytearray(os.urandom(1) * PIECE_BYTES))
        time.sleep(0.01)
    print(len(held) * PIECE_BYTES, flush=True)
    while True:
        time.sleep(60)


def show(rows: list[Row]) -> str:
    """The table of BENCHMARKS.md."""
    lines = [
        "| limit | situation | size | rung | attempts | peak of the group | of which not file cache "
        "| peak in the sidecar | killed | outcome | seconds |",
        "|---:|---|---|---|---:|---:|---:|---:|---:|---|---:|",
    ]
    for row in rows:
        peaks = row.group_peak_bytes, row.anonymous_peak_bytes, row.document.get("peak_bytes", 0)
        cells = [
            f"{row.limit_gib:g} GiB",
            row.situation + (f" ({_mib(row.neighbour_bytes)})" if row.neighbour_bytes else ""),
            f"{row.px}×{row.px}",
            " → ".join(row.rungs) if row.is_done else "none fits",
            str(len(row.document["tried"])) if row.is_done else "0",
            *(_mib(peak) if peak else "-" for peak in peaks),
            str(row.kills),
            row.outcome,
            f"{row.seconds:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Builds the model where it is missing, and runs every row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1, help="of each picture")
    parser.add_argument("--dtype", default="float32", help="the limits and expectations are those of float32")
    parser.add_argument("--models", type=Path, default=None, help="folder that keeps the 2 GB model")
    parser.add_argument("--take", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--group", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.take is not None:
        take(given.take, given.group)
    missing = obstacle()
    if missing:
        print(show([]))
        for limit in LIMITS_GIB:
            print(f"| {limit:g} GiB | SKIPPED: {missing} |")
        return 0
    build = "import pathlib, sys; from tests.checks import real_size; real_size.generator(pathlib.Path(sys.argv[1]))"
    models = given.models or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "aura-daemon-checks"
    models.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-c", build, str(models)], cwd=Path(__file__).parents[2], check=True)
    began_s = time.monotonic()
    check = Check(next(models.glob("sd-1.4-*")), given.steps, given.dtype)
    check.run()
    print(show(check.rows))
    print(f"\n{len(check.rows)} rows in {time.monotonic() - began_s:.0f} s, {len(check.faults)} faults")
    print("\n".join(check.faults))
    return 1 if check.faults else 0


@contextmanager
def _sampled(now: Callable[[], int]) -> Iterator[list[int]]:
    """Samples a figure while the context lasts; the list holds the highest value."""
    highest, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            highest[0] = max(highest[0], now())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield highest
    finally:
        over.set()
        watching.join()


def _wait(is_so: Callable[[], bool], what: str, log: Path) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not is_so():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{what}\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)


def _forget_files(folder: Path) -> None:
    """Drops the model's files from the kernel's cache, so that reading them counts for the group that reads them."""
    for file in folder.rglob("*.safetensors"):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _depth(row: Row) -> int:
    """The position of the last rung on the ladder; a refusal is below all rungs."""
    from aura_daemon.ladder.rungs import RUNGS

    return list(RUNGS).index(row.rungs[-1]) if row.is_done else len(RUNGS)  # type: ignore[arg-type]


def _pixels(picture: bytes) -> bytes:
    from io import BytesIO

    from PIL import Image

    with suppress(OSError):
        return Image.open(BytesIO(picture)).tobytes()
    return os.urandom(8)  # a missing picture equals no other


def _mib(amount_bytes: int) -> str:
    return f"{amount_bytes / (1 << 20):,.0f} MiB"


if __name__ == "__main__":
    sys.exit(main())
