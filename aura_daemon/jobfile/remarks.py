"""What is read otherwise than a prompt's writer may have meant. In: texts as written, requests. Out: lines of text.

Nothing here is wrong: `check`, the log and the sidecar say it, and the job runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from typing import Final

from aura_daemon.formats.prompt_lists.setting_names import MEANINGS
from aura_daemon.formats.prompts.prompt_tags import remarks_on_comments, remarks_on_tags
from aura_daemon.jobfile.recipes.checking import misspelt
from aura_daemon.jobs.prompts.placeholders import names_in
from aura_daemon.jobs.requests import GenerateRequest, RegenerateRequest, Request
from aura_daemon.problems import cut

MOST_REMARKS: Final = 20
"""Remarks on one text; of more of them no one reads."""

_FLAG: Final = re.compile(r"(?<!\S)--([a-z][a-z_]{0,30})\b(?:[ \t]+[^\s,-][^\s,]{0,20})?")
_MARKED: Final = re.compile(r"\{\s*([@~!])[^{}|]*\|[^{}]*\}")
_BRACES: Final = re.compile(r"(?<![\\{])(\{+)([^{}|$\\\n]+)(\}+)")

_NOVELAI_WEIGHT: Final = 1.05
"""How often the words in a pair of braces count in NovelAI."""


def remarks_on_texts(key: str, texts: Iterable[str], *, are_filled: bool = False) -> tuple[str, ...]:
    """What is said of a key's texts, as they are written: of comments, of marks before a choice, of braces.

    `are_filled`: placeholders in them have values.
    """
    remarks = ((*remarks_on_comments(text), *_marks(text), *_braces(text, are_filled)) for text in texts)
    said = dict.fromkeys(chain.from_iterable(remarks))
    return tuple(f"{key}: {remark}" for remark in list(said)[:MOST_REMARKS])


def remarks_on_request(request: Request | RegenerateRequest) -> tuple[str, ...]:
    """What is said of the texts that are drawn: of tags that are not known."""
    if isinstance(request, RegenerateRequest):
        texts = {key: str(request.keys.get(key) or "") for key in ("prompt", "negative_prompt")}
    elif isinstance(request, GenerateRequest):
        texts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
        texts |= {f"regions.{number}.prompt": region.prompt for number, region in enumerate(request.regions)}
        if not any(sign in text for text in texts.values() for sign in ("<", "--", "embedding:")):
            return ()
    else:
        return ()
    said = (
        (key, remark)
        for key, text in texts.items()
        for remark in [*remarks_on_tags(text), *_flags(text)][:MOST_REMARKS]
    )
    return tuple(f"{key}: {remark}" for key, remark in said)


def _flags(text: str) -> Iterable[str]:
    """Midjourney's and A1111's flags, as `--ar 16:9`, which are text in a prompt."""
    for match in _FLAG.finditer(text):
        meaning = MEANINGS.get(match[1])
        keys = " and ".join(f"`{key}`" for key in meaning.keys) if meaning is not None else ""
        yield f"`{cut(match[0])}` is drawn as text" + (f"; in a job file {keys} says it" if keys else "")


def _marks(text: str) -> Iterable[str]:
    for match in _MARKED.finditer(text):
        yield f"the `{match[1]}` in `{cut(match[0])}` is text: how one choice is drawn cannot be chosen"


def _braces(text: str, are_filled: bool) -> Iterable[str]:
    """NovelAI's emphasis; to A1111, too, braces are text. And placeholders of a job that has nothing to fill them."""
    for match in _BRACES.finditer(text):
        if names_in(match[0]):
            if not are_filled:
                yield f"`{match[0]}` is drawn with its braces: it stands for something where a job has an `image`"
            continue
        if are_filled and any(misspelt({"prompt": match[0]})):  # it is told of already
            continue
        weight = _NOVELAI_WEIGHT ** min(len(match[1]), len(match[3]))
        advice = f"NovelAI's emphasis is `({cut(match[2].strip())}:{weight:.2f})` here"
        yield f"`{cut(match[0])}` is drawn with its braces, as no `|` makes it a choice; {advice}"
