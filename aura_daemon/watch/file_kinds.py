"""What kind of job a file is. In: its name and its first bytes. Out: a kind of job, or why the file is no job.

The extension says what the file claims to be, the bytes say what it is. JSON is a job where it is one of our own
sidecars, known by the `schema` at its top level, or where it clearly holds prompts, as CSV does: so health documents,
failure reports and other people's tables and JSON are left alone.
"""

from __future__ import annotations

import codecs
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

from aura_daemon.formats import file_types
from aura_daemon.formats.datasets.names import METADATA, STEM
from aura_daemon.formats.file_types import SIDECAR_EXTENSION, SIDECAR_SCHEMA, extension_of
from aura_daemon.formats.image_signatures import format_of
from aura_daemon.formats.prompt_lists import json_rows, tables
from aura_daemon.jobs.caption_files import CaptionExtension
from aura_daemon.jobs.sources import ACCEPTED_AS, Accept, SourceKind
from aura_daemon.watch import other_kinds
from aura_daemon.watch.decisions import Leave

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
_INDEX: Final = "index.html"
_METADATA: Final = STEM + METADATA
_OWN_SCHEMAS: Final = "aura-daemon/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mismatch:
    """The file is named like a job, but holds something else: it fails with this reason."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfinished:
    """Nothing has arrived yet but the name, or zeros in place of the content."""

    reason: str


Route: TypeAlias = SourceKind | Leave | Mismatch | Unfinished


def route(name: str, head: bytes, accept: Collection[Accept]) -> Route:
    """The kind of a file by its name (without folders) and its first `HEAD_BYTES` bytes."""
    kind = route_by_name(name, accept)
    if isinstance(kind, Leave):
        return kind
    if not head.strip(b"\0"):
        return Unfinished(reason="it holds nothing yet")
    if kind is SourceKind.PROMPT_TABLE:
        return _table_route(name, head, accept)
    if kind is SourceKind.IMAGE and format_of(head) is None:
        return Mismatch(reason=f"it is named {extension_of(name)} but holds {_described(head)}")
    return kind


def route_by_name(name: str, accept: Collection[Accept]) -> SourceKind | Leave:
    """What a file claims to be by its name (without folders), before it is opened."""
    extension = extension_of(name)
    kind = _KINDS.get(extension)
    if name.casefold() == _INDEX:
        return Leave(reason="an `index.html`, as a daemon's gallery has one", is_usual=True)
    if extension == CaptionExtension.CAPTION:
        return Leave(reason="the caption of a picture", is_usual=True)
    if kind is None:
        reason = f"not a kind of file it knows ({extension or 'no extension'})"
        return Leave(reason=reason, mend=other_kinds.mend_of(extension))
    may_be = {ACCEPTED_AS[kind]} | ({Accept.SIDECAR} if extension == SIDECAR_EXTENSION else set())
    return kind if may_be & set(accept) else _not_accepted(ACCEPTED_AS[kind])


def named_kind(name: str) -> SourceKind:
    """The kind for which the extension of a name stands, whatever the file holds and whatever is accepted."""
    return _KINDS.get(extension_of(name), SourceKind.JOB_FILE)


def _table_route(name: str, head: bytes, accept: Collection[Accept]) -> SourceKind | Leave:
    """What JSON or a table is by its first bytes."""
    is_json, text = extension_of(name) == SIDECAR_EXTENSION, _text_of(head)
    if name.casefold() == _METADATA and '"file_name"' in text:
        return Leave(reason="the list of a set of pictures, as training tools read it", is_usual=True)
    schema = json_rows.schema_of(text) if is_json else ""
    if schema == SIDECAR_SCHEMA:
        kind = SourceKind.SIDECAR
    elif tables.holds_prompts(name, text):
        kind = SourceKind.PROMPT_TABLE
    else:
        return _foreign_json(schema) if is_json else Leave(reason=_NO_PROMPTS, mend=_NAME_PROMPTS)
    return kind if ACCEPTED_AS[kind] in accept else _not_accepted(ACCEPTED_AS[kind])


def _text_of(head: bytes) -> str:
    """The text of the first bytes, which may be cut within a character."""
    encoding = "utf-16" if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    return head.decode(encoding, "ignore")


def _not_accepted(word: Accept) -> Leave:
    reason = f"`accept` in the configuration leaves out {word} files"
    return Leave(reason=reason, mend=f"add `{word}` to `accept` if they should be jobs")


def _foreign_json(schema: str) -> Leave:
    if schema in (file_types.HEALTH_SCHEMA, file_types.FAILURE_SCHEMA):
        return Leave(reason="one of our own health documents or failure reports", is_usual=True)
    if schema.startswith(_OWN_SCHEMAS):
        reason = f"JSON of another version: only schema {SIDECAR_SCHEMA} is read"
        return Leave(reason=reason, mend="update aura-daemon, or write a job file")
    reason = "JSON, but not one of our sidecars, and not clearly a list of prompts"
    return Leave(reason=reason, mend="prompts are objects with a text under `prompt`, or texts of several words")


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
