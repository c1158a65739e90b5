"""The contract as a state machine: Hypothesis finds the sequence of deliveries, crashes and faults that breaks it.

`python -m tests.torture.machine --examples N --steps N [--seed N]`: draws such sequences, prints the shortest one that
fails, and at the end how much was tried. The machine forks its daemons, so its process must have no thread.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from loguru import logger

from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import FailureKind
from aura_daemon.outbox.source_policy import SourcePolicy
from tests.support import dying
from tests.support.house import PNG, House
from tests.support.steps import sidecar_bytes
from tests.torture import beside
from tests.torture.expectations import WHOLE, Expectations, is_report
from tests.torture.runs import Run, Span, live, without_outbox

TRIED: Final[Counter[str]] = Counter()
"""How often each thing was done, over all examples."""

KINDS: Final = {
    "prompt": ".yaml",
    "two prompts": ".yaml",
    "prompt and caption": ".yaml",
    "caption of a": ".yaml",
    "nothing it knows": ".yaml",
    "two, one wrong": ".yaml",
    "text": ".txt",
    "image": ".png",
    "no image": ".png",
    "sidecar": ".json",
}
"""What is delivered -> extension."""

TURNS: Final = (
    "claims.rename", "durable.publish", "journal.claim", "journal.admit", "journal.deliver", "journal.finish",
    "journal.fail", "journal.close_source",
)  # fmt: skip
"""The steps that decide about a file, which are drawn more often than the others."""

stems = st.sampled_from(["a", "b", "A", "sub/a", "sub/b"])
kinds = st.sampled_from(sorted(KINDS))
files = st.lists(st.tuples(stems, kinds), min_size=1, max_size=4)
likely = [moment for moment in dying.MOMENTS if moment.startswith(TURNS)]
times = st.sampled_from([1, 1, 1, 2, 2, 3, 4, 6])
moments = st.builds(
    lambda moment, time: f"{moment}:{time}", st.sampled_from(likely) | st.sampled_from(dying.MOMENTS), times
)
spans = st.tuples(moments, st.sampled_from([1, 2, 5, 20, 1000]))
deaths = st.just("") | moments
"""A moment to die at; empty for none."""
choices = st.integers(0, 1000)
outcomes = (
    st.lists(st.sampled_from([None, *FailureKind]), min_size=1, max_size=4)
    .filter(lambda kinds: set(kinds) != {FailureKind.INTERRUPTED})
    .map(tuple)
)
"""The outcomes of the jobs. No worker reports interruptions without end: `workers.worker_death` bounds them."""
STRANGERS: Final = ("a.png", "a.json", "b.txt", "sub", "sub/a-1.png", "a.r2.json", "failed/a.yaml", "failed/sub")

MEDDLING: Final = ("rewrite", "delete", "rename", "touch", "get in the way")


class Contract(RuleBasedStateMachine):
    """One house, its users, and a daemon that lives and dies."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House(Path(tempfile.mkdtemp(prefix="aura-machine-")))
        self.expectations = Expectations(house=self.house, disposition=SourcePolicy.ARCHIVE)
        self.count = 0
        self.is_broken = False
        self.is_quiet = True
        """Nothing has happened since a daemon finished all work."""

    @initialize(disposition=st.sampled_from(SourcePolicy), files=files)
    def configure(self, disposition: SourcePolicy, files: list[tuple[str, str]]) -> None:
        self.expectations.disposition = disposition
        self.deliver(files, in_place=False)

    # -- users -----------------------------------------------------------------------------------------------------

    @rule(files=files, in_place=st.booleans())
    def deliver(self, files: list[tuple[str, str]], in_place: bool) -> None:
        self.is_quiet = False
        for stem, kind in files:
            TRIED["delivered"] += 1
            content, documents = self.content(kind)
            self.expectations.put(stem + KINDS[kind], content, documents, in_place=in_place)

    @rule(stem=stems)
    def deliver_an_image_with_its_caption(self, stem: str) -> None:
        self.deliver([(stem, "image"), (stem, "text")], in_place=False)

    @precondition(lambda self: self.expectations.deliveries)
    @rule(which=choices)
    def deliver_again(self, which: int) -> None:
        self.is_quiet = False
        TRIED["delivered"] += 1
        deliveries = self.expectations.deliveries
        self.expectations.again(deliveries[which % len(deliveries)])

    @precondition(lambda self: self.house.waiting())
    @rule(which=choices, kind=kinds, in_place=st.booleans())
    def rewrite(self, which: int, kind: str, in_place: bool) -> None:
        self.is_quiet = False
        TRIED["delivered"] += 1
        path = self.waiting(which)
        content, documents = self.content(kind)
        if path.endswith(KINDS[kind]):
            self.expectations.put(path, content, documents, in_place=in_place)

    @precondition(lambda self: self.house.waiting())
    @rule(which=choices)
    def delete(self, which: int) -> None:
        self.is_quiet = False
        self.expectations.remove(self.waiting(which))

    @precondition(lambda self: self.house.waiting())
    @rule(which=choices, stem=stems)
    def rename(self, which: int, stem: str) -> None:
        self.is_quiet = False
        path = self.waiting(which)
        self.expectations.rename(path, stem + Path(path).suffix)

    @precondition(lambda self: self.house.waiting())
    @rule(which=choices)
    def touch(self, which: int) -> None:
        self.is_quiet = False
        self.expectations.touch(self.waiting(which))

    @precondition(lambda self: self.reports())
    @rule(which=choices)
    def try_again(self, which: int) -> None:
        self.is_quiet = False
        reports = self.reports()
        self.expectations.try_again(reports[which % len(reports)])

    @rule(path=st.sampled_from(STRANGERS))
    def put_a_stranger_into_the_outbox(self, path: str) -> None:
        self.expectations.meet(path, b"a stranger's\n")

    # -- daemons ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.is_quiet)
    @rule()
    def drain(self) -> None:
        self.live(Run())

    @precondition(lambda self: not self.is_quiet)
    @rule(at=moments)
    def crash(self, at: str) -> None:
        self.live(Run(dies_at=at))

    @precondition(lambda self: not self.is_quiet)
    @rule(at=moments)
    def stop(self, at: str) -> None:
        self.live(Run(stops_at=at))

    @precondition(lambda self: not self.is_quiet)
    @rule(outcomes=outcomes, dies_at=deaths)
    def fail_in_the_worker(self, outcomes: tuple[FailureKind | None, ...], dies_at: str) -> None:
        self.live(Run(outcomes=outcomes, dies_at=dies_at))

    @precondition(lambda self: not self.is_quiet)
    @rule(span=spans, outcomes=outcomes, dies_at=deaths)
    def break_the_disk(self, span: Span, outcomes: tuple[FailureKind | None, ...], dies_at: str) -> None:
        self.live(Run(disk_refuses=span, outcomes=outcomes, dies_at=dies_at))

    @precondition(lambda self: not self.is_quiet)
    @rule(span=spans, outcomes=outcomes, dies_at=deaths)
    def break_the_journals_disk(self, span: Span, outcomes: tuple[FailureKind | None, ...], dies_at: str) -> None:
        self.live(Run(journal_refuses=span, outcomes=outcomes, dies_at=dies_at))

    @precondition(lambda self: not self.is_quiet and (self.house.outbox / ".aura").is_dir())
    @rule(is_a_file=st.booleans())
    def run_without_outbox(self, is_a_file: bool) -> None:
        with without_outbox(self.expectations, is_a_file=is_a_file):
            self.live(Run())

    @precondition(lambda self: not self.is_quiet)
    @rule(at=moments, which=choices, kind=kinds, how=st.sampled_from(MEDDLING))
    def meddle_while_it_runs(self, at: str, which: int, kind: str, how: str) -> None:
        TRIED["delivered"] += how == "rewrite"
        path = self.expectations.deliveries[which % len(self.expectations.deliveries)].path
        content, documents = self.content(kind)

        stranger = str(Path(path).with_suffix(".txt" if path.endswith(".png") else ".png"))

        def deed(expectations: Expectations) -> None:
            if how == "get in the way":
                expectations.meet(stranger, b"a stranger's\n")
            elif how == "delete":
                expectations.remove(path)
            elif how == "rename":
                expectations.rename(path, f"renamed/{path}")
            elif how == "touch":
                expectations.touch(path)
            elif path.endswith(KINDS[kind]):
                expectations.put(path, content, documents)

        self.live(Run(meanwhile_at=at, meanwhile=deed))

    # -- the contract ----------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_doubled_or_half_written(self) -> None:
        TRIED["steps"] += 1
        self.demand("\n".join(self.expectations.complaints()))

    def teardown(self) -> None:
        TRIED["examples"] += 1
        try:
            if not self.is_broken:
                self.live(Run())
                self.live(Run())
                self.demand("\n".join(self.expectations.last_complaints()))
                self.demand("\n".join(beside.complaints(self.house, hooks_are_over=True)))
        finally:
            shutil.rmtree(self.house.root)

    # -- below -----------------------------------------------------------------------------------------------------

    def live(self, run: Run) -> None:
        TRIED["runs"] += 1
        self.is_quiet = run == Run()
        self.expectations, complaint = live(run, self.expectations)
        self.demand(complaint)
        self.demand("\n".join(beside.hook_complaints(self.house, are_over=False)))

    def demand(self, complaint: str) -> None:
        """Fails where there is a complaint."""
        self.is_broken = bool(complaint)
        assert not complaint, complaint

    def waiting(self, which: int) -> str:
        """One of the files in the inbox."""
        names = self.house.waiting()
        return names[which % len(names)]

    def reports(self) -> list[str]:
        """Reports in `failed/` whose files can be moved back."""
        failed = self.house.outbox / "failed"
        return [name for name in self.house.failed() if is_report((failed / name).read_bytes())]

    def content(self, kind: str) -> tuple[bytes, tuple[int | None, ...]]:
        """Unique bytes, and the documents in them that have fates of their own."""
        self.count += 1
        token = f"number {self.count}"
        prompt, both = f"prompt: {token}\n", (1, 2)
        caption = f"# {token}\ntask: caption\nimage: a.png\n"
        texts: dict[str, tuple[str, tuple[int | None, ...]]] = {
            "prompt": (prompt, WHOLE),
            "two prompts": (f"{prompt}---\nprompt: and {token}\n", both),
            "prompt and caption": (f"{prompt}---\n{caption}", both),
            "caption of a": (caption, WHOLE),
            "nothing it knows": (f"steps: 0\n# {token}\n", WHOLE),
            "two, one wrong": (f"{prompt}---\nstps: 1\n", WHOLE),
            "text": (token, WHOLE),
            "no image": (token, WHOLE),
        }
        if kind in texts:
            text, documents = texts[kind]
            return text.encode(), documents
        if kind == "image":
            return PNG[:8] + token.encode() + PNG[-12:], WHOLE
        return sidecar_bytes(GenerateRequest(prompt=token, seed=self.count)), WHOLE


def run(examples: int, steps: int, seed: int | None, *, shrinks: bool) -> None:
    """Draws sequences; raises with the shortest one that fails. Without a seed the sequences are always the same."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
        report_multiple_bugs=False,
    )
    machine = Contract if seed is None else hypothesis.seed(seed)(Contract)
    run_state_machine_as_test(machine, settings=chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description="The contract as a state machine.")
    parser.add_argument("--examples", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True, help="of an example, at most")
    parser.add_argument("--seed", type=int, help="0 draws a new seed; without a seed the sequences are always the same")
    parser.add_argument("--as-found", action="store_true", help="do not look for a shorter sequence that fails")
    options = parser.parse_args()
    logger.remove()
    seed = options.seed if options.seed != 0 else random.SystemRandom().randrange(1, 2**32)
    if seed is not None:
        print(f"seed {seed}", file=sys.stderr, flush=True)
    run(options.examples, options.steps, seed, shrinks=not options.as_found)
    print(" ".join(f"{what}={count}" for what, count in TRIED.items()))


if __name__ == "__main__":
    main()
