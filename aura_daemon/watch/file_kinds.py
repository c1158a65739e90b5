"""What kind of job a file is. In: its name and its first bytes. Out: a kind of job, or why the file is no job.

The extension says what the file claims to be, the bytes say what it is. JSON is a job where it is one of our own
sidecars, known by the `schema` at its top level, or where it clearly holds prompts, as CSV does: so health documents,
failure reports and other people's tables and JSON are left alone.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

from aura_daemon.formats import file_types
from aura_daemon.formats.file_types import SIDECAR_EXTENSION, SIDECAR_SCHEMA, extension_of
from aura_daemon.formats.image_signatures import format_of
from aura_daemon.formats.prompt_lists import prompt_tables
from aura_daemon.jobs.sources import ACCEPTED_AS, Accept, SourceKind
from aura_daemon.watch import other_kinds

HEAD_BYTES: Final = 4096
"""How much of the beginning of a file tells its kind."""

_KINDS: Final = {
    **dict.fromkeys(file_types.JOB_FILE_EXTENSIONS, SourceKind.JOB_FILE),
    **dict.fromkeys(file_types.IMAGE_EXTENSIONS, SourceKind.IMAGE),
    ".txt": SourceKind.PROMPT_TEXT,
    **dict.fromkeys(file_types.TABLE_EXTENSIONS, SourceKind.PROMPT_TABLE),
}
"""Extension -> the kind of file that it stands for."""

_OTHERS: Final = {
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop document: export it as PNG",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture: save it as JPEG or PNG",
    b"\xff\x0a": "a JPEG XL picture: save it as JPEG or PNG",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture: save it as JPEG or PNG",
    b"PK\3\4": "an archive: unpack it",
    b"\x1f\x8b": "an archive: unpack it",
}
"""What files begin with that are named like images and are none that is read."""

_NO_PROMPTS: Final = "a table, but not clearly of prompts"
_NAME_PROMPTS: Final = (
    "if it is one, its first line names a column `prompt`, and none of training data (caption, completion, …)"
)
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
    if kind is SourceKind.PROMPT_TABLE:
        return _table_route(name, head, accept)
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
    may_be = {ACCEPTED_AS[kind]} | ({Accept.SIDECAR} if extension == SIDECAR_EXTENSION else set())
    return kind if may_be & set(accept) else _not_accepted(ACCEPTED_AS[kind])


def named_kind(name: str) -> SourceKind:
    """The kind for which the extension of a name stands, whatever the file holds and whatever is accepted."""
    return _KINDS.get(extension_of(name), SourceKind.JOB_FILE)


def _table_route(name: str, head: bytes, accept: Collection[Accept]) -> SourceKind | Foreign:
    """What JSON or a table is by its first bytes."""
    is_json = extension_of(name) == SIDECAR_EXTENSION
    if is_json and _schema_of(head) == SIDECAR_SCHEMA:
        kind = SourceKind.SIDECAR
    elif prompt_tables.holds_prompts(name, _text_of(head)):
        kind = SourceKind.PROMPT_TABLE
    else:
        return _foreign_json(head) if is_json else Foreign(reason=_NO_PROMPTS, mend=_NAME_PROMPTS)
    return kind if ACCEPTED_AS[kind] in accept else _not_accepted(ACCEPTED_AS[kind])


def _text_of(head: bytes) -> str:
    """The text of the first bytes, which may be cut within a character."""
    encoding = "utf-16" if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    return head.decode(encoding, "ignore")


def _not_accepted(word: Accept) -> Foreign:
    reason = f"`accept` in the configuration leaves out {word} files"
    return Foreign(reason=reason, mend=f"add `{word}` to `accept` if they should be jobs")


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
    reason = "JSON, but not one of our sidecars, and not clearly a list of prompts"
    return Foreign(reason=reason, mend="prompts are objects with a text under `prompt`, or texts of several words")


def _described(head: bytes) -> str:
    """What bytes that are no image seem to be."""
    for signature, kind in _OTHERS.items():
        if head.startswith(signature):
            return kind
    if head[4:8] == b"ftyp":
        return "a film, or a picture of a kind that is not read"
    if head.lstrip()[:5].lower() in (b"<!doc", b"<html"):
        return "a web page (a download that went wrong?)"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the end of the head may cut a character in two
    except UnicodeDecodeError:
        return "no image of a known format"
    return "no image of a known format" if b"\0" in head else "text"
