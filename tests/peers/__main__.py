"""This machine's peers and this project in one run: `python -m tests.peers`, see `make bench` and docs/speed.md.

Every engine stands in a process of its own and takes turns with the reference, step by step. Pictures are composed:
encode + calls x step + decode; our own are drawn whole, by the product's worker, between two steps of the reference.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from aura_daemon.bench import speeds
from aura_daemon.bench.children import commands as children
from aura_daemon.bench.children.commands import PlainSettings
from aura_daemon.bench.children.random_names import cache_folder
from aura_daemon.bench.children.served import EngineFailed, EngineProcess
from aura_daemon.bench.figures import NotMeasured
from aura_daemon.bench.floor import floor_s
from aura_daemon.bench.speeds import Asked
from aura_daemon.cli.bench.speed import floor_lines, machine
from aura_daemon.config.engine import EngineSettings
from aura_daemon.jobs.speed import Speed
from tests.peers.compare import compared
from tests.peers.engines.table import Peer, peers
from tests.peers.rows import ORIGIN, REFERENCE, Reference, Row, document, markdown, paired

ROOT = Path(__file__).parents[2]
STEPS = 25
WHOLE_STEPS = 4
"""Of the picture that shows whether composed figures are true."""
QUICK_STEPS = 6
"""Of our own pictures that take long: the rest is composed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A step and a decode of an engine, and of the reference beside them."""

    step_s: float
    reference_step_s: float
    decode_s: float
    reference_decode_s: float
    peak_bytes: int


@dataclass(kw_only=True, slots=True)
class Measuring:
    """One run."""

    reference: EngineProcess
    rounds: int
    encode_s: list[float] = field(default_factory=list)
    step_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    def warm(self) -> None:
        """The first call of everything counts for nothing."""
        for what in ("step", "encode", "decode"):
            self.reference.ask(what)

    def settle(self) -> None:
        """What no pair asked for, so that each figure has a median."""
        for what in ("encode", "encode", "encode", "step", "decode"):
            self.ask(what)

    def medians(self) -> Reference:
        """Of the whole run."""
        return Reference(encode_s=median(self.encode_s), step_s=median(self.step_s), decode_s=median(self.decode_s))

    def whole(self, engine: EngineProcess, row: Row) -> str:
        """The composed figure of a short picture beside a real one, as a line for people."""
        facts = engine.ask(f"picture {WHOLE_STEPS}").facts
        encode_s, step_s, decode_s = (engine.ask(what).seconds for what in ("encode", "step", "decode"))
        composed_s = encode_s + facts["calls"] * step_s + decode_s
        return (
            f"The origin's picture of {WHOLE_STEPS} steps ({facts['calls']} calls) took {facts['whole_s']:.1f} s whole,"
            f" and {composed_s:.1f} s composed: {facts['whole_s'] / composed_s:.2f} of it."
        )

    def ask(self, what: str) -> float:
        """One call of the reference."""
        answer = self.reference.ask(what)
        self.peak_bytes = max(self.peak_bytes, answer.peak_bytes)
        getattr(self, f"{what}_s").append(answer.seconds)
        return answer.seconds

    def row(self, peer: Peer, engine: EngineProcess) -> Row:
        """One peer, its steps and decodes in turn with the reference's."""
        pairs = list(self._whole(engine) if peer.whole_only else self._parts(engine, decodes=peer.decodes))
        step, spread = paired([one.step_s for one in pairs], [one.reference_step_s for one in pairs])
        decode, _ = paired([one.decode_s for one in pairs], [one.reference_decode_s for one in pairs])
        facts = engine.loaded.facts
        return Row(
            name=peer.name,
            how=peer.how,
            calls=facts["calls"] if peer.name == ORIGIN else peer.calls,
            step=step,
            decode=decode,
            spread=spread,
            pairs=len(pairs),
            load_s=engine.loaded.seconds,
            peak_bytes=max(one.peak_bytes for one in pairs),
            dtype=str(facts.get("dtype", "")),
        )

    def _parts(self, engine: EngineProcess, *, decodes: bool) -> Iterator[Pair]:
        """A step to warm up, then pairs; a decode takes as long as several steps, so there is one."""
        engine.ask("step")
        steps = [(engine.ask("step"), self.ask("step")) for _ in range(self.rounds)]
        decode = engine.ask("decode") if decodes else None
        decode_s = self.ask("decode")
        for own, reference_s in steps:
            yield Pair(
                step_s=own.seconds,
                reference_step_s=reference_s,
                decode_s=decode.seconds if decode is not None else decode_s,
                reference_decode_s=decode_s,
                peak_bytes=(decode or own).peak_bytes,
            )

    def _whole(self, engine: EngineProcess) -> Iterator[Pair]:
        """The last step of short pictures, and what comes after it; the first one warms up."""
        for _ in range(max(1, self.rounds - 1)):
            picture = engine.ask("picture 2")
            yield Pair(
                step_s=picture.facts["steps_s"][-1],
                reference_step_s=self.ask("step"),
                decode_s=picture.facts["decode_s"],
                reference_decode_s=self.ask("decode"),
                peak_bytes=picture.peak_bytes,
            )

    def own(self, settings: EngineSettings, speed: Speed, asked: Asked) -> Row | str:
        """One of our speeds, between two steps of the reference; or why not."""
        before_s = self.ask("step")
        measured = speeds.measure_speed(settings, asked, speed, lambda _what, _step, _steps: None)
        if isinstance(measured, NotMeasured):
            return measured.reason
        figures = measured[0]
        step_s = (before_s + self.ask("step")) / 2
        steps = figures.steps if asked.steps is None else STEPS
        whole = figures.picture_s + (steps - figures.steps) * figures.step_s
        return Row(
            name=f"aura-daemon, speed: {speed}",
            how=figures.how if asked.steps is None else f"{figures.how}; composed from {figures.steps} steps",
            calls=steps,
            step=figures.step_s / step_s,
            decode=figures.decode_s / median(self.decode_s),
            end_to_end=whole / step_s,
            is_whole=steps == figures.steps,
            load_s=figures.load_s,
            peak_bytes=figures.peak_bytes,
            dtype=figures.dtype,
        )


