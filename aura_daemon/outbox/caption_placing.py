"""Where a caption is written, and what its file holds. In: a job, its result. Out: both for their places.

The text beside a picture is the one thing that is written into the inbox. It is composed with what lies there, and the
journal has its hash before it is written. So a daemon that is killed finds its own text again, and joins nothing twice;
a text that somebody has changed meanwhile is composed anew. Where nothing can be written beside the picture, the text
goes to the outbox: a caption is not thrown away, and a folder that takes no files may never take any.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from aura_daemon import file_names
from aura_daemon.formats.caption_texts import finished
from aura_daemon.formats.datasets.names import METADATA, STEM
from aura_daemon.formats.plain_text import MOST_BYTES, decoded
from aura_daemon.jobs.caption_files import CaptionExtension, CaptionFile, CaptionPlace, ExistingText
from aura_daemon.jobs.requests import CaptionRequest, DatasetRequest
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import Payload, Produced
from aura_daemon.journal.records import Job
from aura_daemon.system import durable_files
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import why_denied

_FOR_GOOD: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ENOENT}
)
"""Refusals of a file system that do not pass by themselves, as a full disk does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextBeside:
    """The text beside a picture."""

    path: str
    """Below the inbox."""
    content: bytes = field(repr=False)
    replaces: str | None
    """Hash of the text that is replaced; None where there is none."""
    is_kept: bool = False
    """Whether it is somebody's text that stays as it is; the caption is in the outbox then."""

    @property
    def sha256(self) -> str:
        """Hash of the text."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What lies where a text is to be written."""

    content: bytes | None = None
    """None where nothing lies there."""
    obstacle: str = ""
    """Why nothing can be written there, or be joined with what lies there."""


