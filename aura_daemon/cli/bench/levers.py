"""`bench --levers`: what each lever gains and loses on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from aura_daemon.bench import caption_levers
from aura_daemon.bench.caption_levers import CaptionGain
from aura_daemon.bench.figures import NotMeasured
from aura_daemon.bench.levers import BASE, Gain, Group, Lever, gains, levers, qualities
from aura_daemon.bench.speeds import Told
from aura_daemon.config.engine import EngineSettings
from aura_daemon.formats.readable import number_text, share_text

HEADS: Final = "gain", "±", "by CPU", "right", "PSNR", "SSIM"

NAME_WIDTH: Final = 40
"""Characters; longer reasons go over several lines."""

NOTES: Final = (
    "gain: how many times as fast as the base, the median of the pairs; by CPU: the same in seconds of the processor,"
    " which other programs change less. right: of the prompts that aura-mini draws, those that its captioner tells"
    " again; PSNR and SSIM: medians to float32, eager, exact, of the same seeds. captions: against PyTorch in float32,"
    " one at a time; right: of as many drawings."
)


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
    every = levers()
    console.print(
        f"{len(every) + len(caption_levers.LEVERS)} levers: {pairs} pair(s) of pictures each, then {prompts} prompts"
        " each by aura-mini for quality: an hour and more; with a model of real size on a CPU, many hours"
    )
    found: list[Gain | NotMeasured] = list(gains(settings, size, pairs=pairs, told=told))
    captions = list(caption_levers.gains(settings, pairs=pairs, pictures=prompts, told=told))
    told("quality", 0, 1)
    judged = qualities((BASE, *every), prompts)
    name = Path(settings.generate.model).name
    console.print(
        table(f"{name}: each against eager at exact; quality: {prompts} prompts", every, found, judged, captions)
    )
    console.print(NOTES)
    return {
        "gains": [asdict(one) for one in found],
        "captions": [asdict(one) for one in captions],
        "quality": dict(judged),
    }


def table(
    title: str,
    every: Sequence[Lever],
    found: Sequence[Gain | NotMeasured],
    judged: Mapping[str, Mapping[str, Any]],
    captions: Sequence[CaptionGain | NotMeasured],
) -> Table:
    """A section a group; what was not measured says why where it stands."""
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE, show_edge=False, pad_edge=False)
    drawn.add_column("", max_width=NAME_WIDTH)
    for head in HEADS:
        drawn.add_column(head, justify="right", no_wrap=True)
    drawn.add_row(BASE.name, "1", "", "", *_quality(BASE, judged))
    by_name = {one.name: one for one in found}
    for group in Group:
        of_group = [lever for lever in every if lever.group is group]
        if not of_group:
            continue
        drawn.add_section()
        drawn.add_row(f"[bold]{group}[/bold]")
        for lever in of_group:
            one = by_name.get(lever.name)
            if isinstance(one, Gain):
                drawn.add_row(lever.name, *_speed(one), *_quality(lever, judged))
            elif one is not None:
                drawn.add_row(f"{lever.name}: {one.reason}")
    drawn.add_section()
    drawn.add_row(f"[bold]{Group.CAPTIONS}[/bold]")
    for told in captions:
        match told:
            case CaptionGain():
                drawn.add_row(told.name, *_speed(told), f"{told.right:.2%}" if told.right is not None else "")
            case NotMeasured():
                drawn.add_row(f"{told.name}: {told.reason}")
    return drawn


def _speed(one: Gain | CaptionGain) -> tuple[str, str, str]:
    return number_text(one.times), share_text(one.spread / 2), number_text(one.cpu_times)


def _quality(lever: Lever, judged: Mapping[str, Mapping[str, Any]]) -> tuple[str, str, str]:
    """Empty where nothing is changed in the picture, or nothing could be judged."""
    row = judged.get(lever.name)
    if row is None or "reason" in row or row["variant"] != lever.asked.get("variant", row["variant"]):
        return "", "", ""
    psnr = "the same" if row["psnr_db"] is None else f"{row['psnr_db']:.1f} dB"
    return f"{row['right']:.2%}", psnr, f"{row['ssim']:.4f}"
