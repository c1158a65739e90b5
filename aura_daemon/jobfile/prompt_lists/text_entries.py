"""Cuts a text into the prompts that it holds. In: the text of a file. Out: entries with their lines.

Lines that begin with `#` or `//` are comments, and blank lines part nothing. A pasted infotext (prompt, `Negative
prompt:`, `Steps: …`) is one entry however many lines it has. Of the other lines each is a prompt, but for
`prompt_lines: whole`, and for a text that `auto` finds to be one prompt: lines that all end with a comma but the last,
brackets that reach over lines, or prose that an editor wrapped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise, takewhile
from typing import Final

from aura_daemon.jobs.sources import PromptLines
from aura_daemon.problems import cut


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One prompt with all that belongs to it."""

    text: str
    first: int
    """Its first line, from 1."""
    last: int
    is_infotext: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Entries:
    """The prompts of a text."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]
    """What was guessed, in words, with the key that says otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    number: int
    text: str
    """Without the space around it; never blank."""
    last: int
    """Of a bullet with further lines, the number of the last one."""
    follows_blank: bool
    """Whether a blank line stands before it."""
    is_indented: bool


NEGATIVE: Final = "Negative prompt:"
"""How A1111 begins the negative prompt."""

_COMMENT: Final = re.compile(r"#|//|([-=*_~])\1{2,}$")
"""How a line begins that is a comment; a line of dashes is one, too."""
_HASHTAG: Final = re.compile(r"#[^\s#!]")
"""How a comment begins that may be meant as text: `#1 dad`."""
_NEGATIVE: Final = re.compile(r"negative(?:[ _]prompt)?\s*:", re.IGNORECASE)
_POSITIVE: Final = re.compile(r"positive(?:[ _]prompt)?\s*:\s*", re.IGNORECASE)
_PROMPT_LABEL: Final = re.compile(rf"(?:{_POSITIVE.pattern}|prompt\s*:\s*)", re.IGNORECASE)
SETTINGS: Final = re.compile(r"Steps:\s*[0-9]+,\s*\w[\w \-/]{1,60}:")
"""How the settings of an infotext begin."""
_INLINE_STEPS: Final = re.compile(r"\bSteps: ?[0-9]+, ?(?:Sampler|Schedule type|CFG scale|Seed|Size|Model)")
"""In an infotext that has become one line."""
_MORE_SETTINGS: Final = re.compile(
    r"(?:(?:Negative )?Template|Civitai \w+|(?:Lora |TI )?[Hh]ashes|Version|Parser|ControlNet[\w ]*|ADetailer[\w ]*): "
)
"""How lines of extensions begin that stand behind the settings."""
_JOINT: Final = re.compile(r"\b(?:BREAK|AND)\n|\n(?:BREAK|AND)\b")
"""A word of A1111's that joins what stands before and behind it, at a line's end."""
_COMMAND: Final = re.compile(r"/imagine(?:\s+prompt:?)?\s+|(?:invoke|dream)>\s*", re.IGNORECASE)
"""Before a prompt that was copied from Discord or from InvokeAI's command line."""
_BULLET: Final = re.compile(r"[-*+\u2022\u2013]\s+(?:\[[ xX]\]\s+)?")
_NUMBER: Final = re.compile(r"([0-9]{1,3})[.)]\s+")
_IN_QUOTES: Final = re.compile(r'"([^"]+)",?')

_LEAST_WRAPPED_LINES: Final = 3
_LEAST_WRAPPED_CHARACTERS: Final = 50
"""Of a line that an editor wrapped; lists have shorter prompts, or prompts that begin alike."""

_WHERE: Final = "in the configuration or in the folder's `_defaults.yaml`"
WHOLE_KEY: Final = f"`prompt_lines: whole` {_WHERE} reads the text as one"
LINES_KEY: Final = f"`prompt_lines: lines` {_WHERE} makes each line a prompt"


def entries_of(text: str, mode: PromptLines) -> Entries:
    """The prompts of a text in their order; none where it holds only comments."""
    filled = list(_lines(text))
    if not filled:
        return Entries(entries=(), notes=())
    hashtag = next((line.strip() for line in _LINE_END.split(text) if _HASHTAG.match(line.strip())), "")
    comments = (f"`{cut(hashtag)}` was left out as a comment; `\\#` at the beginning keeps a line",) if hashtag else ()
    found = _prompts(filled, mode)
    return replace(found, notes=(*found.notes, *comments))


