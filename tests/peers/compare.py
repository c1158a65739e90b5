"""A new run beside the committed figures, as ratios of ratios: what became slower than 5 %. Asserts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTABLE = 0.05
"""As a share: less is chance."""


def compared(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Lines for people. Each figure is a ratio to the reference of its own run, so another machine may have made it."""
    lines = [f"committed: {_machine(before)}", f"now:       {_machine(now)}"]
    then_rows, now_rows = ({row["name"]: row for row in run["rows"]} for run in (before, now))
    worse, better, same = list[str](), list[str](), 0
    for name in then_rows.keys() & now_rows.keys():
        for what, unit in (("step", "step_s"), ("decode", "decode_s"), ("picture_s", "")):
            then, today = _ratio(before, then_rows[name], what, unit), _ratio(now, now_rows[name], what, unit)
            if not then or not today:
                continue
            change = today / then
            spread = max(then_rows[name]["spread"], now_rows[name]["spread"])
            line = f"{name}: {what.removesuffix('_s')} {change:.2f} times as long against the reference"
            if spread and abs(change - 1) <= spread:
                line += f" (within the spread of {spread:.0%})"
            if change > 1 + NOTABLE:
                worse.append(line)
            elif change < 1 - NOTABLE:
                better.append(line)
            else:
                same += 1
    lines += [f"slower: {line}" for line in sorted(worse)] + [f"faster: {line}" for line in sorted(better)]
    lines += [f"no longer measured: {name}" for name in sorted(then_rows.keys() - now_rows.keys())]
    lines += [f"new: {name}" for name in sorted(now_rows.keys() - then_rows.keys())]
    return [*lines, f"within {NOTABLE:.0%}: {same} figures; slower: {len(worse)}; faster: {len(better)}"]


def _ratio(run: Mapping[str, Any], row: Mapping[str, Any], what: str, unit: str) -> float:
    """A figure of a row, against the reference of the same run."""
    return float(row[what]) if unit else row[what] / run["reference"]["step_s"]


def _machine(run: Mapping[str, Any]) -> str:
    machine = run["machine"]
    return f"{machine['processor']}, {machine['cores']} cores, {', '.join(machine['flags'])}, {machine['finished']}"
