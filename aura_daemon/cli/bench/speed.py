"""`bench`: how fast this machine draws and describes, at every speed, beside the origin's settings."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from aura_daemon.bench import speeds
from aura_daemon.bench.children.random_names import SIZE_BYTES, cache_folder
from aura_daemon.bench.figures import ORIGIN, Figures, NotMeasured, charted, document, ratio
from aura_daemon.bench.floor import CARDS, Counted, floor_s, picture_s, predicted_s
from aura_daemon.bench.speeds import Asked, Told
from aura_daemon.bench.timed_worker import TimedRun
from aura_daemon.cli.bench import levers
from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.loading import load
from aura_daemon.errors import Problem, UserError
from aura_daemon.formats.benchmarks.chart import chart
from aura_daemon.formats.readable import bytes_text, download_text, number_text, seconds_text, share_text
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import Speed
from aura_daemon.system import durable_files
from aura_daemon.system.clock import utc_now
from aura_daemon.system.hardware import processor
from aura_daemon.system.library_versions import versions

REAL_FLOPS: Final = 1e11
"""Of a step: from here on a picture takes seconds to minutes on a CPU, and is drawn once."""

REACHED: Final = 0.6
"""The share of the ceiling that a step is taken to reach, to say beforehand how long all will take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeedOptions:
    """What the command line asks for."""

    speeds: tuple[Speed, ...]
    random_weights: bool
    size: tuple[int, int] | None
    steps: int | None
    repeats: int | None
    levers: bool
    prompts: int
    svg: Path | None
    json: Path | None


def measure(config: Path | None, options: SpeedOptions) -> int:
    """Prints the table, writes what was asked for; 1 where nothing could be measured."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    settings = load(config).settings.engine()
    if options.random_weights:
        if not speeds.random_models_are_there(cache_folder()):
            size = download_text(SIZE_BYTES)
            console.print(f"writing models of real size with random weights: {size}, once, into {cache_folder()}")
        settings = speeds.write_random_models(settings)
    width, height = options.size or (None, None)
    wanted = options.speeds or tuple(Speed)
    asked = Asked(speeds=wanted, width=width, height=height, steps=options.steps, repeats=options.repeats or 1)
    counted = speeds.count(settings, asked)
    repeats = options.repeats or (1 if counted.step.flops > REAL_FLOPS else 3)
    asked = replace(asked, repeats=repeats)
    if options.levers:
        with _progress() as told:
            found = levers.measure(
                console, settings, (width, height), pairs=repeats, prompts=options.prompts, told=told
            )
        if options.json is not None:
            written(options.json, json.dumps({"machine": machine(), **found}, indent=2) + "\n")
        return 0
    console.print(_beforehand(settings, asked, counted))
    rows: list[Figures] = []
    missing: list[NotMeasured] = []
    first: TimedRun | None = None
    with _progress() as told:
        for speed in asked.speeds:
            measured = speeds.measure_speed(settings, asked, speed, told)
            if isinstance(measured, NotMeasured):
                missing.append(measured)
                continue
            rows.append(measured[0])
            first = first or measured[1]
        origin = speeds.measure_origin(settings, counted, told)
        (missing if isinstance(origin, NotMeasured) else rows).append(origin)  # type: ignore[arg-type]
        captions = speeds.measure_captions(settings, repeats + 2)
    if isinstance(captions, NotMeasured):
        missing.append(captions)
    _print(console, rows, missing, counted, captions, model=settings.generate.model)
    _write(options, rows, missing, counted, captions, settings, first)
    return 0 if any(row.name != ORIGIN for row in rows) else 1


def size_of(text: str | None) -> tuple[int, int] | None:
    """A size as people write it; raises UserError."""
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d{2,4})\s*(?:[x×]\s*(\d{2,4})\s*)?", text, re.IGNORECASE)
    if found is None or any(int(side) % 8 for side in found.groups() if side):
        message = "must be width and height in pixels, multiples of 8, such as 512x512"
        raise UserError([Problem(key="--size", given=repr(text), message=message)])
    return int(found[1]), int(found[2] or found[1])


def _beforehand(settings: EngineSettings, asked: Asked, counted: Counted) -> str:
    """How long it will take at most, by the work counted and the ceilings measured."""
    steps = asked.steps or settings.generate.steps or 25
    best, full = counted.best, counted.ceiling("float32") or counted.best
    ours_s = sum(picture_s(counted, best, steps=steps * asked.repeats + speeds.WARM_STEPS) for _ in asked.speeds)
    origin_s = picture_s(counted, full, steps=speeds.ORIGIN_ROUNDS + 1)
    seconds = (ours_s + origin_s) / REACHED + 15 * (len(asked.speeds) + 2)
    size = f"{counted.width}x{counted.height}"
    about = f"{max(1, round(seconds / 60))} min" if seconds >= 45 else f"{round(seconds, -1):.0f} s"
    return (
        f"{size}, {len(asked.speeds)} speeds, {asked.repeats} picture(s) each: about {about} at most"
        " (work counted, ceilings measured), and once more where an engine is converted for the first time"
    )


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar on a terminal; nothing elsewhere."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("loading", total=1)

        def told(what: str, step: int, steps: int) -> None:
            progress.update(bar, description=what, completed=step, total=steps)

        yield told


def _print(
    console: Console,
    rows: list[Figures],
    missing: list[NotMeasured],
    counted: Counted,
    captions: Produced | NotMeasured,
    *,
    model: str,
) -> None:
    origin = next((row for row in rows if row.name == ORIGIN), None)
    name = processor.name_and_flags()[0]
    title = f"{Path(model).name}, {counted.width}×{counted.height}, on {name}, {processor.cores()} cores"
    heads = "", "a picture", "× origin", "load", "encode", "steps", "a step", "floor", "decode", "peak memory"
    table = Table(*heads[:1], title=title, show_edge=False, title_justify="left")
    for head in heads[1:]:
        table.add_column(head, justify="right")
    for row in rows:
        times = ratio(row, origin)
        ceiling = counted.ceiling(row.dtype) or counted.best
        table.add_row(
            row.name,
            seconds_text(row.picture_s),
            number_text(times) if times is not None else "",
            seconds_text(row.load_s),
            seconds_text(row.encode_s),
            str(row.steps),
            seconds_text(row.step_s),
            seconds_text(floor_s(counted.step, ceiling)),
            seconds_text(row.decode_s),
            bytes_text(row.peak_bytes),
        )
    console.print(table)
    for row in rows:
        composed = "" if row.pictures_s else ": composed of its stages, no whole picture was drawn"
        spread = f"; spread {share_text(row.spread)} of {len(row.pictures_s)}" if len(row.pictures_s) > 1 else ""
        console.print(f"{row.name}: {row.how}{composed}{spread}", soft_wrap=True)
    for one in missing:
        console.print(f"{one.name}: not measured: {one.reason}", soft_wrap=True)
    if isinstance(captions, Produced) and captions.benchmark is not None:
        figures = captions.benchmark.sizes[0]
        console.print(
            f"a caption: {seconds_text(figures.median_s('whole_s'))} ({how_captioned(captions)},"
            f" load {seconds_text(figures.load_s)}, peak {bytes_text(figures.peak_bytes)})",
            soft_wrap=True,
        )
    for line in floor_lines(counted):
        console.print(line, soft_wrap=True)


def how_captioned(captions: Produced) -> str:
    """What computed a caption."""
    return f"{Path(captions.model).name}, {captions.variant}, {captions.dtype}, rung {captions.rung}"


def floor_lines(counted: Counted) -> Iterator[str]:
    """The work, this machine's ceilings, and what small cards would take."""
    step = counted.step
    ceilings = "; ".join(f"{one.dtype} {one.flops_per_s / 1e9:,.0f} GFLOP/s" for one in counted.ceilings)
    yield (
        f"floor of a guided step with all its layers: {step.flops / 1e9:,.4g} GFLOP and"
        f" {(step.weights + step.activations) / 1e6:,.4g} million numbers moved, over what was measured: {ceilings},"
        f" {counted.best.bytes_per_s / 1e9:.3g} GB/s"
    )
    if step.flops < REAL_FLOPS:  # such a card would wait for its driver
        return
    for card in CARDS:
        least_s, fast_s, slow_s = predicted_s(step, card)
        yield (
            f"predicted, not measured: {card.name}, float16: a step {seconds_text(least_s)} at least,"
            f" {seconds_text(fast_s)} to {seconds_text(slow_s)} to expect"
        )


