"""The shipped configuration file, with some of its values replaced. In: values. Out: YAML with all comments.

config/aura.yaml is that file: it shows every key at its default, and it is all that there is of a template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from aura_daemon.formats.yaml_writer import to_yaml

SHIPPED: Final = "aura.yaml"
"""In this package."""

HEAD: Final = re.compile(r"\A(?:#.*\n)+")
"""What the shipped file says of itself and of where relative paths start."""


def with_values(values: Mapping[str, str], *, head: str) -> str:
    """The file with these values and with another comment at its top. Keys: `inbox`, `generate.model`."""
    text = files(__package__).joinpath(SHIPPED).read_text(encoding="utf-8")
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        start = text.index(f"\n{section}:\n") if section else 0
        line = re.compile(rf"^{'  ' if section else ''}{name}: .*$", re.MULTILINE)
        found = line.search(text, start)
        assert found is not None, f"the shipped configuration lacks {key}"
        indent = "  " if section else ""
        text = f"{text[: found.start()]}{indent}{to_yaml({name: value}).rstrip()}{text[found.end() :]}"
    return HEAD.sub(lambda _: "".join(f"# {line}\n" for line in head.splitlines()), text, count=1)
