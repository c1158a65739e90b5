"""What decoders raise on damaged data. In: nothing. Out: classes of exceptions."""

from __future__ import annotations

import struct
import zlib
from typing import Final

BROKEN: Final = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""Caught only around calls of decoders."""
