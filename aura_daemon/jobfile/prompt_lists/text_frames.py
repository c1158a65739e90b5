"""Takes away what stands around the prompts of a text. In: a text. Out: the text with the same lines, and notes.

People paste what chats and other programs give them: Midjourney's command `/imagine prompt:`, the fences and the bold
type of Markdown, the sentences with which a language model presents its list, the bars that end a line for SwarmUI's
grids. A line that is taken away becomes a blank one, so that lines keep their numbers; each kind is noted once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aura_daemon.problems import cut

_MAY_HAVE_FRAMES: Final = re.compile(
    r"/imagine|```|~~~|\|\||\*\*|prompt\s*#?[0-9]|:[^\S\n]*$", re.IGNORECASE | re.MULTILINE
)
_LINE_END: Final = re.compile(r"(\r\n|\r|\n)")
_IMAGINE: Final = re.compile(r"\s*/imagine\s+(?:prompt\s*:?\s*)?", re.IGNORECASE)
_FENCE: Final = re.compile(r"(?:```|~~~)\w*")
_BARS: Final = "||"
_BOLD: Final = re.compile(r"\*\*([^*]+)\*\*")
_LABEL: Final = re.compile(r"\s*(?:\*\*)?Prompt\s*#?[0-9]{1,3}\s*:\s*(?:\*\*)?\s*", re.IGNORECASE)
_ITEM: Final = re.compile(r"\s*(?:[0-9]{1,3}[.)]|[-*+\u2022\u2013])\s+\S")

_PRESENTS: Final = re.compile(r"(?!.*\b(?:positive|negative)\b)\w.*\s.*\bprompts?\b.*:", re.IGNORECASE)
"""A sentence such as `Here is your prompt:`."""

_LEAST_ITEMS: Final = 2
"""So many lines with numbers, signs or labels are a list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unframed:
    """A text without what stands around its prompts."""

    text: str
    notes: tuple[str, ...]
    """What was taken away, in words."""


def unframed(text: str) -> Unframed:
    """Takes away what is no part of a prompt."""
    if not _MAY_HAVE_FRAMES.search(text):
        return Unframed(text=text, notes=())
    parts = _LINE_END.split(text)
    lines = parts[::2]
    notes = (
        *_without_command(lines),
        *_without_fences(lines),
        *_without_labels(lines),
        *_without_sentences(lines),
        *_without_bars(lines),
        *_without_bold(lines),
    )
    parts[::2] = lines
    return Unframed(text="".join(parts), notes=notes)


def _without_command(lines: list[str]) -> list[str]:
    found = [index for index, line in enumerate(lines) if _IMAGINE.match(line)]
    for index in found:
        lines[index] = _IMAGINE.sub("", lines[index], count=1)
    return ["Midjourney's command /imagine was left out"] if found else []


def _without_fences(lines: list[str]) -> list[str]:
    """Takes out the lines that begin and end a block of code."""
    found = [index for index, line in enumerate(lines) if _FENCE.fullmatch(line.strip())]
    for index in found:
        lines[index] = ""
    return ["Markdown's fences around code were left out"] if found else []


def _without_labels(lines: list[str]) -> list[str]:
    """Takes out `Prompt 1:`, where several lines begin so."""
    found = [index for index, line in enumerate(lines) if _LABEL.match(line)]
    if len(found) < _LEAST_ITEMS:
        return []
    for index in found:
        lines[index] = _LABEL.sub("", lines[index], count=1)
    return ['labels like "Prompt 1:" at the beginning of the lines were left out']


def _without_sentences(lines: list[str]) -> list[str]:
    """Takes out the line that presents prompts and ends with a colon, and what follows a list behind a blank line."""
    filled = [index for index, line in enumerate(lines) if line.strip()]
    items = [index for index in filled if _ITEM.match(lines[index])]
    if len(filled) < 2 or filled[0] in items or not lines[filled[0]].rstrip().endswith(":"):
        return []
    found = [filled[0]]
    if len(items) < _LEAST_ITEMS:
        if filled[1] == filled[0] + 1 or not _PRESENTS.match(lines[filled[0]].strip()):
            return []
    elif not "".join(lines[items[-1] + 1 : items[-1] + 2]).strip():
        found += [index for index in filled if index > items[-1]]
    notes = [f"`{cut(lines[index].strip())}` stands around the prompts, and is not drawn" for index in found]
    for index in found:
        lines[index] = ""
    return notes


def _without_bars(lines: list[str]) -> list[str]:
    """Takes out what parts prompts in SwarmUI's grids."""
    found = [index for index, line in enumerate(lines) if line.rstrip().endswith(_BARS)]
    for index in found:
        lines[index] = lines[index].rstrip().removesuffix(_BARS).rstrip()
    return [f"`{_BARS}` at the end of the lines was left out"] if found else []


def _without_bold(lines: list[str]) -> list[str]:
    found = [index for index, line in enumerate(lines) if _BOLD.search(line)]
    for index in found:
        lines[index] = _BOLD.sub(r"\1", lines[index])
    return ["Markdown's signs of bold type (`**`) were left out"] if found else []
