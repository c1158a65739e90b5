"""`bench --levers`: what each lever gains and loses on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from aura_daemon.bench.figures import NotMeasured
from aura_daemon.bench.levers import BASE, LEVERS, Gain, gains, qualities
from aura_daemon.bench.speeds import Told
from aura_daemon.config.engine import EngineSettings
from aura_daemon.formats.readable import number_text, seconds_text, share_text


def measure(
    console: Console,
    settings: EngineSettings,
    size: tuple[int | None, int | None],
    *,
    pairs: int,
    prompts: int,
    told: Told,
) -> dict[str, Any]:
    """Prints the table; the same for JSON."""
    console.print(
        f"{len(LEVERS)} levers: {pairs} pair(s) of pictures each, then {prompts} prompts each by aura-mini for quality:"
        " 10 minutes and more; with a model of real size on a CPU, hours"
    )
    found = list(gains(settings, size, pairs=pairs, told=told))
    told("quality", 0, 1)
    judged = qualities((BASE, *LEVERS), prompts)
    heads = "lever", "times as fast", "right", "PSNR", "SSIM", "largest difference"
    title = f"against eager at exact: {Path(settings.generate.model).name}; quality: aura-mini, {prompts} prompts"
    table = Table(heads[0], title=title, title_justify="left", show_edge=False)
    for head in heads[1:]:
        table.add_column(head, justify="right")
    table.add_row(BASE.name, "1", *_quality(judged.get(BASE.name)))
    for one in found:
        speed = f"{number_text(one.times)} (±{share_text(one.spread / 2)})" if isinstance(one, Gain) else "not measured"
        table.add_row(one.name, speed, *_quality(judged.get(one.name)))
    console.print(table)
    for one in found:
        match one:
            case Gain():
                ran = ", ".join((one.variant, *one.levers))
                console.print(f"{one.name}: {seconds_text(one.picture_s)} a picture, {ran}", soft_wrap=True)
            case NotMeasured():
                console.print(f"{one.name}: not measured: {one.reason}", soft_wrap=True)
    console.print("PSNR, SSIM and the largest difference of 255 are to float32, eager, exact, of the same seeds.")
    return {"gains": [_as_dict(one) for one in found], "quality": dict(judged)}


def _quality(row: Mapping[str, Any] | None) -> tuple[str, str, str, str]:
    if row is None or "reason" in row:
        return "", "", "", ""
    psnr = "the same" if row["psnr_db"] is None else f"{row['psnr_db']:.1f} dB"
    return f"{row['right']:.2%}", psnr, f"{row['ssim']:.4f}", str(row["largest_difference"])


def _as_dict(one: Gain | NotMeasured) -> dict[str, Any]:
    return asdict(one)
