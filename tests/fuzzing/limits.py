"""What one input may take. In: a reader, an input. Out: nothing, or an exception that says which bound was broken."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Final

PLAIN_S: Final = 2.0
"""Seconds of the processor that any input may take, however short."""

PER_KB_S: Final = 0.03
"""Seconds more for each 1,000 bytes: several times what the slowest reader takes while coverage is counted."""

MOST_BYTES: Final = 256_000_000
"""By which one input may make the process grow beyond its highest so far."""

MOST_INPUT_BYTES: Final = 65_536
"""Of an input that a fuzzer makes: a reader whose time grows with the square shows at this length."""


class TooSlow(Exception):
    """An input took more time than its length explains."""


class TooLarge(Exception):
    """An input took more memory than a file may."""


class BrokenContract(Exception):
    """A reader gave what it says that it never gives."""


def must(holds: bool, said: str) -> None:
    """Raises BrokenContract."""
    if not holds:
        raise BrokenContract(said)


def bounded(read: Callable[[bytes], None], content: bytes) -> None:
    """Reads within the bounds; raises what the reader raises."""
    highest_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began_s = time.process_time()
    read(content)
    taken_s = time.process_time() - began_s
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - highest_kb) * 1024
    if taken_s > PLAIN_S + PER_KB_S * len(content) / 1000:
        raise TooSlow(f"{len(content)} bytes took {taken_s:.2f} s")
    if grown > MOST_BYTES:
        raise TooLarge(f"{len(content)} bytes took {grown:,} bytes of memory")
