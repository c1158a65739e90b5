"""Writes a mapping as readable YAML, which `yaml_reader` reads back as the same mapping. In: keys. Out: text.

Only names with bytes that are no text are escaped, as YAML cannot hold them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from aura_daemon.file_names import encodable
from aura_daemon.formats.yaml_scalars import resolved

_BASE: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_SEPARATORS: Final = re.compile("[\x85\u2028\u2029]")
"""Written with escapes: `yaml_reader` reads them as spaces."""

_NEVER_FOLDED: Final = 1 << 20
"""Characters of a line; longer ones would be folded."""


class _Dumper(_BASE):  # type: ignore[misc]
    """Writes every list out, and quotes text that YAML 1.2 reads as another type, as `1e3` (text in YAML 1.1)."""

    def ignore_aliases(self, data: object) -> bool:
        """Never writes `*name`: `yaml_reader` refuses aliases of lists."""
        return True


def _text(dumper: Any, text: str) -> Any:
    text = encodable(text)
    style = None if isinstance(resolved(text), str) else "'"
    if _SEPARATORS.search(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(keys: Mapping[str, object]) -> str:
    """One document, with the keys in their order."""
    text: str = yaml.dump(dict(keys), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_NEVER_FOLDED)
    return text
