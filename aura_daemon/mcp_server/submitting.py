"""`submit_prompt`, `submit_picture`: what agents want becomes files in the inbox. In: arguments. Out: what to wait for.

Everything is checked as the daemon checks a job file, with its limits, before anything is written. A picture comes with
the call or lies in the inbox or the outbox already; no other file can be named.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import PurePosixPath
from typing import Any, Final

from aura_daemon.config.folder_checks import misplaced
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.status import running_health
from aura_daemon.daemon.submission import Picture, Submission
from aura_daemon.daemon.waiting import START_IT
from aura_daemon.errors import Problem, UserError
from aura_daemon.file_names import escaped
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, extension_of
from aura_daemon.formats.image_signatures import format_of
from aura_daemon.jobfile.keys.upscale import UPSCALE
from aura_daemon.mcp_server.answers import Answer, HandedIn
from aura_daemon.mcp_server.calls import Call
from aura_daemon.mcp_server.names import name_below
from aura_daemon.mcp_server.questions import GivenPicture, PictureQuestion, PromptQuestion
from aura_daemon.problems import cut
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import why_denied

_DIRECT: Final = ("negative_prompt", "aspect_ratio", "count", "seed", "steps", "model", "upscale")
"""Keys of jobs that are arguments of their own."""


def submit_prompt(call: Call, wanted: PromptQuestion) -> Answer:
    """Hands a prompt in; raises UserError with every problem."""
    keys: dict[str, Any] = {"prompt": wanted.prompt}
    keys |= {key: value for key in _DIRECT if (value := getattr(wanted, key)) is not None}
    given = {"image": wanted.image, "mask": wanted.mask}
    found = {role: _picture(role, one, call.settings) for role, one in given.items() if one is not None}
    return _submitted(call, keys, wanted.settings, found, wanted.name)


def submit_picture(call: Call, wanted: PictureQuestion) -> Answer:
    """Hands a picture in: for a caption, to be enlarged, or for what `settings` say; raises UserError with problems."""
    keys: dict[str, Any] = {} if wanted.upscale is None else {UPSCALE: wanted.upscale}
    if "task" not in wanted.settings:
        keys["task"] = UPSCALE if UPSCALE in {*keys, *wanted.settings} else "caption"
    if wanted.question is not None:
        keys["prompt"] = wanted.question
    found = {"image": _picture("picture", wanted.picture, call.settings)}
    return _submitted(call, keys, wanted.settings, found, wanted.name)


def _submitted(
    call: Call, keys: dict[str, Any], more: dict[str, Any], found: dict[str, Picture | Problem], name: str
) -> Answer:
    settings = call.settings
    problems = [problem for problem in found.values() if isinstance(problem, Problem)]
    twice = sorted(more.keys() & {*keys, *found})
    problems += [Problem(key=f"settings.{key}", message="is there twice: as an argument too") for key in twice]
    misplaced_folders = misplaced(call.loaded)
    if not misplaced_folders and not settings.inbox.exists():
        # The default one. Agents' programs start servers anywhere: an inbox made there would be nobody's.
        message = f"{settings.inbox} does not exist: start the daemon once, or name its configuration with --config"
        misplaced_folders = (Problem(key="inbox", message=message),)
    if problems := [*misplaced_folders, *problems]:
        raise UserError(problems)
    desk = Submission(settings)
    pictures = {role: picture for role, picture in found.items() if isinstance(picture, Picture)}
    draft = desk.of_keys({**keys, **more}, pictures, name=name)
    if isinstance(draft, tuple):
        raise UserError(draft)
    handed_in = desk.deliver(draft)
    is_running = running_health(settings.state_folder()) is not None
    file, jobs = escaped(handed_in.path), f"{handed_in.jobs} job{'s' * (handed_in.jobs != 1)}"
    text = [f"{file}: {jobs} handed in; `wait` with this file waits for the end"]
    text += [f"warning: {warning}" for warning in handed_in.warnings]
    text += [] if is_running else [f"{START_IT}; until then it waits in the inbox"]
    data = HandedIn(file=file, jobs=handed_in.jobs, warnings=list(handed_in.warnings), is_daemon_running=is_running)
    return Answer(data=data, text="\n".join(text))


def _picture(key: str, given: GivenPicture, settings: Settings) -> Picture | Problem:
    sources = [name for name in ("data", "file", "result") if getattr(given, name) is not None]
    if len(sources) != 1:
        return Problem(
            key=key, message="needs exactly one of data (base64), file (in the inbox), result (in the outbox)"
        )
    most_bytes = settings.limits.image_bytes
    if given.data is not None:
        return _picture_of_data(key, given.data, most_bytes)
    root, folder = ("inbox", settings.inbox) if given.file is not None else ("outbox", settings.outbox)
    name = name_below(f"{key}.{sources[0]}", given.file or given.result or "", folder, root=root)
    if isinstance(name, Problem):
        return name
    if extension_of(name) not in IMAGE_EXTENSIONS:
        return Problem(key=f"{key}.{sources[0]}", message="must be the name of a picture", given=cut(name))
    try:
        content = regular_files.read(folder / name, most_bytes=most_bytes + 1, below=folder).content
    except OSError as error:
        reason = why_denied(error, folder / name)
        return Problem(key=f"{key}.{sources[0]}", message=f"cannot be read: {reason}", given=cut(name))
    return Picture(name=PurePosixPath(name).name, content=content)  # too large a one is told by its check


def _picture_of_data(key: str, data: str, most_bytes: int) -> Picture | Problem:
    key = f"{key}.data"
    if data.startswith("data:"):
        data = data.partition(",")[2]
    if len(data) > most_bytes * 4 // 3 + 4:
        return Problem(key=key, message=f"the image is larger than {most_bytes:,} bytes (limits.image_bytes)")
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return Problem(key=key, message="must be the bytes of a picture in base64")
    signature = format_of(content)
    if signature is None:
        return Problem(key=key, message="these bytes are no picture of a kind that is read (png, jpg, webp, heic, …)")
    return Picture(name=f"picture.{signature}", content=content)
