"""`bench --captions`: how fast pictures are described, beside a plain loop of transformers' calls."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from aura_daemon.bench import captions, speeds
from aura_daemon.cli.bench.speed import how_captioned, machine, written
from aura_daemon.config.loading import load
from aura_daemon.dispatch.batching import CAPTION_BATCHES, CAPTIONS
from aura_daemon.formats.readable import bytes_text, number_text, seconds_text, share_text
from aura_daemon.system.hardware import processor

PAIRS: Final = 5


def measure(config: Path | None, *, random_weights: bool, repeats: int | None, json_file: Path | None) -> int:
    """Prints a table, writes what was asked for; 0."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    configured = load(config).settings
    settings, together = configured.engine(), configured.batch or CAPTIONS
    if random_weights:
        settings = speeds.write_random_models(settings)
    found = captions.measure(settings, pairs=repeats or PAIRS, together=together, count=together * CAPTION_BATCHES)
    ours_s, plain_s = median(one.ours_s for one in found.pairs), median(one.plain_s for one in found.pairs)
    title = f"{Path(found.sample.model).name}, on {processor.name_and_flags()[0]}, {processor.cores()} cores"
    table = Table("", title=title, show_edge=False, title_justify="left")
    for head in (
        "a caption",
        "× plain",
        "of a core",
        "× plain",
        "looking",
        "writing",
        "the model's share",
        "peak memory",
    ):
        table.add_column(head, justify="right")
    table.add_row(
        "aura-daemon",
        seconds_text(ours_s),
        number_text(found.times),
        seconds_text(median(one.ours_cpu_s for one in found.pairs)),
        number_text(median(one.cpu_times for one in found.pairs)),
        seconds_text(found.encoded_s),
        seconds_text(found.decoded_s),
        share_text(median(one.model_share for one in found.pairs)),
        bytes_text(found.sample.peak_bytes),
    )
    plain_cpu_s = seconds_text(median(one.plain_cpu_s for one in found.pairs))
    plain = seconds_text(plain_s), "1", plain_cpu_s, "1", "", "", ""
    table.add_row("plain transformers", *plain, bytes_text(found.plain_peak_bytes))
    console.print(table)
    lowest, highest = min(one.times for one in found.pairs), max(one.times for one in found.pairs)
    console.print(
        f"{len(found.pairs)} pairs, {number_text(lowest)} to {number_text(highest)} times;"
        f" {captions.MOST_TOKENS} tokens at most; both read JPEGs of {captions.PHOTO_PX[0]}x{captions.PHOTO_PX[1]}",
        soft_wrap=True,
    )
    console.print(f"aura-daemon: {how_captioned(found.sample)}, {found.sample.batch_size} at once", soft_wrap=True)
    console.print(f"plain: {found.plain_how}", soft_wrap=True)
    if json_file is not None:
        content = {
            "machine": machine(),
            "times_plain": found.times,
            "caption_s": ours_s,
            "plain_s": plain_s,
            "pairs": [asdict(pair) for pair in found.pairs],
            "how": how_captioned(found.sample),
            "plain_how": found.plain_how,
        }
        written(json_file, json.dumps(content, indent=2) + "\n")
    return 0
