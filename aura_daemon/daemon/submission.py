"""Hands jobs in: keys, pictures, files or texts become files in the inbox. In: what is wanted. Out: what to wait for.

A draft is checked as the daemon will check the file, with the settings of the folder that it goes to; whatever is wrong
is told before anything is written. Its file gets a fresh name: neither the inbox, the journal nor the outbox knows it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

from aura_daemon.config.settings import Settings
from aura_daemon.daemon.explain import path_below
from aura_daemon.daemon.file_contents import FileContents
from aura_daemon.daemon.submitted_names import fresh_stems, placed, slug
from aura_daemon.errors import Problem, UserError
from aura_daemon.file_names import escaped
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, JOB_FILE_EXTENSIONS, TABLE_EXTENSIONS, extension_of
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.jobfile import from_picture
from aura_daemon.jobfile.image_names import image_names
from aura_daemon.jobfile.parser import ParsedFile
from aura_daemon.jobfile.validation import RegenerateSpec
from aura_daemon.jobs.sources import Accept
from aura_daemon.system import durable_files
from aura_daemon.system.files import regular_files
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.system.permissions import why_denied

_ROLES: Final = {"image": "", "mask": "-mask"}
"""The keys that pictures are given for, and what is put behind their names."""

Files: TypeAlias = dict[str, bytes]
"""Names below a folder of the inbox -> contents, in the order in which they are delivered: job file, then pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture to hand in with a job."""

    name: str
    """Its file's name, without folders."""
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """Something checked that can be handed in."""

    folder: str
    """Below the inbox; empty for the inbox itself."""
    stem: str
    files: Callable[[str], Files]
    """The files under a stem; the first of them asks for the jobs."""
    jobs: int
    warnings: tuple[str, ...] = ()
    """What was read otherwise than the writer may have meant."""
    pictures: tuple[Path, ...] = ()
    """Files that are handed in besides, as a job file names them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submitted:
    """A file that lies in the inbox now."""

    path: str
    """Below the inbox; `waiting` waits for it."""
    jobs: int
    warnings: tuple[str, ...] = ()


def picture_at(path: Path) -> Picture | Problem:
    """Reads a picture from a disk."""
    content = _read(path)
    return content if isinstance(content, Problem) else Picture(name=path.name, content=content)


class Submission:
    """Hands jobs in at one inbox."""

    def __init__(self, settings: Settings) -> None:
        """Raises UserError where the inbox is away, or what jobs may name cannot be read."""
        self._settings = settings
        if absence := MountGuard(settings.inbox, settings.state_folder()).absence():
            raise UserError([Problem(key="inbox", message=absence)])
        try:
            self._contents = FileContents(settings, settings.accept)
            self._pictures = FileContents(settings, frozenset(Accept))  # an inbox need not take them alone
        except OSError as error:
            raise UserError([Problem(message=f"{error.filename} cannot be read: {error.strerror}")]) from None

    def of_keys(
        self, keys: Mapping[str, object], pictures: Mapping[str, Picture] | None = None, *, name: str = ""
    ) -> Draft | tuple[Problem, ...]:
        """A job of its keys, as a job file has them; or everything that is wrong.

        `pictures`: for the keys `image` and `mask`. `name`: what the file is to be called, with folders of the inbox
        before it; without one it is called as the prompt or the picture.
        """
        pictures = pictures or {}
        place = placed(self._settings, name, _telling(keys, pictures))
        if isinstance(place, Problem):
            return (place,)
        folder, stem = place
        named = {role: _ROLES[role] + extension_of(picture.name) for role, picture in pictures.items()}

        def files(stem: str) -> Files:
            names = {role: stem + end for role, end in named.items()}
            document = to_yaml({**keys, **names}).encode()
            return {f"{stem}.yaml": document, **{names[role]: pictures[role].content for role in pictures}}

        try:
            json.dumps(dict(keys), ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            return (Problem(message="the text is no UTF-8: it holds bytes that stand for no character"),)
        content = next(iter(files(stem).values()))
        found = self._checked(folder, "job.yaml", content, shown="")
        if not isinstance(found, ParsedFile):
            # The line in a file that nobody has seen tells nothing.
            return tuple(problem if problem.file else replace(problem, line=None) for problem in _problems(found))
        problems = [*self._problems_of_pictures(pictures)]
        problems += self._problems_of_regenerating(found, pictures.get("image"))
        return tuple(problems) or _draft(folder, stem, files, found)

    def of_file(self, path: Path, *, name: str = "") -> Draft | tuple[Problem, ...]:
        """A file of jobs, a picture or a sidecar somewhere on a disk, which stays there; or everything that is wrong.

        A job file whose images lie beside it goes with them into a folder of its own.
        """
        shown = escaped(os.fspath(path))
        if (inside := path_below(path.absolute(), self._settings.inbox)) is not None and not path.is_dir():
            message = f"lies in the inbox already: `aura-daemon why {escaped(inside)}` says what becomes of it"
            return (Problem(file=shown, message=message),)
        content = _read(path)
        if isinstance(content, Problem):
            return (content,)
        beside = _images_beside(path, content)
        draft = self.of_content(path.name, content, shown=shown, name=name)
        if not beside or not isinstance(draft, Draft):
            return draft
        read: Files = {}
        for image, place in beside.items():
            picture = picture_at(place)
            if isinstance(picture, Problem):
                return (picture,)
            if problem := self._contents.problem_of_image(picture.content):
                return (Problem(file=picture.name, message=problem),)
            read[image] = picture.content

        def files(stem: str) -> Files:
            return {f"{stem}/{file}": data for file, data in {path.name: content, **read}.items()}

        return replace(draft, files=files, pictures=tuple(beside.values()))

    def of_content(self, file_name: str, content: bytes, *, shown: str, name: str = "") -> Draft | tuple[Problem, ...]:
        """The bytes of a file, as of standard input; its name tells what it is. `shown`: the file in problems."""
        extension = extension_of(file_name)
        place = placed(self._settings, name, file_name[: len(file_name) - len(extension)])
        if isinstance(place, Problem):
            return (place,)
        folder, stem = place
        found = self._checked(folder, file_name, content, shown=shown)
        if isinstance(found, tuple):
            return found
        return _draft(folder, stem, lambda stem: {stem + extension: content}, found)

    def deliver(self, draft: Draft) -> Submitted:
        """Writes a draft's files into the inbox under fresh names; raises UserError where the disk refuses.

        Until they are whole they lie in a hidden folder of their own, not in the daemon's: this process would make that
        one for its own user, who may be another one.
        """
        root = self._settings.inbox
        temp_folder = root / f".submit-{secrets.token_hex(8)}"
        for stem in fresh_stems(self._settings, draft.folder, draft.stem, lambda stem: next(iter(draft.files(stem)))):
            files = {
                f"{draft.folder}/{name}" if draft.folder else name: data for name, data in draft.files(stem).items()
            }
            try:
                durable_files.write_all({root / path: data for path, data in files.items()}, temp_folder=temp_folder)
            except FileExistsError:
                continue  # another program took the name between the look and the write
            except OSError as error:
                reason = why_denied(error, root / next(iter(files)), writes=True)
                message = f"nothing was submitted: {escaped(os.fspath(root))} cannot be written: {reason}"
                raise UserError([Problem(key="inbox", message=message)]) from None
            finally:
                with suppress(OSError):
                    temp_folder.rmdir()
            return Submitted(path=next(iter(files)), jobs=draft.jobs, warnings=draft.warnings)
        raise AssertionError("names do not end")  # pragma: no cover

    def _checked(
        self, folder: str, file_name: str, content: bytes, *, shown: str
    ) -> ParsedFile | str | tuple[Problem, ...]:
        folders = self._contents.folders_above(f"{folder}/x" if folder else "x", shown=shown)
        if isinstance(folders, Problem):
            return (folders,)
        return self._contents.read(file_name, content, folders, shown=shown)

    def _problems_of_pictures(self, pictures: Mapping[str, Picture]) -> Iterator[Problem]:
        for picture in pictures.values():
            shown = escaped(picture.name)
            if isinstance(found := self._pictures.read(picture.name, picture.content, (), shown=shown), tuple):
                yield from found

    def _problems_of_regenerating(self, found: ParsedFile, picture: Picture | None) -> tuple[Problem, ...]:
        """Why a picture cannot be drawn again; the daemon reads its settings when it admits the job."""
        spec = found.jobs[0].spec
        if picture is None or not isinstance(spec, RegenerateSpec):
            return ()
        shown = escaped(picture.name)
        made = from_picture.made_again(spec, picture.content, file=shown, catalogue=self._contents.catalogue)
        return made if isinstance(made, tuple) else ()


def _draft(folder: str, stem: str, files: Callable[[str], Files], found: ParsedFile | str) -> Draft:
    jobs = found.jobs if isinstance(found, ParsedFile) else ()
    warnings = tuple(dict.fromkeys(warning for job in jobs for warning in job.warnings))
    sheets = len(found.sheets) if isinstance(found, ParsedFile) else 0
    return Draft(folder=folder, stem=stem, files=files, jobs=len(jobs) + sheets or 1, warnings=warnings)


def _problems(found: str | tuple[Problem, ...]) -> tuple[Problem, ...]:
    """A job file is never a single image or sidecar."""
    return found if isinstance(found, tuple) else (Problem(message=found),)


def _read(path: Path) -> bytes | Problem:
    shown = escaped(os.fspath(path))
    if path.is_dir():
        return Problem(file=shown, message="is a folder: name its files")
    try:
        return regular_files.read(path.resolve()).content  # a link to a picture stands for the picture
    except OSError as error:
        return Problem(file=shown, message=f"cannot be read: {why_denied(error, path.absolute())}")


def _images_beside(path: Path, content: bytes) -> dict[str, Path]:
    """The images that a job file or a table names and that lie beside it, by their names in it."""
    if extension_of(path.name) not in (*JOB_FILE_EXTENSIONS, *TABLE_EXTENSIONS):
        return {}
    found: dict[str, Path] = {}
    for name in image_names(content, file=path.name):
        wanted = [name] if name else [path.stem + end for end in IMAGE_EXTENSIONS]
        found |= {image: path.parent / image for image in wanted if (path.parent / image).is_file()}
    return found


def _telling(keys: Mapping[str, Any], pictures: Mapping[str, Picture]) -> str:
    """What tells most of a job: its prompt, else the name of its picture."""
    picture = pictures.get("image")
    prompt = str(keys.get("prompt") or "")
    is_about_picture = picture is not None and (keys.get("task") not in (None, "generate") or not prompt)
    return PurePosixPath(picture.name).stem if picture is not None and is_about_picture else slug(prompt)