def _write(
    options: SpeedOptions,
    rows: list[Figures],
    missing: list[NotMeasured],
    counted: Counted,
    captions: Produced | NotMeasured,
    settings: EngineSettings,
    first: TimedRun | None,
) -> None:
    name = processor.name_and_flags()[0]
    resolved = first.produced.resolved if first is not None else None
    scheduler = str(resolved.scheduler) if isinstance(resolved, ResolvedGenerate) else ""
    guidance = resolved.guidance_scale if isinstance(resolved, ResolvedGenerate) else 0.0
    if options.svg is not None:
        size = counted.width, counted.height
        run = charted(
            rows,
            model=Path(settings.generate.model).name,
            device=name,
            size=size,
            guidance_scale=guidance,
            scheduler=scheduler,
        )
        written(options.svg, chart(run, ()))
    if options.json is not None:
        caption: dict[str, Any] = {}
        if isinstance(captions, Produced) and captions.benchmark is not None:
            figures = captions.benchmark.sizes[0]
            caption = {"caption_s": figures.median_s("whole_s"), "how": how_captioned(captions)}
        content = document(
            rows,
            missing,
            machine=machine(),
            settings={"model": Path(settings.generate.model).name, "scheduler": scheduler, "guidance_scale": guidance},
            more={"floor": asdict(counted), "caption": caption},
        )
        written(options.json, json.dumps(content, indent=2) + "\n")


def written(file: Path, content: str) -> None:
    """Writes a file that was asked for, in the place of an earlier one."""
    durable_files.write(file, content.encode(), temp_folder=file.resolve().parent, replace=True)
    print(f"written: {file}")


def machine() -> dict[str, Any]:
    """What ran it."""
    name, flags = processor.name_and_flags()
    known = ("avx2", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
    return {
        "processor": name,
        "flags": [flag for flag in known if flag in flags],
        "cores": processor.cores(),
        "load_average": processor.load_average(),
        "finished": utc_now(),
        "versions": dict(versions()),
    }