def _prompts(filled: list[_Line], mode: PromptLines) -> Entries:
    """The prompts of lines, at least one."""
    if mode is PromptLines.WHOLE:
        is_infotext = any(SETTINGS.match(line.text) or _NEGATIVE.match(line.text) for line in filled)
        whole = _joined(filled, is_infotext=is_infotext)
        return Entries(entries=(_labelled(whole) if is_infotext else whole,), notes=())
    pairs = _labelled_pairs(filled)
    if pairs:
        return Entries(entries=tuple(pairs), notes=())
    blocks, rest = _infotexts(filled)
    if blocks:
        singles = [_entry(line) for line in rest]
        notes = tuple(_notes_of_infotexts(blocks, singles))
        return Entries(entries=(*blocks, *singles), notes=notes)
    filled, label_notes = _without_labels(filled)
    filled, notes = _without_bullets(filled)
    notes = (*label_notes, *notes)
    if mode is PromptLines.AUTO and len(filled) > 1:
        if _is_one_text(filled):
            note = f"the {len(filled)} lines of the text were read as one prompt, as each goes on in the next"
            return Entries(entries=(_joined(filled),), notes=(f"{note}; {LINES_KEY}",))
        notes = (f"the text was read as {len(filled)} prompts, one a line; {WHOLE_KEY}", *notes)
    return Entries(entries=tuple(map(_entry, filled)), notes=notes)


_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def _lines(text: str) -> Iterator[_Line]:
    """The lines that are neither blank nor comments."""
    follows_blank = False
    for number, line in enumerate(_LINE_END.split(text), start=1):
        stripped = line.strip()
        command = _COMMAND.match(stripped)
        stripped = stripped[command.end() :] if command is not None else stripped
        if stripped and not _COMMENT.match(stripped):
            is_indented = line[0].isspace()
            yield _Line(number=number, text=stripped, last=number, follows_blank=follows_blank, is_indented=is_indented)
        follows_blank = not stripped


def _entry(line: _Line) -> Entry:
    is_infotext = _INLINE_STEPS.search(line.text) is not None
    return Entry(text=line.text, first=line.number, last=line.last, is_infotext=is_infotext)


def _joined(lines: Sequence[_Line], *, is_infotext: bool = False) -> Entry:
    """Several lines as one text, in which a blank line stays one."""
    text = "".join("\n" * (1 + line.follows_blank) + line.text for line in lines).lstrip("\n")
    return Entry(text=text, first=lines[0].number, last=lines[-1].number, is_infotext=is_infotext)


def _labelled_pairs(lines: Sequence[_Line]) -> list[Entry]:
    """The prompts of a text in which each begins with `positive:`; none where it is no such text.

    So ComfyUI's Inspire Pack writes them, with `negative:` behind and lines of dashes between.
    """
    starts = [index for index, line in enumerate(lines) if _POSITIVE.match(line.text)]
    if starts[:1] != [0] or not any(_NEGATIVE.match(line.text) for line in lines):
        return []
    blocks = [lines[start:end] for start, end in pairwise((*starts, len(lines)))]
    pairs = [_joined(block, is_infotext=any(_NEGATIVE.match(line.text) for line in block)) for block in blocks]
    return list(map(_labelled, pairs))


def _infotexts(lines: Sequence[_Line]) -> tuple[list[Entry], list[_Line]]:
    """The pasted infotexts, and the lines that belong to none.

    An infotext ends with its settings, or, where it has none, with the blank line behind its negative prompt. All
    lines between two infotexts belong to the second.
    """
    found: list[Entry] = []
    pending: list[_Line] = []
    has_settings = has_negative = is_within_quotes = False

    def close() -> None:
        nonlocal pending, has_settings, has_negative, is_within_quotes
        found.append(_labelled(_joined(pending, is_infotext=True)))
        pending, has_settings, has_negative, is_within_quotes = [], False, False, False

    for line in lines:
        begins_settings = SETTINGS.match(line.text) is not None
        goes_on = is_within_quotes or (_MORE_SETTINGS.match(line.text) is not None and not line.follows_blank)
        if (has_settings and not goes_on) or (has_negative and line.follows_blank and not begins_settings):
            close()
        is_negative = _NEGATIVE.match(line.text) is not None
        if is_negative and has_negative and not has_settings:  # prompts with negative prompts, without blank lines
            following = list(takewhile(lambda one: not _NEGATIVE.match(one.text), reversed(pending)))[::-1]
            if following:
                del pending[-len(following) :]
                close()
                pending = following
        pending.append(line)
        has_settings = has_settings or begins_settings
        has_negative = has_negative or is_negative
        if has_settings:  # some programs write line breaks within quotes
            is_within_quotes ^= line.text.replace('\\"', "").count('"') % 2 == 1
    if has_settings or has_negative:
        close()
    return found, pending


