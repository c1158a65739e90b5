"""`python -m tests.checks.dataset_check`: a set of aura-mini drawings captioned by one command, then under kill -9.

The daemon, its worker and aura-mini are the real ones. The drawings are of sentences that are known, so that each
caption is right or wrong. Out: a table, as in BENCHMARKS.md; exit code 1 where a picture was missed, captioned twice or
lost its place, or where what Hugging Face's loader reads is something else.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

JOB: Final = "task: caption\nimages: drawings\n"

DEADLINE_S: Final = 900.0
"""Seconds for one drain."""

_DONE: Final = re.compile(r" (\S+) done in [0-9.]+ s: ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What came of a set."""

    seconds: float
    starts: int
    right: int
    complaints: tuple[str, ...]


def main() -> int:
    """Draws the pictures, captions them undisturbed, then killed; prints both. The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.checks.dataset_check")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aura-dataset-") as name:
        sentences = drawn(Path(name) / "drawings", asked.pictures, asked.seed)
        runs = {
            "undisturbed": run(Path(name), sentences, kills=0, seed=asked.seed),
            f"killed {asked.kills} times": run(Path(name), sentences, kills=asked.kills, seed=asked.seed),
        }
    print("| a set of drawings | wall time | starts | captions that are right | complaints |")
    print("|---|---|---|---|---|")
    for title, one in runs.items():
        share = f"{one.right:,} of {len(sentences):,}"
        print(f"| {title} | {one.seconds:.1f} s | {one.starts} | {share} | {len(one.complaints) or 'none'} |")
    for one in runs.values():
        print("\n".join(one.complaints))
    return int(any(one.complaints for one in runs.values()))


def drawn(folder: Path, count: int, seed: int) -> dict[str, str]:
    """Draws so many sentences as PNG files; the name of each, and its sentence."""
    import torch
    from PIL import Image

    from aura_daemon.mini.drawing import render
    from aura_daemon.mini.grammar import every_sentence

    folder.mkdir()
    chosen = random.Random(seed).choices(list(every_sentence()), k=count)
    pixels = render(chosen, torch.Generator().manual_seed(seed))
    levels = ((pixels + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    sentences = {}
    for number, (sentence, picture) in enumerate(zip(chosen, levels, strict=True)):
        name = f"{number:05d}.png"
        Image.fromarray(picture).save(folder / name)
        sentences[name] = str(sentence)
    return sentences


def run(root: Path, sentences: dict[str, str], *, kills: int, seed: int) -> Run:
    """Captions the set in folders of its own; the daemon is killed when so many parts of it are delivered."""
    place = root / f"killed-{kills}"
    for folder in ("inbox", "outbox", "state"):
        (place / folder).mkdir(parents=True)
    drawings = place / "inbox" / "drawings"
    drawings.mkdir()
    for name in sentences:
        (drawings / name).write_bytes((root / "drawings" / name).read_bytes())
    (place / "inbox" / "set.yaml").write_text(JOB, encoding="utf-8")
    dice = random.Random(seed)
    instants = sorted(dice.randrange(len(sentences)) for _ in range(kills))
    instants[-1:] = [len(sentences)] * bool(instants)  # when the set is put together, or put away
    began_s = time.monotonic()
    logs = []
    for number, delivered in enumerate([*instants, None]):
        log = place / f"log-{number}"
        logs.append(log)
        code = drained(place, log, kill_at=delivered, dice=dice)
        if delivered is None and code != 0:
            print(log.read_text(encoding="utf-8")[-2000:], file=sys.stderr)
    seconds = time.monotonic() - began_s
    complaints = tuple(complaints_of(place, sentences, logs))
    captions = captions_of(place)
    right = sum(captions.get(name) == sentence for name, sentence in sentences.items())
    return Run(seconds=seconds, starts=len(logs), right=right, complaints=complaints)


def drained(place: Path, log: Path, *, kill_at: int | None, dice: random.Random) -> int:
    """`aura-daemon once`, killed soon after so many captions lie in the outbox; the exit code."""
    variables = {name: value for name, value in os.environ.items() if not name.upper().startswith("AURA_")}
    variables |= {f"AURA_{key.upper()}": str(place / key) for key in ("inbox", "outbox", "state")}
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "aura_daemon", "once"], env=variables, stdout=output, stderr=output
        )
        deadline_s = time.monotonic() + DEADLINE_S
        while daemon.poll() is None:
            if time.monotonic() > deadline_s:
                daemon.kill()
                raise RuntimeError(f"the daemon did not end: {log.read_text(encoding='utf-8')[-2000:]}")
            if kill_at is not None and len(list((place / "outbox").glob("set/*.txt"))) >= kill_at:
                time.sleep(dice.random() * 0.2)
                daemon.send_signal(signal.SIGKILL)
                daemon.wait()
                time.sleep(0.5)  # its worker notices
                break
            time.sleep(0.02)
    return daemon.returncode


def captions_of(place: Path) -> dict[str, str]:
    """File name -> text, as `metadata.jsonl` has them."""
    lines = (place / "outbox" / "set" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["file_name"]: row["text"] for row in map(json.loads, lines)}


def loaded_from(folder: Path, cache: Path) -> dict[str, str]:
    """File name -> text, as Hugging Face's loader reads the folder."""
    import datasets

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=str(cache))
    bare = loaded.cast_column("image", datasets.Image(decode=False))
    return {Path(row["image"]["path"]).name: row["text"] for row in bare}


def complaints_of(place: Path, sentences: dict[str, str], logs: list[Path]) -> Iterator[str]:
    """What is not as it must be once the set is done."""
    made = place / "outbox" / "set"
    lines = (made / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    if len(lines) != len(sentences) or captions_of(place).keys() != sentences.keys():
        yield f"metadata.jsonl has {len(lines)} lines of {len(sentences)} pictures"
    for extension in (".txt", ".json", ".png"):
        names = {file.stem for file in made.glob(f"*{extension}")} - {"metadata"}
        if names != {Path(name).stem for name in sentences}:
            yield f"{len(names)} files end in {extension}"
    done = Counter(job for log in logs for job in _DONE.findall(log.read_text(encoding="utf-8", errors="replace")))
    yield from (f"{job} was done {times} times" for job, times in done.items() if times > 1)
    left = [str(file) for file in (place / "inbox").rglob("*") if file.is_file() and ".aura" not in file.parts]
    if left:
        yield f"{len(left)} files are left in the inbox: {left[0]}"
    for picture in sorted(sentences):
        original = place / "inbox" / ".aura" / "done" / "drawings" / picture
        if not original.exists() or original.read_bytes() != (made / picture).read_bytes():
            yield f"{picture} is not in the archive as it lies in the set"
    loaded = loaded_from(made, place / "cache")
    if loaded != captions_of(place):
        yield f"Hugging Face's loader reads {len(loaded)} other pictures or texts"
    document = json.loads((made / "metadata.json").read_text(encoding="utf-8"))["request"]
    if (document["captioned"], document["failed"]) != (len(sentences), 0):
        yield f"the sidecar says {document['captioned']} captioned, {document['failed']} failed"


if __name__ == "__main__":
    sys.exit(main())
