"""The speed of a GPU as a table, and the targets it is held to. In: rows of `gpu_speed`. Out: Markdown, targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.checks.gpu_tables import Target, table

Row = dict[str, Any]

PLAIN: Final = "plain diffusers"
ORIGIN: Final = "the origin's settings (plain diffusers, float32, 50 steps)"
DEFAULTS: Final = "default settings"
EAGER: Final = "eager"
GRAPHS: Final = "cuda-graphs"
COMPILED: Final = "compiled"
AGAIN: Final = "compiled, second start"
FOUR_GB: Final = "default settings, a card of 4 GB"
CAPTIONS: Final = "captions"

FAST_CARDS: Final = ("H100", "H200")
"""Cards that the target of steps a second is for."""

STEPS_PER_S: Final = 105.0

SPEED: Final = (
    "what",
    "steps/s, one picture",
    "to plain",
    "s a picture",
    "pictures/s, 8 at once",
    "to plain",
    "first picture, s",
    "peak",
    "off",
    "note",
)
UNETS: Final = ("the UNet alone", "steps/s, one picture", "to eager", "first call, s", "off")
FLOOR: Final = ("what", "TFLOP", "floor, ms", "best measured, ms", "of the floor")


def speed_targets(rows: Sequence[Row], card: str) -> list[Target]:
    """What was promised of speed; a row that is missing is a promise that is not kept."""
    engines = {row["what"]: row for row in rows if row["kind"] == "engine"}
    ours = [row for name, row in engines.items() if name not in (PLAIN, ORIGIN, FOUR_GB)]
    plain, defaults = engines.get(PLAIN, {}), engines.get(DEFAULTS, {})
    fastest = max((row["steps_per_s"] for row in ours), default=0.0)
    most = max((row["batch_per_s"] for row in ours), default=0.0)
    of_captions = next((row for row in rows if row["kind"] == CAPTIONS), {})
    small, again = engines.get(FOUR_GB, {}), engines.get(AGAIN, {})
    found = [
        _ratio("steps a second of the default engine to plain diffusers", 1.0, defaults, plain, "steps_per_s"),
        _at_least("pictures a second in batches of 8 to plain diffusers", 2.0, most, plain.get("batch_per_s", 0.0)),
        _at_least(
            "captions a second, together to one at a time",
            20.0,
            of_captions.get("together_per_s", 0.0),
            of_captions.get("alone_per_s", 0.0),
        ),
        _ratio("a picture on a card of 4 GB to all of the GPU", 0.9, small, defaults, "pictures_per_s"),
        _ratio("a picture to the origin's settings", 8.0, defaults, engines.get(ORIGIN, {}), "pictures_per_s"),
        Target(
            what="compiled at the second start",
            wanted="nothing",
            measured=f"{again['compiled']} graphs, {again['found']} found" if again else "not run",
            met=bool(again) and again["compiled"] == 0 < again["found"],
        ),
        Target(
            what="the largest difference of cuda-graphs to eager, of 255",
            wanted="0",
            measured=f"{engines[GRAPHS]['off'][0]:g}" if GRAPHS in engines else "not run",
            met=GRAPHS in engines and engines[GRAPHS]["off"][0] == 0,
        ),
    ]
    if any(name in card for name in FAST_CARDS):
        wanted = f">= {STEPS_PER_S:g}"
        what = "steps a second, one picture, the fastest engine"
        found.insert(0, Target(what=what, wanted=wanted, measured=f"{fastest:.1f}", met=fastest >= STEPS_PER_S))
    return found


def speed_tables(rows: Sequence[Row]) -> list[str]:
    """Engines, UNets alone, captions, floors."""
    engines = [row for row in rows if row["kind"] == "engine"]
    plain = next((row for row in engines if row["what"] == PLAIN), {})
    unets = [row for row in rows if row["kind"] == "unet"]
    eager = next((row["steps_per_s"] for row in unets if row["what"] == EAGER), 0.0)
    captions = [
        f"BLIP: {row['alone_per_s']:.1f} captions a second one at a time, {row['together_per_s']:.1f} where "
        f"{row['count']} wait together ({row['together']} at once)."
        for row in rows
        if row["kind"] == CAPTIONS
    ]
    return [
        table(SPEED, [_engine(row, plain) for row in engines]),
        table(UNETS, [_unet(row, eager) for row in unets]),
        *captions,
        table(FLOOR, [_floor(row, engines) for row in rows if row["kind"] == "floor"]),
        "\n".join(f"- {row['said']}" for row in rows if row["kind"] == "said"),
    ]


def _engine(row: Row, plain: Row) -> tuple[str, ...]:
    return (
        row["what"],
        f"{row['steps_per_s']:.1f}",
        _times(row["steps_per_s"], plain.get("steps_per_s", 0.0)),
        f"{1 / row['pictures_per_s']:.3f}" if row["pictures_per_s"] else "-",
        f"{row['batch_per_s']:.2f}" if row["batch_per_s"] else "-",
        _times(row["batch_per_s"], plain.get("batch_per_s", 0.0)),
        f"{row['first_s']:.1f}",
        f"{row['peak'] / (1 << 30):.2f} GiB",
        f"{row['off'][0]:g} / {row['off'][1]:g}" if row["off"][0] >= 0 else "-",
        row["note"],
    )


def _unet(row: Row, eager: float) -> tuple[str, ...]:
    return (
        row["what"],
        f"{row['steps_per_s']:.1f}",
        _times(row["steps_per_s"], eager),
        f"{row['first_s']:.1f}",
        f"{row['off']:.2g}",
    )


def _floor(row: Row, engines: Sequence[Row]) -> tuple[str, ...]:
    best_s = min((1 / one["steps_per_s"] for one in engines if one["steps_per_s"]), default=0.0)
    measured = best_s if row["is_step"] else 0.0
    return (
        row["what"],
        f"{row['flops'] / 1e12:.2f}",
        f"{row['floor_s'] * 1000:.2f}",
        f"{measured * 1000:.2f}" if measured else "-",
        f"{row['floor_s'] / measured:.0%}" if measured else "-",
    )


def _ratio(what: str, least: float, one: Row, other: Row, figure: str) -> Target:
    return _at_least(what, least, one.get(figure, 0.0), other.get(figure, 0.0))


def _at_least(what: str, least: float, one: float, other: float) -> Target:
    met = other > 0 and one / other >= least
    return Target(what=what, wanted=f">= {least:g}x", measured=_times(one, other, missing="not run"), met=met)


def _times(one: float, other: float, missing: str = "-") -> str:
    return f"{one / other:.2f}x" if one > 0 and other > 0 else missing