class CaptionPlacing:
    """Places the captions of one inbox. Raises OSError for faults of the file system that may pass."""

    def __init__(self, inbox: Path, is_of_set: Callable[[str], bool]) -> None:
        """`is_of_set`: whether a file of this hash was written for a set of pictures before."""
        self._inbox = inbox
        self._is_of_set = is_of_set
        self._temp_folder = inbox / file_names.OWN_FOLDER / "tmp"
        self._refused: dict[str, str] = {}
        """Path of a text -> why the file system would not take it, until the text is placed anew."""

    def placed(self, job: Job, produced: Produced) -> tuple[Produced, TextBeside | None]:
        """A result whose payloads are those for the outbox, and its text beside the picture; nothing is written."""
        request = job.request
        if isinstance(request, DatasetRequest):
            return self._of_set(job, request, produced)
        plain = next((one for one in produced.payloads if one.extension == CaptionExtension.TXT), None)
        if not isinstance(request, CaptionRequest) or request.caption is None or plain is None:
            return produced, None
        file = request.file
        found = self._found(request)
        if isinstance(produced.resolved, ResolvedCaption):
            produced = replace(produced, resolved=replace(produced.resolved, caption=file))
        before = (decoded(found.content) if found.content is not None else None) or ""
        content = f"{finished(produced.text, file, before)}\n".encode()
        in_outbox = _with_text(produced, plain, replace(plain, extension=file.extension, content=content))
        if file.place is CaptionPlace.OUTBOX:
            is_joined = file.existing in (ExistingText.APPEND, ExistingText.PREPEND)
            warnings = (f"its own text is left out: {found.obstacle}",) if is_joined and found.obstacle else ()
            return replace(in_outbox, warnings=(*produced.warnings, *warnings)), None
        there = _sha256(found.content) if found.content is not None else None
        is_ours = there is not None and there in (job.payload_sha256 or "").split()  # a crash came after it was written
        if found.content is not None and (is_ours or found.content == content):
            text = TextBeside(path=request.text_path, content=found.content, replaces=there)
            return _with_text(produced, plain, None), text
        if found.obstacle:
            warning = f"the text lies in the outbox, not beside the picture: {found.obstacle}"
            return replace(in_outbox, warnings=(*produced.warnings, warning)), None
        if found.content is not None and found.content.strip() and _is_kept(file):
            kept = TextBeside(path=request.text_path, content=found.content, replaces=there, is_kept=True)
            return in_outbox, kept
        text = TextBeside(path=request.text_path, content=content, replaces=there)
        return _with_text(produced, plain, None), text

    def _of_set(self, job: Job, request: DatasetRequest, produced: Produced) -> tuple[Produced, TextBeside | None]:
        """The list of a set that stays in the inbox lies there too: its loader wants it in the folder of the pictures.

        A list that somebody has written, or changed, is replaced only where that is asked for.
        """
        lines = next(one for one in produced.payloads if one.extension == METADATA)
        if request.file.place is not CaptionPlace.BESIDE:
            return produced, None
        path = f"{request.base}/{STEM}{METADATA}".lstrip("/")
        obstacle = self._refused.pop(path, "")
        if not obstacle and regular_files.leads_astray((self._inbox / path).parent, below=self._inbox):
            obstacle = "a link on the way there leads out of the inbox"
        found = None
        if not obstacle:
            try:
                found = self._sha256_at(self._inbox / path)
            except (PermissionError, regular_files.NotARegularFile) as error:
                obstacle = f"{file_names.escaped(path)} cannot be read: {error.strerror}"
        is_ours = found is None or found in (job.payload_sha256 or "").split() or self._is_of_set(found)
        if not obstacle and not is_ours and request.file.existing is not ExistingText.REPLACE:
            obstacle = f"{file_names.escaped(path)} was written by somebody else; `existing: replace` replaces it"
        if obstacle:
            warning = f"the list of the set lies in the outbox alone: {obstacle}"
            return replace(produced, warnings=(*produced.warnings, warning)), None
        return produced, TextBeside(path=path, content=lines.content, replaces=found)

    def write(self, text: TextBeside) -> None:
        """Writes a text beside its picture, durably; raises FileExistsError where it must be placed anew."""
        place = self._inbox / text.path
        there = self._sha256_at(place)
        if text.is_kept or there == text.sha256:
            return
        if there != text.replaces:
            raise FileExistsError(errno.EEXIST, "somebody has written to it", os.fspath(place))
        try:
            durable_files.write(place, text.content, temp_folder=self._temp_folder, replace=there is not None)
        except OSError as error:
            if error.errno not in _FOR_GOOD:
                raise
            reason = why_denied(error, place, writes=True)
            if not isinstance(error, PermissionError):
                reason += "; make its folder one that takes files, or leave `place: beside` out"
            self._refused[text.path] = f"{file_names.escaped(text.path)} cannot be written: {reason}"
            raise FileExistsError(errno.EEXIST, "it goes to the outbox", os.fspath(place)) from error

    def _found(self, request: CaptionRequest) -> _Found:
        """What lies where the text of a picture belongs."""
        path, picture = request.text_path, file_names.escaped(request.picture or request.image or "the picture")
        if not path:
            return _Found(obstacle=f"{picture} was not in the inbox")
        if refusal := self._refused.pop(path, ""):
            return _Found(obstacle=refusal)
        place, name = self._inbox / path, file_names.escaped(path)
        if regular_files.leads_astray(place.parent, below=self._inbox):
            return _Found(obstacle=f"a link on the way to {name} leads out of the inbox")
        is_beside = request.file.place is CaptionPlace.BESIDE  # else the picture is claimed by a rename
        if is_beside and not regular_files.exists(self._inbox / request.picture):
            return _Found(obstacle=f"{picture} is not in the inbox any more")  # a text alone would be a prompt
        try:
            content = regular_files.read(place, most_bytes=MOST_BYTES + 1, below=self._inbox).content
        except FileNotFoundError:
            return _Found()
        except regular_files.NotARegularFile:
            return _Found(obstacle=f"{name} is there, and no regular file")
        except PermissionError as error:
            return _Found(obstacle=f"{name} cannot be read: {why_denied(error, place)}")
        if request.file.existing in (ExistingText.APPEND, ExistingText.PREPEND):
            if len(content) > MOST_BYTES:
                return _Found(obstacle=f"{name} is longer than {MOST_BYTES:,} bytes")
            if decoded(content) is None:
                return _Found(obstacle=f"{name} is no text in UTF-8")
        return _Found(content=content)

    def _sha256_at(self, place: Path) -> str | None:
        try:
            return _sha256(regular_files.read(place, below=self._inbox).content)
        except FileNotFoundError:
            return None


def _is_kept(file: CaptionFile) -> bool:
    """Whether a text that is there stays; it came after the picture was judged where such pictures are skipped."""
    return file.existing in (ExistingText.KEEP, ExistingText.SKIP)


def _with_text(produced: Produced, plain: Payload, text: Payload | None) -> Produced:
    """A result with another text among its payloads, or with none."""
    payloads = (text if one is plain else one for one in produced.payloads)
    return replace(produced, payloads=tuple(one for one in payloads if one is not None))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
