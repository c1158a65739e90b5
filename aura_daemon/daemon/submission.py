"""Hands jobs in: keys, pictures, files or texts become files in the inbox. In: what is wanted. Out: what to wait for.

A draft is checked as the daemon will check the file, with the settings of the folder that it goes to; whatever is wrong
is told before anything is written. Its file gets a fresh name: neither the inbox, the journal nor the outbox knows it.
"""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

from aura_daemon import file_names
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.explain import path_below
from aura_daemon.daemon.file_contents import FileContents
from aura_daemon.errors import AuraError, Problem, UserError
from aura_daemon.file_names import collision_key, escaped
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, JOB_FILE_EXTENSIONS, TABLE_EXTENSIONS, extension_of
from aura_daemon.formats.plain_text import NOT_TEXT
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.jobfile import from_picture
from aura_daemon.jobfile.image_names import image_names
from aura_daemon.jobfile.parser import ParsedFile
from aura_daemon.jobfile.validation import RegenerateSpec
from aura_daemon.jobs.sources import Accept
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.outbox.delivery import PAYLOAD_EXTENSIONS, SIDECAR_EXTENSION
from aura_daemon.system import durable_files
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.system.permissions import why_denied
from aura_daemon.watch import ignored_names

MOST_NAME_CHARACTERS: Final = 48
"""Of a name that is made from a prompt."""

_TAGS: Final = re.compile(r"<[^<>]*>|__[^_]+__|[{}]")
_WORDS: Final = re.compile(r"[^\W_]+")

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
        place = self._place(name, _telling(keys, pictures))
        if isinstance(place, Problem):
            return (place,)
        folder, stem = place
        named = {role: _ROLES[role] + extension_of(picture.name) for role, picture in pictures.items()}

        def files(stem: str) -> Files:
            names = {role: stem + end for role, end in named.items()}
            document = to_yaml({**keys, **names}).encode()
            return {f"{stem}.yaml": document, **{names[role]: pictures[role].content for role in pictures}}

        try:
            content = next(iter(files(stem).values()))
        except UnicodeEncodeError:
            return (Problem(message="the text is no UTF-8: it holds bytes that stand for no character"),)
        found = self._checked(folder, "job.yaml", content, shown="")
        if not isinstance(found, ParsedFile):
            # The line in a file that nobody has seen tells nothing.
            return tuple(problem if problem.file else replace(problem, line=None) for problem in _problems(found))
        problems = [*self._problems_of_pictures(pictures), *_problems_of_regenerating(found, pictures.get("image"))]
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
        place = self._place(name, file_name.removesuffix(file_name[len(file_name) - len(extension) :]) or file_name)
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
        for stem in self._fresh_stems(draft):
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

    def _place(self, name: str, telling: str) -> tuple[str, str] | Problem:
        """Folder and stem of a draft, from a wanted name or what tells most; or why the name cannot be had."""
        if not name:
            return "", file_names.output_stem(_sane(telling), None)
        path = PurePosixPath(name.strip())
        end = extension_of(path.name)
        if end in (*JOB_FILE_EXTENSIONS, *TABLE_EXTENSIONS, *IMAGE_EXTENSIONS, ".txt"):
            path = path.with_name(path.name[: -len(end)])
        shown = escaped(name)
        text = path.as_posix()
        if path.is_absolute() or ".." in path.parts or "\\" in name or file_names.is_out_of_bounds(f"{text}.yaml"):
            return Problem(key="name", message="must stay in the inbox: no absolute, hidden or `..` path", given=shown)
        if not path.name or NOT_TEXT.search(text) or any(file_names.portable(part) != part for part in path.parts):
            message = 'must be a name that every system can hold: no control character and none of <>:"|?*\\'
            return Problem(key="name", message=message, given=shown)
        settings = self._settings
        if ignored := ignored_names.verdict(f"{text}.yaml", ignore=settings.ignore, take=settings.take):
            return Problem(key="name", message=f"such a file would be left alone: {ignored}", given=shown)
        if durable_files.leads_astray((settings.inbox / path).parent, below=settings.inbox):
            return Problem(key="name", message="a link on the way leads out of the inbox", given=shown)
        stem = file_names.output_stem(path.name.lstrip("_") or "job", None)
        return "" if len(path.parts) == 1 else path.parent.as_posix(), stem

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

    def _fresh_stems(self, draft: Draft) -> Iterator[str]:
        """The stem and, where something has it, the stem with a number."""
        taken = self._stems_in(draft.folder)
        stems = (draft.stem if number == 1 else f"{draft.stem}-{number}" for number in count(1))
        return (stem for stem in stems if collision_key(stem) not in taken and not self._is_known(draft, stem))

    def _stems_in(self, folder: str) -> set[str]:
        """The names in a folder of the inbox, with and without extensions, as keys of which equal ones collide."""
        try:
            names = [entry.name for entry in (self._settings.inbox / folder).iterdir()]
        except OSError:  # it is not there yet; whatever else is wrong with it, the write tells
            return set()
        return {collision_key(stem) for name in names for stem in (name, name.rpartition(".")[0])}

    def _is_known(self, draft: Draft, stem: str) -> bool:
        """Whether a file of this name came before, as far as this user may know, or results of this name are there."""
        place = self._settings.outbox / file_names.portable_folder(draft.folder)
        ends = ("", "-1", *PAYLOAD_EXTENSIONS, SIDECAR_EXTENSION, "-1" + SIDECAR_EXTENSION)
        if any(os.path.lexists(place / (stem + end)) for end in ends):
            return True
        first = next(iter(draft.files(stem)))
        with (
            suppress(AuraError, OSError),
            closing(Journal(self._settings.state_folder() / FILE_NAME, read_only=True)) as journal,
        ):
            return journal.latest_source(f"{draft.folder}/{first}" if draft.folder else first) is not None
        return False


