"""`python -m tests.checks.gpu_check --output FILE`: speed and ladder on a real GPU, made as small as 8 to 1 GB.

Runs from a plain checkout beside a torch >= 2.9 that is installed: no `make`, no network, no pytest, under 8 minutes.
On PYTHONPATH, beside what torch itself needs (numpy, filelock, fsspec, jinja2, sympy, typing_extensions and theirs):

    accelerate annotated-types certifi diffusers h11 httpcore2 httpx2 huggingface-hub idna loguru packaging peft pillow
    psutil pydantic pydantic-core pyyaml regex requests safetensors tokenizers tqdm transformers truststore
    typing-inspection urllib3

`pip install --no-deps --target FOLDER -c constraints.txt` and these make such a folder; nvidia-ml-py is used if there.

Models: Stable Diffusion 1.4 and BLIP base at their real size, random weights, written once (2.4 GB, `--models`). One
process for each size of card: `set_per_process_memory_fraction` is the card's size less 0.5 GiB for CUDA's context.
Speed is measured first, with nothing beside it. On a GPU that holds all cards at once, the engine is compiled while the
rungs are tried, and the cards run beside each other: their seconds say little, their memory is their own.
Out: tables in Markdown; exit code 1 where a target is missed. Without a GPU: "not yet run on a GPU", exit code 0.
`--rehearse` runs the very same on the CPU with tiny models and without limits: all but CUDA itself.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.checks.gpu_speed_table import speed_tables, speed_targets
from tests.checks.gpu_tables import GIB, Target, gib, table

ROOT: Final = Path(__file__).parents[2]
CARDS_GIB: Final = (4, 2, 8, 3, 6, 1)
"""In the order in which they are tried: should time run out, the last are left."""

SIZES: Final = ((512, 512), (912, 512), (1152, 512))
RATIOS: Final = ((680, 512), (512, 680), (768, 512), (512, 768), (640, 512), (512, 640), (512, 912))
"""The other aspect ratios, tried at 4 GB alone."""

TINY_SIZES: Final = ((64, 64), (112, 64))

IN_ALL_S: Final = 470.0
"""All of it; a process that would end later is ended."""

ROOMY_GIB: Final = 40
"""Of a GPU that holds several parts of the check at once."""

LEFT_BEHIND: Final = 64 << 20
"""Bytes of the GPU that may be missing after a process has ended: others use it too."""

SURVIVED: Final = ("done", "told")
"""Finished; or told, so that the daemon starts the worker anew and the job again."""

NOT_RUN: Final = "not yet run on a GPU"

TOOK: Final = ("predicted", "peak", "reserved", "s an image", "s a step", "decode s")
CARD: Final = ("card", "size", "batch", "rungs", "at once", *TOOK, "attempts that ran out", "outcome")
DIFFERENCES: Final = ("plain, off", "with a LoRA, off", "from an image, off", "edited, off")
FAULT: Final = ("fault", "attempts", "rung", "outcome", "")
BATCHED: Final = ("pictures at once", "rung", "s a step", "of it a picture", "peak")
RUNG: Final = (
    "rung",
    *TOOK,
    "of 4, s an image",
    *DIFFERENCES,
    "LoRA changes",
    "LoRA leaves",
    "editing changes",
    "failures",
)


@dataclass(kw_only=True)
class Check:
    """Rows as they come, and what is left of the time."""

    models: Path
    rehearse: bool
    until_s: float
    parts: frozenset[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    rungs: list[dict[str, Any]] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    speed: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    free_before: int = 0
    most_missing: int = 0

    @property
    def card(self) -> str:
        """The name of the GPU."""
        return "the CPU" if self.rehearse else _name()

    def run(self, cards: tuple[float, ...]) -> None:
        """Speed, every rung, what goes wrong, then every card."""
        self._build()
        self.free_before, is_roomy = self._free(), not self.rehearse and _total_gib() >= ROOMY_GIB
        with tempfile.TemporaryDirectory(prefix="aura-compiled-") as kept, ThreadPoolExecutor() as pool:
            compiling = None
            if "speed" in self.parts:
                self.speed += self._process("speed", 0)
                self.speed += self._process("small", 4)
                compiling = pool.submit(self._process, "compile", 0, kept)
            if compiling is not None and not is_roomy:
                compiling.result()
            if "ladder" in self.parts:
                rows = self._process("rungs", 0)
                self.rungs = [row for row in rows if "rung" in row]
                self.batches = [row for row in rows if "rung" not in row]
            if compiling is not None:
                self.speed += compiling.result()
                self.speed += self._process("compiled", 0, kept)
                if importlib.util.find_spec("torch_tensorrt") is not None:
                    self.speed += self._process("tensorrt", 0, kept)
            if "ladder" in self.parts:
                self.faults = self._process("faults", 0)
                self._count_missing()
                beside = pool.map if is_roomy else map
                for found in beside(lambda card: self._process("card", card), cards):
                    self.rows += found
        self._count_missing()

    def _build(self) -> None:
        code = (
            "import sys; from pathlib import Path; from tests.checks.gpu_check import build; "
            "build(Path(sys.argv[1]), {!r})"
        )
        said = f"building the models in {self.models}"
        self._call(said, [sys.executable, "-c", code.format(self.rehearse), str(self.models)], {}, 240.0)

    def _process(self, part: str, card_gib: float, kept: str = "") -> list[dict[str, Any]]:
        """The rows of one process, those before an early end too. `kept`: where compiled code is."""
        generator, captioner, loras = places(self.models, self.rehearse)
        sizes = TINY_SIZES if self.rehearse else (*SIZES, *(RATIOS if card_gib == 4 else ()))
        task = {
            "part": part,
            "card_gib": card_gib,
            "generator": str(generator),
            "captioner": str(captioner),
            "loras": str(loras),
            "sizes": sizes,
            "rehearse": self.rehearse,
        }
        name = f"{part}, {card_gib:g} GB" if card_gib else part
        variables = self._environment(card_gib) | ({"TORCHINDUCTOR_CACHE_DIR": kept} if kept else {})
        with tempfile.TemporaryDirectory(prefix="aura-gpu-") as folder:
            out = Path(folder) / "rows"
            command = [sys.executable, "-m", "tests.checks.gpu_check", "--task", json.dumps(task), "--output", str(out)]
            self._call(name, command, variables, self.until_s - time.monotonic())
            lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
        return [json.loads(line) for line in lines]

    def _count_missing(self) -> None:
        """What processes that have ended left behind, while none runs."""
        self.most_missing = max(self.most_missing, self.free_before - self._free())

    def _call(self, name: str, command: list[str], variables: dict[str, str], limit_s: float) -> None:
        """A process of ours; how it ended badly is noted."""
        began_s = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        environment |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **variables}
        try:
            code = subprocess.run(command, cwd=ROOT, env=environment, timeout=max(1.0, limit_s), check=False).returncode
            ended = f"exit code {code}" if code else ""
        except subprocess.TimeoutExpired:
            ended = "ended: no time was left"
        if ended:
            self.notes.append(f"{name}: {ended}")
        print(f"{name}: {ended or 'done'} ({time.monotonic() - began_s:.0f} s)", file=sys.stderr, flush=True)

    def _environment(self, card_gib: float) -> dict[str, str]:
        """As the worker sets it on a card of that size."""
        from aura_daemon.config.engine import allocator_options

        return {"PYTORCH_ALLOC_CONF": allocator_options(None, int(card_gib * GIB) if card_gib else None)}

    def _free(self) -> int:
        if self.rehearse:
            return 0
        import torch

        time.sleep(0.5)  # the driver takes back what an ended process had a moment later
        return int(torch.cuda.mem_get_info(0)[0])


def places(models: Path, rehearse: bool) -> tuple[Path, Path, Path]:
    """Generator, captioner, LoRAs."""
    if rehearse:
        return models / "tiny-generator", models / "tiny-captioner", models / "tiny-loras"
    from tests.checks import real_size

    return models / real_size.GENERATOR, models / real_size.CAPTIONER, models / "loras"


def build(models: Path, rehearse: bool) -> None:
    """Writes what is not there."""
    from tests.checks import gpu_card, real_size
    from tests.support import tiny_models

    models.mkdir(parents=True, exist_ok=True)
    generator, captioner, loras = places(models, rehearse)
    if rehearse:
        real_size.once(generator, tiny_models.write_generator)
        real_size.once(captioner, tiny_models.write_captioner)
    else:
        real_size.generator(models)
        real_size.captioner(models)
    gpu_card.write_lora(generator, loras)


def targets(check: Check) -> list[Target]:
    """What was promised, and what was measured."""
    rungs = {row["rung"]: row for row in check.rungs}
    peaks = {rung: row["peak"] for rung, row in rungs.items()}

    def peak(what: str, rung: str, most_gib: float) -> Target:
        got = peaks.get(rung, 0)
        met = 0 < got <= most_gib * GIB
        return Target(what=what, wanted=f"<= {most_gib:g} GiB", measured=gib(got), met=met)

    fitting = [row for row in check.rows if row["card"] >= 2]
    failed = [row for row in fitting if row["failed"]]
    four = [row for row in check.rows if row["card"] == 4 and row["what"] != "caption"]
    on_gpu = [row for row in four if row["on_gpu"] and not row["failed"]]
    sound = [
        row
        for row in check.rungs
        if not row["failures"] and row["lora_left"][0] == 0 < min(row["lora_changes"][0], row["edited_changes"][0])
    ]
    lowest = min((rung for rung in peaks if peaks[rung]), key=lambda rung: peaks[rung], default="-")
    planned = len([card for card in CARDS_GIB if card >= 2])
    found = len({row["card"] for row in fitting})
    everything = len(SIZES) + len(RATIOS)
    ratios = len({row["what"] for row in on_gpu})
    missing = check.most_missing
    jobs, full = sum(row["batch"] for row in check.rows), sum(len(row["attempts"]) for row in check.rows)
    speed = speed_targets(check.speed, check.card) if "speed" in check.parts else []
    if "ladder" not in check.parts:
        return speed
    return [
        *speed,
        peak("peak at 512×512, rung resident", "resident", 2.9),
        peak("peak at 512×512, rung fp8_storage", "fp8_storage", 2.0),
        peak(f"peak at 512×512, the smallest rung of the GPU ({lowest})", lowest, 1.0),
        Target(
            what="failed jobs on cards of 2 GB and more",
            wanted="0",
            measured=f"{sum(row['failed'] for row in failed)}, on {found} of {planned} cards",
            met=not failed and found == planned,
        ),
        Target(
            what="attempts that ran out of memory, on all cards",
            wanted="at most 1 in 50",
            measured=f"{full} of {jobs + full}",
            met=jobs > 0 and full * 50 <= jobs + full,
        ),
        Target(
            what="at 4 GB every aspect ratio runs on the GPU",
            wanted=f"{everything} sizes",
            measured=f"{ratios}",
            met=bool(four) and len(on_gpu) == len(four) and ratios == everything,
        ),
        Target(
            what="every rung draws, edits prompts, and takes a LoRA, of which nothing is left",
            wanted="all",
            measured=f"{len(sound)} of {len(check.rungs)}",
            met=bool(sound) and len(sound) == len(check.rungs),
        ),
        Target(
            what="jobs that a fault of the GPU or a neighbour took",
            wanted="0",
            measured=f"{len([row for row in check.faults if row['outcome'] not in SURVIVED])} of {len(check.faults)}",
            met=bool(check.faults) and all(row["outcome"] in SURVIVED for row in check.faults),
        ),
        Target(
            what="memory of the GPU that is missing once the process has ended",
            wanted=f"<= {LEFT_BEHIND >> 20} MiB",
            measured=f"{missing >> 20} MiB",
            met=missing <= LEFT_BEHIND,
        ),
    ]


def report(check: Check, seconds: float) -> str:
    """Everything in Markdown."""
    warning = " A rehearsal: nothing here says anything of a GPU." if check.rehearse else ""
    said = [
        f"{_machine(check.rehearse)} {seconds:.0f} s in all.{warning}",
        table(
            ("target", "wanted", "measured", "met"),
            [(one.what, one.wanted, one.measured, "yes" if one.met else "**no**") for one in targets(check)],
        ),
        *speed_tables(check.speed),
        table(CARD, [_card_row(row) for row in sorted(check.rows, key=lambda row: -float(row["card"]))]),
        table(FAULT, [_fault_row(row) for row in check.faults]),
        table(RUNG, [_rung_row(row) for row in check.rungs]),
        table(BATCHED, [_batch_row(row) for row in check.batches]),
        "\n".join(f"- {note}" for note in check.notes),
    ]
    explained = (
        "Differences of pixels: the largest and the mean, of 255. Off: from the first rung; below the first rung that "
        "decodes in tiles, from that one. A LoRA leaves nothing behind where the picture after it is the one before it."
    )
    return "\n\n".join(filter(None, [*said, explained])) + "\n"


def _card_row(row: dict[str, Any]) -> tuple[str, ...]:
    drawn = max(1, row["batch"])
    return (
        f"{row['card']:g} GB",
        row["what"] + (f" ({row['models']} models loaded)" if "models" in row else ""),
        str(row["batch"]),
        ", ".join(row["rungs"]),
        str(row["together"]),
        *map(gib, (row["expected"], row["peak"], row["reserved"])),
        f"{(row['seconds'] - row['loaded_s']) / drawn:.2f}",
        f"{row['step_s']:.3f}",
        f"{row['decoded_s']:.2f}",
        "; ".join(row["attempts"]) or "0",
        row["outcome"],
    )


def _fault_row(row: dict[str, Any]) -> tuple[str, ...]:
    return row["fault"], "; ".join(row["attempts"]) or "0", ", ".join(row["rungs"]) or "-", row["outcome"], row["note"]


def _batch_row(row: dict[str, Any]) -> tuple[str, ...]:
    step_s = row["step_s"]
    together = row["together"]
    rungs = ", ".join(row["rungs"])
    return str(together), rungs, f"{step_s:.4f}", f"{step_s / max(1, together):.4f}", gib(row["peak"])


def _rung_row(row: dict[str, Any]) -> tuple[str, ...]:
    batch = f"{row['batch_s']:.2f} ({', '.join(row['batch_rungs'])})" if row["batch_s"] else "-"
    off = [f"{most:g} / {mean:g}" for most, mean in (row["off"][name] for name in ("plain", "lora", "image", "edited"))]
    return (
        row["rung"] + (f" (ran on {', '.join(row['rungs'])})" if row["rungs"] != [row["rung"]] else ""),
        *map(gib, (row["expected"], row["peak"], row["reserved"])),
        f"{row['seconds'] - row['loaded_s']:.2f}",
        f"{row['step_s']:.3f}",
        f"{row['decoded_s']:.2f}",
        batch,
        *off,
        *(f"{row[name][0]:g} / {row[name][1]:g}" for name in ("lora_changes", "lora_left", "edited_changes")),
        "; ".join(row["failures"]) or "0",
    )


def _machine(rehearse: bool) -> str:
    """What it ran on."""
    import diffusers
    import torch
    import transformers

    gpu = "the CPU"
    if not rehearse:
        properties = torch.cuda.get_device_properties(0)
        gpu = f"{properties.name}, {properties.total_memory / GIB:.1f} GiB, CUDA {torch.version.cuda}"
    versions = f"torch {torch.__version__}, diffusers {diffusers.__version__}, transformers {transformers.__version__}"
    steps = "4 steps a picture, 25 where speed is measured"
    return f"{gpu}; {versions}; {os.cpu_count()} CPU cores; {time.strftime('%Y-%m-%d')}; {steps}."


def serve(task: str, output: Path) -> int:
    """A process of the check: writes each row as soon as it is known."""
    from tests.checks import gpu_card

    told = json.loads(task)
    told["sizes"] = tuple(map(tuple, told["sizes"]))
    with output.open("w", encoding="utf-8") as out:
        for row in gpu_card.run(gpu_card.CheckTask(**told)):
            print(json.dumps(row), file=out, flush=True)
    return 0


def main() -> int:
    """The whole check, or one of its processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=None, help="file for the tables; without it they are printed")
    parser.add_argument("--models", type=Path, default=None, help="folder that keeps the models, 2.4 GB")
    parser.add_argument("--cards", default=",".join(map(str, CARDS_GIB)), help="GB, separated by commas")
    parser.add_argument("--parts", default="speed,ladder", help="either or both")
    parser.add_argument("--seconds", type=float, default=IN_ALL_S, help="for all of it")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with tiny models")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task is not None:
        return serve(given.task, given.output)
    if not given.rehearse and not _has_cuda():
        print(NOT_RUN)
        return 0
    began_s = time.monotonic()
    models = given.models or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "aura-daemon-checks"
    parts = frozenset(given.parts.split(","))
    check = Check(models=models, rehearse=given.rehearse, until_s=began_s + given.seconds, parts=parts)
    check.run(tuple(float(card) for card in given.cards.split(",")))
    said = report(check, time.monotonic() - began_s)
    if given.output is not None:
        given.output.write_text(said, encoding="utf-8")
    print(said)
    return 0 if given.rehearse else int(not all(one.met for one in targets(check)))


def _total_gib() -> float:
    import torch

    return float(torch.cuda.get_device_properties(0).total_memory / GIB)


def _name() -> str:
    import torch

    return str(torch.cuda.get_device_properties(0).name)


def _has_cuda() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


if __name__ == "__main__":
    sys.exit(main())
