"""What a file with a caption holds. In: a caption, what goes around it, the text that was there. Out: a text.

A file is one line: trainers read no further. The trigger word comes first and has a comma behind it, as trainers that
shuffle the parts between commas keep the first of them. A prefix and a suffix are set with a space, as kohya's
`caption_prefix` is; a suffix that begins with a comma or a full stop has none before it. A text that was there is
joined by a comma, as taggers append; or by a space, behind the end of a sentence.

A part that the text holds already is not added once more: whoever does this twice gets what whoever does it once gets.
"""

from __future__ import annotations

import re
from typing import Final, assert_never

from aura_daemon.jobs.caption_files import CaptionFile, ExistingText

_ENDS_A_SENTENCE: Final = ".!?:;…。！？"
_CLOSE_TO_THE_WORD: Final = ",.!?:;"
"""What stands right behind a word."""

_BETWEEN_PARTS: Final = f",{_ENDS_A_SENTENCE}"

_AT_THE_ENDS: Final = re.compile(r"\A[\s,]+|[\s,]+\Z")


def finished(caption: str, file: CaptionFile, before: str = "") -> str:
    """The text of the file, without a line break at its end; `before`: the text that was there."""
    trigger_word = _trimmed(_one_line(file.trigger_word))
    part, known = _without(trigger_word, _trimmed(_around(_one_line(caption), file))), _trimmed(before)
    match file.existing:
        case ExistingText.APPEND | ExistingText.PREPEND if _holds(known, part) and _begins_with(trigger_word, known):
            return known  # a daemon that was killed may have written it
        case ExistingText.APPEND | ExistingText.PREPEND as place:
            known = _without(trigger_word, known)
            joined = _joined(known, part) if place is ExistingText.APPEND else _joined(part, known)
            text = known if _holds(known, part) else joined
        case ExistingText.KEEP | ExistingText.REPLACE | ExistingText.SKIP:
            text = part
        case _:  # pragma: no cover
            assert_never(file.existing)
    return f"{trigger_word}, {text}" if trigger_word and text else trigger_word or text


def _around(caption: str, file: CaptionFile) -> str:
    """The caption between prefix and suffix."""
    prefix, suffix = _one_line(file.prefix), _one_line(file.suffix)
    text = " ".join(filter(None, (prefix, caption)))
    space = "" if suffix.startswith(tuple(_CLOSE_TO_THE_WORD)) else " "
    return f"{text}{space}{suffix}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _trimmed(text: str) -> str:
    """A text without space and commas at its ends."""
    return _AT_THE_ENDS.sub("", text)


def _begins_with(trigger_word: str, text: str) -> bool:
    """Whether the trigger word, or none, stands before the first comma of a text."""
    rest = text.removeprefix(trigger_word)
    return not trigger_word or (rest != text and (not rest or rest.lstrip().startswith(",")))


def _without(trigger_word: str, text: str) -> str:
    """A text without the trigger word, wherever that stands between commas."""
    if not trigger_word or trigger_word not in text:
        return text
    return _trimmed(re.sub(rf"(?:(?<=,)|\A)\s*{re.escape(trigger_word)}\s*(?:,|\Z)", "", text))


def _joined(left: str, right: str) -> str:
    if not left or not right:
        return left or right
    return f"{left} {right}" if left.endswith(tuple(_ENDS_A_SENTENCE)) else f"{left}, {right}"


def _holds(text: str, part: str) -> bool:
    """Whether a part, or nothing, stands in a text between commas, the ends of sentences or of lines."""
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        if _is_cut(text[:start]) and (part.endswith(tuple(_ENDS_A_SENTENCE)) or _is_cut(text[end:], is_behind=True)):
            return True
        start = text.find(part, start + 1)
    return False


def _is_cut(beside: str, *, is_behind: bool = False) -> bool:
    """Whether what stands before a part, or behind it, is another part of the text."""
    near = beside.lstrip() if is_behind else beside.rstrip()
    space = beside[: len(beside) - len(near)] if is_behind else beside[len(near) :]
    return not near or "\n" in space or near[0 if is_behind else -1] in _BETWEEN_PARTS
