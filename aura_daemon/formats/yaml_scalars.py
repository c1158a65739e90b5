"""Resolves plain scalars by YAML 1.2's core schema (section 10.3.2). In: the text of a scalar. Out: a value.

`16:9`, dates, `no` and `on` are text; YAML 1.1, which PyYAML follows, reads them as 969, dates, false and true.
"""

from __future__ import annotations

import re
from typing import Final

_TYPED: Final = re.compile(
    r"(?P<null>~|null|Null|NULL|)"
    r"|(?P<bool>true|True|TRUE|false|False|FALSE)"
    r"|(?P<int>[-+]?[0-9]+)"
    r"|(?P<octal_or_hex>0o[0-7]+|0x[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<infinity>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
"""One pattern, as every plain scalar of every file passes it."""
_MOST_DIGITS: Final = 400
"""Longer numbers stay text: no key accepts them, and converting them is slow."""


def resolved(text: str) -> object:
    """The value of a plain scalar."""
    typed = _TYPED.fullmatch(text) if len(text) <= _MOST_DIGITS else None
    match typed and typed.lastgroup:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text)
        case "octal_or_hex":
            return int(text, 0)
        case "float":
            return float(text)
        case "infinity":
            return float(text.replace(".", ""))
        case _:
            return text
