"""`submit`: prompts, pictures and files, handed in at the inbox."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_daemon.cli.submit.wait import wait_for
from aura_daemon.config.folder_checks import misplaced
from aura_daemon.config.loading import load
from aura_daemon.daemon.status import running_health
from aura_daemon.daemon.submission import Draft, Picture, Submission, picture_at
from aura_daemon.daemon.waiting import START_IT, outlooks
from aura_daemon.errors import Problem, UserError
from aura_daemon.file_names import escaped
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, SUBMITTED_EXTENSIONS, extension_of
from aura_daemon.formats.yaml_reader import Document
from aura_daemon.jobfile.keys.upscale import UPSCALE
from aura_daemon.jobfile.parser import documents_of
from aura_daemon.jobfile.schema import TEXT_KEYS
from aura_daemon.system import durable_files

STANDARD_INPUT: Final = "-"
MOST_INPUT_BYTES: Final = 1 << 21
"""More than any text of jobs may have."""

_AS_TEXT: Final = frozenset({"negative_prompt", "aspect_ratio", "scheduler", "model"})
"""Options whose words are values as they stand; the others are read as YAML reads them."""

_WITH_BRACES: Final = frozenset({"output"})
"""Keys whose words may begin with a brace: `{stem}` is no mapping here, and needs no quotes beside the shell's."""

