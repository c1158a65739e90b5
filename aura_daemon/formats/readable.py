"""Figures and long texts as people read them. In: seconds, bytes, rates, texts. Out: text."""

from __future__ import annotations

from typing import Final

_TIMES: Final = "×"


def seconds_text(seconds: float) -> str:
    """`1.25 s`, `12.5 ms`, `3 min 20 s`."""
    if seconds >= 120:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    return f"{number_text(seconds)} s" if seconds >= 0.9995 else f"{number_text(seconds * 1000)} ms"


def number_text(number: float) -> str:
    """Three digits that count: `431`, `43.1`, `4.31`."""
    if number == 0:
        return "0"
    digits = 0 if number >= 99.95 else 1 if number >= 9.995 else 2
    return f"{number:,.{digits}f}"


def bytes_text(amount_bytes: int) -> str:
    """`512 MiB`, `3.21 GiB`."""
    mebibytes = amount_bytes / (1 << 20)
    return f"{number_text(mebibytes / 1024)} GiB" if mebibytes >= 1000 else f"{number_text(mebibytes)} MiB"


def download_text(amount_bytes: int) -> str:
    """`512.0 MB`, `3.2 GB`: as disks and downloads are counted, in powers of ten."""
    return f"{amount_bytes / 1e9:.1f} GB" if amount_bytes >= 1e9 else f"{amount_bytes / 1e6:.1f} MB"


def share_text(share: float) -> str:
    """`12 %`."""
    return f"{round(share * 100)} %"


def size_text(name: str) -> str:
    """A size with the sign that people use: `512×512`."""
    return name.replace("x", _TIMES) if name[:1].isdigit() else name


def minute_text(stamp: str) -> str:
    """The beginning of a stamp (ISO 8601), to the minute: `2026-11-27 22:30`."""
    return stamp[:16].replace("T", " ")


def shortened(text: str, most: int) -> str:
    """A text of at most `most` characters; `…` stands for what was cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def rounded_up(number: float) -> float:
    """A round number that is not smaller: 1, 1.5, 2, 3, 4, 6 or 8 by a power of ten, so that its half is round too."""
    unit = 0.001
    while True:
        for factor in (1, 1.5, 2, 3, 4, 6, 8):
            if unit * factor >= number:
                return unit * factor
        unit *= 10