def _notes_of_infotexts(blocks: Sequence[Entry], singles: Sequence[Entry]) -> Iterator[str]:
    for block in blocks:
        texts = block.text.split(NEGATIVE, 1)
        if any("\n" in text.strip() for text in texts) and not SETTINGS.search(block.text):
            yield f"lines {block.first} to {block.last} were read as one prompt with what to keep out of its picture"
    if singles:
        yield f"what stands behind the settings was read as {len(singles)} more, one a line; {WHOLE_KEY}"


def _labelled(entry: Entry) -> Entry:
    """Without the label `Prompt:`, and with `Negative prompt:` as A1111 spells it."""
    label = _PROMPT_LABEL.match(entry.text)
    lines = entry.text[label.end() if label is not None else 0 :].split("\n")
    spelt = (NEGATIVE + line[found.end() :] if (found := _NEGATIVE.match(line)) else line for line in lines)
    return replace(entry, text="\n".join(spelt))


def _without_labels(lines: list[_Line]) -> tuple[list[_Line], tuple[str, ...]]:
    """Lines without the label `Prompt:`, where all lines have it, or where it stands alone above them."""
    labels = [_PROMPT_LABEL.match(line.text) for line in lines]
    ends = [label.end() for label in labels if label is not None]
    is_above = ends[:1] == [len(lines[0].text)]
    if not is_above and len(ends) < len(lines):
        return lines, ()
    texts = [line.text[label.end() if label is not None else 0 :] for line, label in zip(lines, labels, strict=True)]
    found = [replace(line, text=text) for line, text in zip(lines, texts, strict=True) if text]
    label = lines[0].text[: ends[0]].strip()
    return (found, (f"the label `{label}` was left out",)) if found else (lines, ())


def _without_bullets(lines: list[_Line]) -> tuple[list[_Line], tuple[str, ...]]:
    """Lines without the signs of a Markdown list, or the quotes of a program's list, where all lines have them."""
    if _BULLET.match(lines[0].text) and all(line.is_indented or _BULLET.match(line.text) for line in lines):
        note = f"the sign `{lines[0].text[0]}` at the beginning of the lines was left out"
        return _bullets(lines), (note,)
    if len(lines) < 2:
        return lines, ()
    numbers = [_NUMBER.match(line.text) for line in lines]
    found = [int(number[1]) for number in numbers if number is not None]
    if found and found in (list(range(found[0], found[0] + len(lines))), found[:1] * len(lines)):
        note = "the numbers at the beginning of the lines were left out"
        return [replace(line, text=_NUMBER.sub("", line.text, count=1)) for line in lines], (note,)
    quoted = [_IN_QUOTES.fullmatch(line.text) for line in lines]
    inner = [replace(line, text=match[1]) for line, match in zip(lines, quoted, strict=True) if match is not None]
    if len(inner) == len(lines):
        return inner, ("the quotes around the lines were left out",)
    return lines, ()


def _bullets(lines: Sequence[_Line]) -> list[_Line]:
    """The text of each bullet, with the indented lines below it."""
    found: list[_Line] = []
    for line in lines:
        if _BULLET.match(line.text):
            found.append(replace(line, text=_BULLET.sub("", line.text, count=1)))
        else:
            found[-1] = replace(found[-1], text=f"{found[-1].text} {line.text}", last=line.number)
    return found


def _is_one_text(lines: Sequence[_Line]) -> bool:
    """Whether several lines clearly are one prompt."""
    texts = [line.text for line in lines]
    if all(text.endswith(",") for text in texts[:-1]) and not texts[-1].endswith(","):
        return True
    if any(_JOINT.search(f"{text}\n{following}") for text, following in pairwise(texts)):
        return True
    return _brackets_reach_over(texts) or _is_wrapped(texts)


def _brackets_reach_over(texts: Sequence[str]) -> bool:
    """Whether a bracket that one line opens is closed in a later one, and none stays open."""
    for opening, closing in ("()", "{}"):
        balances = [text.count(opening) - text.count(closing) for text in texts]
        if any(balances) and sum(balances) == 0 and min(accumulate(balances)) >= 0:
            return True
    return False


def _is_wrapped(texts: Sequence[str]) -> bool:
    """Whether an editor has wrapped one text: full lines that end within a sentence, and begin differently."""
    if len(texts) < _LEAST_WRAPPED_LINES or len({text.split()[0].casefold() for text in texts}) < len(texts):
        return False
    width = max(map(len, texts))
    if width < _LEAST_WRAPPED_CHARACTERS:
        return False
    return all(
        len(text) + 1 + len(following.split()[0]) > width
        and not text.endswith((".", "!", "?"))
        and (following[0].islower() or text.endswith(","))
        for text, following in pairwise(texts)
    )