def _draft(folder: str, stem: str, files: Callable[[str], Files], found: ParsedFile | str) -> Draft:
    jobs = found.jobs if isinstance(found, ParsedFile) else ()
    warnings = tuple(dict.fromkeys(warning for job in jobs for warning in job.warnings))
    sheets = len(found.sheets) if isinstance(found, ParsedFile) else 0
    return Draft(folder=folder, stem=stem, files=files, jobs=len(jobs) + sheets or 1, warnings=warnings)


def _problems(found: str | tuple[Problem, ...]) -> tuple[Problem, ...]:
    """A job file is never a single image or sidecar."""
    return found if isinstance(found, tuple) else (Problem(message=found),)


def _problems_of_regenerating(found: ParsedFile, picture: Picture | None) -> tuple[Problem, ...]:
    """Why a picture cannot be drawn again; the daemon reads its settings when it admits the job."""
    spec = found.jobs[0].spec
    if picture is None or not isinstance(spec, RegenerateSpec):
        return ()
    made = from_picture.made_again(spec, picture.content, file=escaped(picture.name))
    return made if isinstance(made, tuple) else ()


def _read(path: Path) -> bytes | Problem:
    shown = escaped(os.fspath(path))
    if path.is_dir():
        return Problem(file=shown, message="is a folder: name its files")
    try:
        return durable_files.read(path.resolve()).content  # a link to a picture stands for the picture
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
    return PurePosixPath(picture.name).stem if picture is not None and is_about_picture else _slug(prompt)


def _slug(prompt: str) -> str:
    """The first words of a prompt, in small letters, joined by `-`."""
    words = _WORDS.findall(unicodedata.normalize("NFC", _TAGS.sub(" ", prompt)).lower())
    slug = ""
    for word in words:
        if slug and len(slug) + len(word) >= MOST_NAME_CHARACTERS:
            break
        slug += f"-{word}" if slug else word[:MOST_NAME_CHARACTERS]
    return slug


def _sane(stem: str) -> str:
    """A stem that is a name on every system, and that is neither hidden nor private."""
    return file_names.portable(NOT_TEXT.sub("-", stem).strip(" .-_~#@$")).strip(" .-") or "job"
