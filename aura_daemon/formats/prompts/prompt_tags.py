r"""Tags and comments in prompts, as A1111's web UI reads them. In: a prompt. Out: its text, and what they say.

`<lora:NAME:WEIGHT>` names a LoRA and is no part of the text; `<lyco:…>` is the same. `# …` is a comment up to the end
of its line: the `#` stands at the start or after a space, and before a space; `\# …` is text. In a text of several
lines every line that begins with `#` is a comment. (A1111 drops what follows any `#`, and with it colours such as
`#ff8800`.) No other tag is known: it is drawn as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aura_daemon.jobs.requests import Lora
from aura_daemon.problems import cut

MOST_LORAS: Final = 10
"""LoRAs of one job."""

MOST_LORA_WEIGHT: Final = 4
"""Bound of a LoRA's weight, positive or negative."""

NUMBER: Final = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
"""The pattern of a number in a prompt."""

_LORA: Final = re.compile(r"<(?:lora|lyco):([^<>]*)>", re.IGNORECASE)
_OPEN_LORA: Final = re.compile(r"<(?:lora|lyco):[^<>]*(?=<|\Z)", re.IGNORECASE)
_TAG: Final = re.compile(r"<\s*([A-Za-z][\w-]{0,30})\s*:[^<>\n]*>|</?[A-Za-z][\w-]{0,30}>")

_FIRST_SIGN: Final = re.compile(r"\s*(\\*)#+")
_FIRST_SIGN_ALONE: Final = re.compile(r"\s*(\\*)#+(?!\S)")
_COMMENT: Final = re.compile(r"(?<=\s)#+(?!\S).*", re.DOTALL)
_ESCAPED: Final = re.compile(r"(?<=\s)\\(\\*#+)(?!\S)")
_TO_ESCAPE: Final = re.compile(r"(?<=\s)(\\*#+)(?!\S)")
_HASHTAG: Final = re.compile(r"(?<!\S)#(?!(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})\b)[^\W\d_][^\n]*")

_EMBEDDING: Final = re.compile(r"(?<![<\w])embedding:([\w.-]{1,100})")

_MEANT: Final = {
    "random": "`{1|2|3}` draws one of several texts",
    "wildcard": "`__animals__` draws a line of the word list `animals`",
    "alternate": "`[one|other]` alternates",
    "ti": "a textual inversion is named by its word alone",
    "embed": "a textual inversion is named by its word alone",
    "embedding": "a textual inversion is named by its word alone",
}
"""Name of a tag -> what to write instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraTags:
    """The LoRAs that a prompt names."""

    rest: str
    """The prompt without the tags of these LoRAs."""
    loras: tuple[Lora, ...]
    strange: tuple[str, ...]
    """Tags without a name or with a weight that is not allowed; they are still in `rest`."""
    left_out: tuple[str, ...] = ()
    """What the tags say besides and is not done here, one line each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Uncommented:
    """A prompt without its comments."""

    text: str
    comments: tuple[str, ...]
    """What was taken out, from `#` on."""


def extract_loras(prompt: str) -> LoraTags:
    """Takes `<lora:NAME>` and `<lora:NAME:WEIGHT>` out of a prompt.

    As in A1111 a second number is the U-Net's weight, the first one the text encoder's; two that differ are not known.
    """
    if "<" not in prompt:
        return LoraTags(rest=prompt, loras=(), strange=())
    loras: list[Lora] = []
    strange: list[str] = []
    left_out: list[str] = []

    def taken(match: re.Match[str]) -> str:
        name, *values = (part.strip() for part in match[1].split(":"))
        numbers = [value for value in values if "=" not in value]
        named = dict(value.split("=", 1) for value in values if "=" in value)
        weights = {*numbers[:2], *(named.pop(part).strip() for part in ("te", "unet") if part in named)}
        found = {float(weight) if re.fullmatch(NUMBER, weight) else None for weight in weights or {"1"}}
        weight = found.pop()
        if not name or found or weight is None or abs(weight) > MOST_LORA_WEIGHT:
            strange.append(match[0])
            return match[0]
        if named or numbers[2:]:
            others = ":".join([*numbers[2:], *(f"{key}={value}" for key, value in named.items())])
            left_out.append(f"`{cut(others)}` in `{cut(match[0])}` was left out: the whole LoRA has one weight here")
        loras.append(Lora(name=name, weight=weight))
        return ""

    rest = _LORA.sub(taken, prompt)
    return LoraTags(rest=rest, loras=tuple(loras), strange=tuple(strange), left_out=tuple(left_out))


