r"""Names in braces that stand for what is known of a picture: `{stem}`, `{caption}`. In: a text, values. Out: a text.

What stands for a placeholder is text, whatever signs it holds: no part of it is a weight, a schedule, a LoRA, a joint
of two prompts or a further placeholder. A backslash before the brace makes a placeholder text, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

CAPTION: Final = "caption"
"""The placeholder that a captioner fills."""

EXIF: Final = "exif:"
"""How the placeholders begin that stand for a tag of the picture's EXIF."""

PLACEHOLDERS: Final = {
    "file": "the name of the picture",
    "stem": "the name of the picture without its ending",
    "folder": "the name of the folder that the file was dropped into",
    "date": "the day, UTC: 2026-11-28",
    CAPTION: "what the captioner says of the picture",
    "text": "what stands in the picture's own `.txt`",
}
"""Name -> what it stands for; besides, `{exif:TAG}`."""

NAMES: Final = rf"{'|'.join(PLACEHOLDERS)}|{EXIF}[A-Za-z]{{1,40}}"
"""The pattern of all of them."""

PLACEHOLDER: Final = re.compile(rf"(?<![\\$%])\{{({NAMES})\}}")
_ANY: Final = re.compile(rf"(?<![\\$%])(\\?)\{{({NAMES})\}}")
_ESCAPED: Final = re.compile(rf"(?<!\\)\\(?=\{{(?:{NAMES})\}})")
OPEN_CAPTION: Final = re.compile(rf"(?<![\\$%])\{{{CAPTION}\}}")

_SIGNS: Final = re.compile(r"[\\()\[\]|{]")
_COLON: Final = re.compile(r":(\s*)(?=([-+.0-9])?)")
_JOINT: Final = re.compile(r"\b(?:AND|BREAK)\b")
_SPACE: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufffe\uffff]+")


def names_in(text: str) -> tuple[str, ...]:
    """The placeholders in a text, each once."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(text)))


def filled(text: str, value: Callable[[str], str | None], *, is_prompt: bool = False) -> str:
    """A text with the values of its placeholders as they are; None leaves a placeholder for later.

    In a prompt the backslash before an escaped placeholder stays: whoever reads the prompt takes it away.
    """

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return match[0] if is_prompt else match[0][1:]
        found = value(match[2])
        return match[0] if found is None else found

    return _ANY.sub(put, text)


def literal(value: str) -> str:
    """A value as a prompt says it: one line, whose signs stand for themselves.

    Behind a colon a number gets a backslash, too: it is no weight then, and `<lora\\:…>` is no LoRA. `AND` and `BREAK`
    get small letters, which are the same to the text encoder.
    """
    text = _SIGNS.sub(lambda sign: "\\" + sign[0], one_line(value))
    text = _COLON.sub(lambda colon: f"\\:{colon[1]}" + "\\" * bool(colon[2]), text)
    return _JOINT.sub(lambda word: word[0].lower(), text)


def one_line(value: str) -> str:
    """A value without line breaks and controls."""
    return _SPACE.sub(" ", value).strip()


def kept_escaped(text: str) -> str:
    r"""A text whose `\{caption}` stays so when choices are read, which takes one backslash away."""
    return _ESCAPED.sub(lambda _: "\\\\", text)


def waits_for_caption(text: str) -> bool:
    """Whether a text holds a caption that is not written yet."""
    return OPEN_CAPTION.search(text) is not None
