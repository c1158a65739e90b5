"""What a hub may say: names, sizes and hashes of files. In: an answer. Out: what no hub says in it, empty for nothing.

The hub's client makes paths of what it is told: of names of files, but of commits and hashes too. Whoever answers in
the hub's place could have it write anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

MOST_NAME_CHARACTERS: Final = 1_000

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ETAG: Final = re.compile(r'(?:W/)?"?[0-9A-Za-z_:=+-]{1,200}"?')

_HEADERS: Final = {"etag": _ETAG, "x-linked-etag": _ETAG, "x-repo-commit": _COMMIT}
"""Headers that become parts of paths."""


def header_fault(headers: Mapping[str, str]) -> str:
    """The first header of an answer that could lead a path elsewhere."""
    for name, pattern in _HEADERS.items():
        value = headers.get(name)
        if value is not None and not pattern.fullmatch(value):
            return f"its {name} is {value[:80]!r}"
    return ""


def answer_fault(content: bytes) -> str:
    """What is wrong with the JSON that tells about a model, or lists its files."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return "it is no JSON"
    if isinstance(answer, list):
        return next(filter(None, map(_file_fault, answer)), "")
    if not isinstance(answer, dict):
        return "it is neither an object nor a list"
    return next(filter(None, _model_faults(answer)), "")


def listed(content: bytes) -> int:
    """How many files an answer lists that `answer_fault` has let through."""
    answer = json.loads(content)
    return len(answer if isinstance(answer, list) else answer.get("siblings") or ())


def _model_faults(answer: Mapping[str, Any]) -> Iterator[str]:
    if "sha" in answer and not _is(answer["sha"], _COMMIT):
        yield f"it names the commit {_shown(answer['sha'])}"
    for key, kind in (("siblings", list), ("cardData", dict), ("tags", list)):
        if not isinstance(answer.get(key) or kind(), kind):
            yield f"its {key} are {_shown(answer[key])}"
            return
    for sibling in answer.get("siblings") or ():
        name = sibling.get("rfilename") if isinstance(sibling, dict) else sibling
        if not _is_below(name):
            yield f"it names the file {_shown(name)}"


def _file_fault(entry: object) -> str:
    """What is wrong with one entry of the list of files."""
    if not isinstance(entry, dict):
        return f"it lists {_shown(entry)}"
    if not _is_below(entry.get("path")):
        return f"it lists the file {_shown(entry.get('path'))}"
    large = entry.get("lfs") or {}
    if not isinstance(large, dict):
        return f"it lists {_shown(large)}"
    hashes = [entry[key] for key in ("oid", "xetHash") if key in entry] + [
        large[key] for key in ("oid",) if key in large
    ]
    sizes = [one["size"] for one in (entry, large) if "size" in one]
    if not all(_is(one, _HASH) for one in hashes):
        return f"it lists {_shown(entry['path'])} with the hash {_shown(next(x for x in hashes if not _is(x, _HASH)))}"
    if not all(type(size) is int and 0 <= size < 1 << 53 for size in sizes):
        return f"it lists {_shown(entry['path'])} with a size of {_shown(sizes)}"
    return ""


def _is(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_below(name: object) -> bool:
    """Whether a name stays below the folder that it is joined to, on any system."""
    if not isinstance(name, str) or not 0 < len(name) <= MOST_NAME_CHARACTERS or not name.isprintable():
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name


def _shown(value: object) -> str:
    return repr(str(value)[:80])
