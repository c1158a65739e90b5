"""What was measured of peers and of ourselves, as ratios in one run. In: seconds of pairs. Out: rows, markdown.

The machine's speed changes while minutes pass. So each engine takes turns with one reference (plain diffusers at our
settings): a ratio is the median over such pairs, and the seconds in the table are ratios times the reference's medians.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from aura_daemon.formats.readable import bytes_text, number_text, seconds_text, share_text

REFERENCE = "plain diffusers at our settings"
ORIGIN = "origin's settings: plain diffusers, float32, 50 steps"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One engine at one setting."""

    name: str
    how: str
    calls: int
    """Of the UNet, for a picture."""
    step: float
    """Of the reference's step."""
    decode: float
    """Of the reference's decode."""
    spread: float = 0.0
    """Of the pairs of steps: how far apart the least and the greatest ratio are, as a share of the median."""
    pairs: int = 1
    end_to_end: float | None = None
    """A picture by our worker, in steps of the reference; None: composed of the row's stages."""
    is_whole: bool = False
    """Whether all its steps were drawn."""
    load_s: float = 0.0
    peak_bytes: int = 0
    dtype: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """The medians of the reference over the whole run."""

    encode_s: float
    step_s: float
    decode_s: float

    def picture_s(self, row: Row) -> float:
        """A picture of a row: encode + calls x step + decode, or whole."""
        if row.end_to_end is not None:
            return row.end_to_end * self.step_s
        return self.encode_s + row.calls * row.step * self.step_s + row.decode * self.decode_s


def paired(own: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    """The median of the ratios of pairs, and their spread as a share of it."""
    ratios = [one / other for one, other in zip(own, reference, strict=True)]
    middle = median(ratios)
    return middle, (max(ratios) - min(ratios)) / middle


def markdown(rows: Sequence[Row], reference: Reference, missing: Mapping[str, str], floors: Mapping[str, float]) -> str:
    """The table, the fastest picture last; `floors`: number format -> seconds of a step at best."""
    origin = next((row for row in rows if row.name == ORIGIN), None)
    timed = "what", "steps", "a step", "pairs, spread", "floor of a step", "decode", "load", "a picture"
    heads = *timed, "times the origin's", "peak memory"
    lines = [f"| {' | '.join(heads)} |", f"|---{'|---:' * (len(heads) - 1)}|"]
    for row in sorted(rows, key=reference.picture_s, reverse=True):
        floor = floors.get(row.dtype)
        times = reference.picture_s(origin) / reference.picture_s(row) if origin is not None else None
        whole = ", whole" if row.is_whole else ""
        cells = (
            f"{row.name} ({row.how})",
            str(row.calls),
            seconds_text(row.step * reference.step_s),
            f"{row.pairs}, {share_text(row.spread)}" if row.pairs > 1 else str(row.pairs),
            seconds_text(floor) if floor is not None else "",
            seconds_text(row.decode * reference.decode_s),
            seconds_text(row.load_s),
            seconds_text(reference.picture_s(row)) + whole,
            number_text(times) if times is not None else "",
            bytes_text(row.peak_bytes),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [f"\nNot measured: {name}: {reason}" for name, reason in missing.items()]
    return "\n".join(lines)


def document(rows: Iterable[Row], reference: Reference, **more: Any) -> dict[str, Any]:
    """For `benchmarks/`."""
    written = [asdict(row) | {"picture_s": reference.picture_s(row)} for row in rows]
    return {"schema": "aura-daemon.peers/1", "reference": asdict(reference), "rows": written, **more}