def main() -> int:
    """Prints the table and writes the figures; 1 where nothing of ours could be measured."""
    given = _arguments()
    began_s = time.monotonic()
    settings = EngineSettings()
    if given.model is None:
        settings = speeds.write_random_models(settings, checks=False)  # as its peers run it
    else:
        settings = replace(settings, generate=replace(settings.generate, model=given.model))
    model = Path(settings.generate.model)
    cache = cache_folder() / "peers" / model.name
    every = Asked(speeds=tuple(Speed), width=given.size, height=given.size, steps=None, repeats=1)
    counted = speeds.count(settings, every)
    here = machine()
    dtype = "bfloat16" if {"avx512_bf16", "amx_bf16"} & set(here["flags"]) else "float32"
    plain = PlainSettings(model=str(model), dtype=dtype, karras=True, steps=STEPS, width=given.size, height=given.size)
    rows: list[Row] = []
    missing: dict[str, str] = {}
    whole = ""
    with EngineProcess(children.plain(plain)) as engine:
        measuring = Measuring(reference=engine, rounds=1 if given.quick else given.rounds)
        measuring.warm()
        for peer in peers(model, cache, given.peers_python, given.size, plain):
            if given.only and not any(word.lower() in peer.name.lower() for word in given.only):
                continue
            if given.quick and not peer.in_quick:
                missing[peer.name] = "left out of --quick"
                continue
            _say(f"{peer.name} …")
            try:
                _prepare(peer)
                with EngineProcess(peer.command) as process:
                    rows.append(measuring.row(peer, process))
                    if peer.name == ORIGIN and not given.quick:
                        whole = measuring.whole(process, rows[-1])
            except EngineFailed as error:
                missing[peer.name] = _reason(str(error))
        for speed in [] if given.only and "aura" not in given.only else Speed:
            _say(f"aura-daemon, speed: {speed} …")
            is_long = speed in (Speed.EXACT, Speed.BALANCED)
            asked = replace(every, steps=QUICK_STEPS) if given.quick and is_long else every
            row = measuring.own(settings, speed, asked)
            if isinstance(row, Row):
                rows.append(row)
            else:
                missing[f"aura-daemon, speed: {speed}"] = row
        measuring.settle()
        reference = measuring.medians()
    rows.append(
        Row(
            name=REFERENCE,
            how=f"{dtype}, {STEPS} steps, DPM++ 2M Karras",
            calls=STEPS,
            step=1.0,
            decode=1.0,
            spread=(max(measuring.step_s) - min(measuring.step_s)) / reference.step_s,
            pairs=len(measuring.step_s),
            load_s=engine.loaded.seconds,
            peak_bytes=measuring.peak_bytes,
            dtype=dtype,
        )
    )
    floors = {one.dtype: floor_s(counted.step, one) for one in counted.ceilings}
    print(_heading(given, here, time.monotonic() - began_s))
    print(markdown(rows, reference, missing, floors))
    print(whole)
    print("\n".join(floor_lines(counted)))
    content = document(
        rows, reference, machine=here, missing=missing, floors=floors, size=given.size, quick=given.quick, whole=whole
    )
    _keep(content, given)
    return 0 if any(row.name.startswith("aura") for row in rows) else 1


