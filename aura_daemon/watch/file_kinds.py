"""What kind of job a file is. In: its name and its first bytes. Out: a kind of job, or why the file is no job.

The extension says what the file claims to be, the bytes say what it is. Our own sidecars are the only JSON files that
are jobs; they are known by the `schema` at their top level, so that health documents, failure reports and other
people's JSON are left alone.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

from aura_daemon.formats import file_types
from aura_daemon.formats.file_types import SIDECAR_SCHEMA, extension_of
from aura_daemon.formats.image_signatures import format_of, is_heic
from aura_daemon.jobs.sources import ACCEPTED_AS, Accept, SourceKind
from aura_daemon.watch import other_kinds

HEAD_BYTES: Final = 4096
"""How much of the beginning of a file tells its kind."""

TAIL_BYTES: Final = 65_536
"""How much of the end of an image tells whether it is complete."""

_KINDS: Final = {
    **dict.fromkeys(file_types.JOB_FILE_EXTENSIONS, SourceKind.JOB_FILE),
    **dict.fromkeys(file_types.IMAGE_EXTENSIONS, SourceKind.IMAGE),
    ".txt": SourceKind.PROMPT_TEXT,
    ".json": SourceKind.SIDECAR,
}
"""Extension -> the kind of file that it stands for."""

_OWN_SCHEMAS: Final = "aura-daemon/"
_JSON_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{}:,]', re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """The file is no job: it is left alone."""

    reason: str
    mend: str = ""
    """What to do if it should be one."""
    is_usual: bool = False
    """Such files are expected in an inbox, and nobody need be told of them."""

    def __str__(self) -> str:
        return f"{self.reason}; {self.mend}" if self.mend else self.reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Mismatch:
    """The file is named like a job, but holds something else: it fails with this reason."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfinished:
    """Nothing has arrived yet but the name, or zeros in place of the content."""

    reason: str


Route: TypeAlias = SourceKind | Foreign | Mismatch | Unfinished


def route(name: str, head: bytes, accept: Collection[Accept]) -> Route:
    """The kind of a file by its name (without folders) and its first `HEAD_BYTES` bytes."""
    kind = route_by_name(name, accept)
    if isinstance(kind, Foreign):
        return kind
    if not head.strip(b"\0"):
        return Unfinished(reason="it holds nothing yet")
    if kind is SourceKind.SIDECAR:
        return kind if _schema_of(head) == SIDECAR_SCHEMA else _foreign_json(head)
    if kind is SourceKind.IMAGE and format_of(head) is None:
        return Mismatch(reason=f"it is named {extension_of(name)} but holds {_described(head)}")
    return kind


def route_by_name(name: str, accept: Collection[Accept]) -> SourceKind | Foreign:
    """What a file claims to be by its name (without folders), before it is opened."""
    extension = extension_of(name)
    kind = _KINDS.get(extension)
    if kind is None:
        reason = f"not a kind of file it knows ({extension or 'no extension'})"
        return Foreign(reason=reason, mend=other_kinds.mend_of(extension))
    if ACCEPTED_AS[kind] not in accept:
        reason = f"`accept` in the configuration leaves out {ACCEPTED_AS[kind]} files"
        return Foreign(reason=reason, mend=f"add `{ACCEPTED_AS[kind]}` to `accept` if they should be jobs")
    return kind


def _schema_of(head: bytes) -> str:
    """The text under `schema` at the top level of a JSON object, anywhere in the head; empty where there is none."""
    tokens = _JSON_TOKEN.findall(head)
    depth = 0
    for index, token in enumerate(tokens):
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth == 1 and token == b'"schema"' and tokens[index + 1 : index + 2] == [b":"]:
            value = b"".join(tokens[index + 2 : index + 3])
            return value.strip(b'"').replace(b"\\/", b"/").decode("utf-8", "replace")
    return ""


def _foreign_json(head: bytes) -> Foreign:
    schema = _schema_of(head)
    if schema in (file_types.HEALTH_SCHEMA, file_types.FAILURE_SCHEMA):
        return Foreign(reason="one of our own health documents or failure reports", is_usual=True)
    if schema.startswith(_OWN_SCHEMAS):
        reason = f"JSON of another version: only schema {SIDECAR_SCHEMA} is read"
        return Foreign(reason=reason, mend="update aura-daemon, or write a job file")
    mend = "call it `.yaml` if it is a job, as YAML reads JSON too"
    return Foreign(reason="JSON, but not one of our sidecars", mend=mend)


def _described(head: bytes) -> str:
    """What bytes that are no image seem to be."""
    if is_heic(head):
        return "a HEIC picture: convert it to JPEG or PNG"
    if head.startswith(b"%PDF"):
        return "a PDF"
    if head.lstrip()[:5].lower() in (b"<!doc", b"<html"):
        return "a web page (a download that went wrong?)"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the end of the head may cut a character in two
    except UnicodeDecodeError:
        return "no image of a known format"
    return "no image of a known format" if b"\0" in head else "text"
