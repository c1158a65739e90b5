"""`look`: a result itself, and what is written beside it. In: a name below the outbox. Out: a picture or a text."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

from mcp_types import ImageContent

from aura_daemon.errors import Problem, UserError
from aura_daemon.file_names import escaped
from aura_daemon.formats.file_types import CAPTION_SIDECAR_EXTENSION, IMAGE_EXTENSIONS, SIDECAR_EXTENSION, extension_of
from aura_daemon.jobs.caption_files import CaptionExtension
from aura_daemon.mcp_server.answers import Answer, Look, ResultKind
from aura_daemon.mcp_server.calls import Call
from aura_daemon.mcp_server.names import name_below
from aura_daemon.mcp_server.picture_scaler import scaled_picture
from aura_daemon.mcp_server.questions import LookQuestion
from aura_daemon.mcp_server.scaling import ShownPicture
from aura_daemon.problems import cut
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import why_denied

TEXTS: Final = frozenset({*CaptionExtension, ".md", ".json", ".svg"})
MOST_CHARACTERS: Final = 20_000
"""Of a text that is handed over."""

MOST_SIDECAR_BYTES: Final = 1 << 20


def look(call: Call, wanted: LookQuestion) -> Answer:
    """Reads a result; raises UserError where there is none, or where it is no picture and no text."""
    outbox, limits = call.settings.outbox, call.settings.limits
    name = name_below("result", wanted.result, outbox, root="outbox")
    if isinstance(name, Problem):
        raise UserError([name])
    extension = extension_of(name)
    if extension in IMAGE_EXTENSIONS:
        content = _content(outbox, name, limits.image_bytes)
        shown = scaled_picture(content, call.settings, most_px=wanted.most_px)
        if isinstance(shown, Problem):
            raise UserError([Problem(file=cut(name), message=shown.message)])
        return _picture(name, shown, _sidecar(outbox, name))
    if extension not in TEXTS:
        message = f"is no result that can be looked at: pictures and {', '.join(sorted(TEXTS))} can"
        raise UserError([Problem(file=cut(name), message=message)])
    text = _content(outbox, name, MOST_CHARACTERS * 4, cuts=True).decode("utf-8", "replace")[:MOST_CHARACTERS].strip()
    sidecar = None if extension == SIDECAR_EXTENSION else _sidecar(outbox, name)
    data = Look(result=escaped(name), kind=ResultKind.TEXT, text=text, sidecar=sidecar)
    return Answer(data=data, text=text)


def _picture(name: str, shown: ShownPicture, sidecar: dict[str, Any] | None) -> Answer:
    (width, height), (shown_width, shown_height) = shown.size, shown.shown
    data = Look(
        result=escaped(name),
        kind=ResultKind.PICTURE,
        width=width,
        height=height,
        shown_width=shown_width,
        shown_height=shown_height,
        sidecar=sidecar,
    )
    scaled = "" if shown.size == shown.shown else f", shown at {shown_width}x{shown_height}"
    text = f"{escaped(name)}: {width}x{height}{scaled}{_told(sidecar or {})}"
    picture = ImageContent(data=base64.b64encode(shown.content).decode("ascii"), mime_type=shown.mime_type)
    return Answer(data=data, text=text, pictures=(picture,))


def _told(sidecar: dict[str, Any]) -> str:
    """What tells most of a sidecar, which a stranger may have written."""
    request, model = sidecar.get("request"), sidecar.get("model")
    parts = []
    if isinstance(request, dict):
        parts += [
            f"{key} {json.dumps(request[key], ensure_ascii=False)}" for key in ("prompt", "seed") if key in request
        ]
    if isinstance(model, dict) and "name" in model:
        parts.append(f"model {json.dumps(model['name'])}")
    return "".join(f", {part}" for part in parts)


def _content(outbox: Path, name: str, most_bytes: int, *, cuts: bool = False) -> bytes:
    try:
        content = regular_files.read(outbox / name, most_bytes=most_bytes + 1, below=outbox).content
    except OSError as error:
        reason = why_denied(error, outbox / name)
        raise UserError([Problem(file=cut(name), message=f"cannot be read: {reason}")]) from None
    if len(content) > most_bytes and not cuts:
        message = f"is larger than {most_bytes:,} bytes (limits.image_bytes)"
        raise UserError([Problem(file=cut(name), message=message)])
    return content[:most_bytes]


def _sidecar(outbox: Path, name: str) -> dict[str, Any] | None:
    """What is written beside a result; None where that is gone, or is no sidecar."""
    stem = name[: len(name) - len(extension_of(name))]
    may_lie_apart = name.endswith(tuple(CaptionExtension))
    ends = (CAPTION_SIDECAR_EXTENSION, SIDECAR_EXTENSION) if may_lie_apart else (SIDECAR_EXTENSION,)
    for end in ends:
        try:
            content = regular_files.read(outbox / (stem + end), most_bytes=MOST_SIDECAR_BYTES, below=outbox).content
            found = json.loads(content)
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None