def lora_spans(prompt: str) -> Iterator[tuple[int, int, str]]:
    """Where the tags of LoRAs lie, and the names in them; what the names hold is not looked at."""
    for match in _LORA.finditer(prompt):
        yield match.start(), match.end(), match[1].partition(":")[0].strip()


def without_comments(prompt: str) -> Uncommented:
    r"""Takes comments out of a prompt; `\#` that would else begin one becomes `#`."""
    if "#" not in prompt:
        return Uncommented(text=prompt, comments=())
    comments: list[str] = []
    kept: list[str] = []
    first_sign = _first_sign_of(prompt)
    for line in prompt.split("\n"):
        first = first_sign.match(line)
        if first is not None and not first[1]:
            comments.append(line.strip())
            continue
        begin = ""
        if first is not None:
            begin, line = line[: first.start(1)] + line[first.start(1) + 1 : first.end()], line[first.end() :]
        comment = _COMMENT.search(line)
        if comment is not None:
            comments.append(comment[0].strip())
            line = line[: comment.start()]
        kept.append(begin + _ESCAPED.sub(r"\1", line))
    return Uncommented(text="\n".join(kept), comments=tuple(comments))


def escape_comments(text: str) -> str:
    """Escapes a text, so that no part of it is a comment."""
    first_sign = _first_sign_of(text)
    escaped: list[str] = []
    for line in text.split("\n"):
        first = first_sign.match(line)
        end = first.end() if first is not None else 0
        begin = f"{line[: first.start(1)]}\\{line[first.start(1) : end]}" if first is not None else ""
        escaped.append(begin + _TO_ESCAPE.sub(r"\\\1", line[end:]))
    return "\n".join(escaped)


def _first_sign_of(text: str) -> re.Pattern[str]:
    """What begins a comment at the start of a line: in a text of several lines, as in A1111 and in files, any `#`."""
    return _FIRST_SIGN if "\n" in text.strip() else _FIRST_SIGN_ALONE


def remarks_on_comments(prompt: str) -> tuple[str, ...]:
    """What was taken for a comment, and what only another program takes for one, a line each."""
    if "#" not in prompt:
        return ()
    read = without_comments(prompt)
    found = [
        rf"`{cut(comment)}` was read as a comment and is not drawn; `\#` is a `#` that stands"
        for comment in read.comments
    ]
    found += [
        f"`{cut(match[0])}` is drawn as text; a comment begins with `# ` and a space"
        for match in _HASHTAG.finditer(read.text)
    ]
    return tuple(found)


def remarks_on_tags(prompt: str) -> tuple[str, ...]:
    """What stands in angle brackets and does not do what other programs do with it, a line each."""
    said = [
        f"`{cut(match[0])}` is ComfyUI's: a textual inversion is named by its word alone, `{cut(match[1])}`"
        for match in (_EMBEDDING.finditer(prompt) if "embedding:" in prompt else ())
    ]
    if "<" not in prompt:
        return tuple(said)
    found = extract_loras(prompt)
    said += found.left_out
    for match in _TAG.finditer(found.rest):
        advice = _MEANT.get((match[1] or "ti").lower(), "")
        said.append(f"`{cut(match[0])}` is not known here and is drawn as text" + (f": {advice}" if advice else ""))
    said += [
        f"`{cut(match[0])}` is not closed with `>` and is drawn as text" for match in _OPEN_LORA.finditer(found.rest)
    ]
    return tuple(said)
