"""A mapping -> YAML that `yamltext` reads back as the same, and a person likes to read. In: keys. Out: text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from aura_daemon.formats.yaml_scalars import resolved

_BASE: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_NEVER_FOLDED: Final = 1 << 20
"""Characters of a line."""


class _Dumper(_BASE):  # type: ignore[misc]
    """Writes each list out, and quotes what YAML 1.2 would not take for text (in 1.1, PyYAML's, `1e3` is)."""

    def ignore_aliases(self, data: object) -> bool:
        """Nothing is written as `*name`: aliases of lists are not read."""
        return True


def _text(dumper: Any, text: str) -> Any:
    style = None if isinstance(resolved(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def written(keys: Mapping[str, object]) -> str:
    """One document, the keys in their order."""
    found: str = yaml.dump(
        dict(keys), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_NEVER_FOLDED, default_flow_style=False
    )
    return found