_SIZE: Final = re.compile(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The command line of `submit`."""

    things: Sequence[str]
    options: Mapping[str, str]
    """Job key -> the word of the option called as it."""
    size: str | None
    question: str | None
    pictures: Mapping[str, Path]
    """For the keys `image` and `mask`."""
    assignments: Sequence[str]
    name: str
    is_yaml: bool


def submit(wanted: Wanted, config: Path | None, *, wait: bool, as_json: bool) -> int:
    """0, or with `wait` what `wait_for` returns; raises UserError with every problem, and hands nothing in then."""
    loaded = load(config)
    if problems := misplaced(loaded):
        raise UserError(problems)
    settings = loaded.settings
    if not settings.inbox.exists():  # the default one: a missing folder with a name of its own is a problem
        durable_files.make_folder(settings.inbox)
    desk = Submission(settings)
    submitted = [desk.deliver(draft) for draft in _Drafting(desk, wanted).drafts()]
    for warning in dict.fromkeys(f"{one.path}: {warning}" for one in submitted for warning in one.warnings):
        print(escaped(f"warning: {warning}"), file=sys.stderr)
    if wait:
        paths = [one.path for one in submitted]
        return wait_for(paths, outlooks(paths, settings), as_json=as_json)
    for one in submitted:
        jobs = f"{one.jobs} job{'s' * (one.jobs != 1)}"
        document = {"file": escaped(one.path), "jobs": one.jobs, "warnings": one.warnings}
        print(json.dumps(document) if as_json else f"{escaped(one.path)}: {jobs} handed in")
    if running_health(settings.state_folder()) is None:
        print(START_IT, file=sys.stderr)
    return 0


class _Drafting:
    """Makes drafts of all that the command line names, or raises UserError with every problem."""

    def __init__(self, desk: Submission, wanted: Wanted) -> None:
        self._desk = desk
        self._wanted = wanted
        self._problems: list[Problem] = []
        self._keys = self._all_keys()
        self._pictures = {role: picture for role, path in wanted.pictures.items() if (picture := self._picture(path))}

    def drafts(self) -> list[Draft]:
        """All of them, checked."""
        things = list(self._wanted.things)
        unquoted = len(things) > 1 and not any(" " in thing or self._is_file(thing) for thing in things)
        if unquoted:
            self._problems.append(Problem(message=f'put the prompt in quotes: aura-daemon submit "{" ".join(things)}"'))
        if self._wanted.name and len(things) > 1:
            self._problems.append(Problem(key="name", message="goes with one prompt or file"))
        found = [] if self._problems else [(thing, draft) for thing in things if (draft := self._draft(thing))]
        if self._problems:
            raise UserError(self._problems)
        # A picture that goes along with its job file is no job of its own.
        along = {picture.resolve() for _, draft in found for picture in draft.pictures}
        return [draft for thing, draft in found if Path(thing).resolve() not in along]

    @staticmethod
    def _is_file(thing: str) -> bool:
        """Whether a word names a file, be it there or not."""
        return thing == STANDARD_INPUT or extension_of(thing) in SUBMITTED_EXTENSIONS or Path(thing[:4096]).exists()

    def _draft(self, thing: str) -> Draft | None:
        try:
            found = self._drafted(thing)
        except UnicodeEncodeError:
            found = (Problem(message="holds bytes that are no text", given=escaped(thing)),)
        if isinstance(found, Draft):
            return found
        self._problems += found
        return None

    def _drafted(self, thing: str) -> Draft | tuple[Problem, ...]:
        name, keys = self._wanted.name, self._keys
        has_keys = bool(keys or self._pictures)
        if thing == STANDARD_INPUT:
            return self._of_standard_input(has_keys=has_keys)
        if not self._is_file(thing):
            if self._wanted.question is not None:
                return (Problem(key="question", message="goes with a picture, not with a prompt", given=thing),)
            return self._desk.of_keys({"prompt": thing, **keys}, self._pictures, name=name)
        path = Path(thing)
        if extension_of(thing) in IMAGE_EXTENSIONS and has_keys and not path.is_dir():
            if "image" in self._pictures:
                return (Problem(key="image", message="is there twice: name one picture", given=escaped(thing)),)
            picture = picture_at(path)
            if not isinstance(picture, Picture):
                return (picture,)
            if UPSCALE in keys and not keys.keys() & {"task", "prompt"}:
                keys = {"task": UPSCALE, **keys}
            return self._desk.of_keys(keys, {"image": picture, **self._pictures}, name=name)
        if has_keys:
            message = "has its own keys: options go with prompts and pictures"
            return (Problem(file=escaped(thing), message=message),)
        return self._desk.of_file(path, name=name)

    def _of_standard_input(self, *, has_keys: bool) -> Draft | tuple[Problem, ...]:
        content = sys.stdin.buffer.read(MOST_INPUT_BYTES)
        if self._wanted.is_yaml or not has_keys:
            if not content.strip():
                return (Problem(file="standard input", message="is empty"),)
            extension = ".yaml" if self._wanted.is_yaml else ".txt"
            name = self._wanted.name or "standard-input"
            return self._desk.of_content(f"job{extension}", content, shown="standard input", name=name)
        prompt = content.decode("utf-8", "surrogateescape").strip()
        return self._desk.of_keys({"prompt": prompt, **self._keys}, self._pictures, name=self._wanted.name)

    def _picture(self, path: Path) -> Picture | None:
        found = picture_at(path)
        if isinstance(found, Picture):
            return found
        self._problems.append(found)
        return None

    def _all_keys(self) -> dict[str, object]:
        """The keys that the options give, in the order of a job file."""
        keys: dict[str, object] = {}
        if self._wanted.question is not None:
            keys |= {"task": "caption", "prompt": self._wanted.question}
        for key, word in self._wanted.options.items():
            value = word if key in _AS_TEXT else self._value(key, word)
            if key == UPSCALE and not isinstance(value, dict):  # `--set upscale.tile=128` may follow
                value = {"model" if isinstance(value, str) else "scale": value}
            keys[key] = value
        if self._wanted.size is not None:
            if (size := _SIZE.fullmatch(self._wanted.size)) is None:
                message = "must be WIDTHxHEIGHT in pixels, such as 912x512"
                self._problems.append(Problem(key="size", message=message, given=self._wanted.size))
            else:
                keys |= {"width": int(size[1]), "height": int(size[2])}
        for assignment in self._wanted.assignments:
            path, equals, word = assignment.partition("=")
            *outer, key = path.strip().split(".")
            if not equals or not all((*outer, key)):
                self._problems.append(Problem(key="set", message="must be KEY=VALUE", given=escaped(assignment)))
                continue
            inner = keys
            for part in outer:
                below = inner.setdefault(part, {})
                if not isinstance(below, dict):
                    message = f"`{part}` has a value already, and no keys below it"
                    self._problems.append(Problem(key="set", message=message, given=escaped(assignment)))
                inner = below if isinstance(below, dict) else {}
            inner[key] = word if path.strip() in TEXT_KEYS else self._value(path.strip(), word)
        return keys

    def _value(self, key: str, word: str) -> object:
        """A value as a job file would hold it behind its key."""
        (found, *_) = [*documents_of(f"value: {word}\n".encode(errors="replace"), file=""), None]
        if isinstance(found, Document) and found.mapping.keys() == {"value"}:
            value = found.mapping["value"]
            return word if key in _WITH_BRACES and isinstance(value, dict) else value
        if key in _WITH_BRACES:
            return word
        self._problems.append(Problem(key=key, message="is no value as YAML has it", given=escaped(word)))
        return None