def _prepare(peer: Peer) -> None:
    """Makes a peer's files where they are not there; raises EngineFailed."""
    if peer.made is None or peer.made.exists():
        return
    _say(f"  making its files once, into {peer.made.parent}: minutes")
    done = subprocess.run(peer.prepare, capture_output=True)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise EngineFailed(lines[-1] if lines else f"its files could not be made ({done.returncode})")


def _reason(error: str) -> str:
    absent = re.search(r"No module named '(\w+)'", error)
    return f"{absent[1]} is not installed: `make bench-peers` installs it" if absent else error


def _heading(given: argparse.Namespace, here: dict[str, Any], seconds: float) -> str:
    libraries = {
        name: version for name, version in here["versions"].items() if name in ("torch", "diffusers", "python")
    }
    told = ", ".join(f"{name} {version}" for name, version in libraries.items())
    flags, model = ", ".join(here["flags"]), given.model or "random weights of the size of SD 1.4"
    return (
        f"`{given.command}`, {here['finished']}, {seconds / 60:.0f} min: {here['processor']} ({flags}), {here['cores']}"
        f" cores; {told}; {given.size}x{given.size}, guidance on, batch 1, {model}.\n\n"
        "Seconds are medians of pairs in turn with the reference, times its medians over the whole run; pictures are"
        ' composed of encode, steps and decode where "whole" does not stand behind them.\n'
    )


def _keep(content: dict[str, Any], given: argparse.Namespace) -> None:
    """Writes the figures beside the committed ones of other machines, or compares them with these."""
    name = _file_name(content["machine"])
    committed = ROOT / "benchmarks" / name
    if not given.compare:
        goal = given.json or committed
    else:
        goal = given.json or ROOT / "build" / "bench" / name
        others = sorted((ROOT / "benchmarks").glob("*.json"))
        other = committed if committed.exists() else next(iter(others), None)
        if other is None:
            print("nothing is committed in benchmarks/ yet: `make bench` writes it")
        else:
            print("\n".join(compared(json.loads(other.read_text(encoding="utf-8")), content)))
    goal.parent.mkdir(parents=True, exist_ok=True)
    goal.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"written: {goal}")


def _file_name(here: dict[str, Any]) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", here["processor"].lower()).strip("-")
    best = next((flag for flag in ("amx_bf16", "avx512_bf16", "avx2") if flag in here["flags"]), "plain")
    return f"{words}-{best.replace('_', '-')}-{here['cores']}-cores.json"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pair each, without the slowest")
    parser.add_argument("--compare", action="store_true", help="with the committed figures; writes to build/bench")
    parser.add_argument("--model", metavar="FOLDER", help="default: random weights of the size of SD 1.4")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3, help="pairs of steps an engine")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="engines whose names hold one of these; aura: ours")
    default = os.environ.get("PEERS_PYTHON") or str(ROOT / ".venv-peers" / "bin" / "python")
    parser.add_argument("--peers-python", default=default, help="the environment that `make bench-peers` makes")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.command = " ".join(["python -m tests.peers", *sys.argv[1:]])
    if not Path(given.peers_python).exists():
        given.peers_python = sys.executable
    return given


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
