"""Fills the placeholders in the keys of a job. In: keys, what they stand for. Out: keys, and what had no value.

In prompts a value is text, whatever signs it holds; in the name of a result it is fit for a name. A value that is not
to be had yet stays a placeholder: a caption, and all of them where a file is looked at by its bytes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aura_daemon.jobfile.keys.guidance.guidance_keys import region_prompts, with_names, with_region_prompts
from aura_daemon.jobfile.keys.output_name import FIELDS, fit
from aura_daemon.jobfile.recipes.subject import NOBODY, PictureFacts, Subject, name_of
from aura_daemon.jobfile.templates import escape_choices
from aura_daemon.jobs.prompts.placeholders import (
    CAPTION,
    EXIF,
    OPEN_CAPTION,
    filled,
    kept_escaped,
    literal,
    names_in,
    one_line,
)
from aura_daemon.jobs.requests import JobKind

PROMPTS: Final = ("prompt", "negative_prompt")
"""Of a job that draws."""

IMAGES: Final = ("image", "mask")

_AROUND: Final = ("prefix", "suffix", "trigger_word")
"""Keys below `caption` that hold text."""

OUTPUT: Final = "output"


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """The keys of a job, filled in."""

    keys: Mapping[str, object]
    warnings: tuple[str, ...] = ()
    """Placeholders that had no value."""


def texts_in(keys: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The texts of a job that may hold placeholders, with their keys; those in its lists too."""
    matrix = keys.get("matrix")
    for key in (*IMAGES, *PROMPTS, "question", "notes", OUTPUT):
        if isinstance(text := keys.get(key), str):
            yield key, text
        values = matrix.get(key) if isinstance(matrix, Mapping) else None
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, str):
                yield f"matrix.{key}.{index}", value
    yield from region_prompts(keys)
    tags = keys.get("tags")
    for index, tag in enumerate(tags if isinstance(tags, list | tuple) else ()):
        if isinstance(tag, str):
            yield f"tags.{index}", tag
    around = keys.get("caption")
    below: Mapping[str, object] = around if isinstance(around, Mapping) else {}
    for key in _AROUND:
        if isinstance(text := below.get(key), str):
            yield f"caption.{key}", text


def has_placeholders(key: str, value: object) -> bool:
    """Whether the value of a key holds any; the own fields of `output` are none."""
    own = FIELDS if key == OUTPUT else ()
    return any(name not in own for _, text in texts_in({key: value}) for name in names_in(text))


def with_images_named(keys: Mapping[str, object], subject: Subject) -> dict[str, object]:
    """The keys with the names of their images; in these only names have a place."""
    if subject is NOBODY:
        return {**keys}
    own = keys.get("image")
    image = name_of(own) if isinstance(own, str) else subject.name
    values = _names(subject, subject.name if subject.is_picture else image)

    def named(value: object) -> object:
        return filled(value, lambda name: values.get(name)) if isinstance(value, str) else value

    found: dict[str, object] = {**keys, **{key: named(keys[key]) for key in IMAGES if key in keys}}
    found |= with_names(keys, named)
    if isinstance(matrix := keys.get("matrix"), Mapping):
        lists = {key: [*map(named, matrix[key])] for key in IMAGES if isinstance(matrix.get(key), list)}
        found["matrix"] = {**matrix, **lists}
    return found


def with_choices_kept(keys: Mapping[str, object]) -> dict[str, object]:
    """The keys with prompts in which an escaped placeholder stays one when choices are read."""

    def kept(value: object) -> object:
        return kept_escaped(value) if isinstance(value, str) else value

    found: dict[str, object] = {**keys, **{key: kept(keys[key]) for key in PROMPTS if key in keys}}
    found |= with_region_prompts(keys, kept_escaped)
    if isinstance(matrix := keys.get("matrix"), Mapping):
        lists = {key: [*map(kept, matrix[key])] for key in PROMPTS if isinstance(matrix.get(key), list)}
        found["matrix"] = {**matrix, **lists}
    return found


def escaped_prompt(text: str) -> str:
    """A prompt as a template that becomes this prompt only; a caption that is not written yet stays open."""
    if CAPTION not in text:
        return escape_choices(text)
    parts = OPEN_CAPTION.split(text)
    return f"{{{CAPTION}}}".join(escape_choices(part) for part in parts)


def filled_in(keys: Mapping[str, object], task: object, subject: Subject, *, prompts: bool = True) -> Filled:
    """The keys of one job; `prompts`: those of its pictures too."""
    if subject is NOBODY:
        return Filled(keys=keys)
    value = _Values(subject, keys.get("image"))
    is_drawn = task != JobKind.CAPTION
    found: dict[str, Any] = {**keys}
    for key in ("prompt", "negative_prompt", "question", "notes"):
        if isinstance(text := keys.get(key), str):
            if key not in PROMPTS or not is_drawn:
                found[key] = filled(text, value.of(one_line))
            elif prompts:
                found[key] = filled(text, value.of(literal), is_prompt=True)
    if is_drawn and prompts:
        found |= with_region_prompts(keys, lambda text: filled(text, value.of(literal), is_prompt=True))
    if isinstance(text := keys.get(OUTPUT), str):
        found[OUTPUT] = filled(text, value.of(fit, but=FIELDS))
    if isinstance(tags := keys.get("tags"), list | tuple):
        found["tags"] = [filled(tag, value.of(one_line)) if isinstance(tag, str) else tag for tag in tags]
    if isinstance(around := keys.get("caption"), Mapping):
        texts = {key: around[key] for key in _AROUND if isinstance(around.get(key), str)}
        found["caption"] = {**around, **{key: filled(text, value.of(one_line)) for key, text in texts.items()}}
    return Filled(keys=found, warnings=tuple(dict.fromkeys(value.warnings)))


class _Values:
    """The values of the placeholders of one job."""

    def __init__(self, subject: Subject, image: object) -> None:
        self._subject = subject
        self._image = None if subject.is_picture or not isinstance(image, str) else image
        self._names = _names(subject, name_of(self._image or subject.name))
        self._facts: PictureFacts | None = None
        self.warnings: list[str] = []

    def of(self, made: Callable[[str], str], *, but: Mapping[str, str] | None = None) -> Callable[[str], str | None]:
        """What fills a text; `made`: makes a value fit. `but`: names that mean something else in this text."""

        def value(name: str) -> str | None:
            found = None if name == CAPTION or name in (but or ()) else self._value(name)
            return None if found is None else made(found)

        return value

    def _value(self, name: str) -> str | None:
        if name in self._names:
            return self._names[name]
        self._facts = self._facts or self._subject.facts(self._image)
        if self._facts is None:
            return None
        if not name.startswith(EXIF):
            return self._facts.text
        tag = name.removeprefix(EXIF)
        text = next((text for key, text in self._facts.exif.items() if key.casefold() == tag.casefold()), "")
        if not text:
            self.warnings.append(f"the picture's EXIF has no {tag}: nothing stands for `{{{name}}}`")
        return text


def _names(subject: Subject, picture: str) -> dict[str, str]:
    """The placeholders that need no look at the picture."""
    stem = picture.rpartition(".")[0] or picture
    return {"file": picture, "stem": stem, "folder": subject.folder, "date": subject.date}
