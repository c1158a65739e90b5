"""Rows of a table of prompts, and how such a table is told from other people's. In: names, texts. Out: answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aura_daemon.errors import AuraError
from aura_daemon.formats.prompt_lists.setting_names import canonical, meaning


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one job is asked for with."""

    value: Mapping[str, object] | str
    """Names of columns or keys as they stand in the file; or a text, which may hold flags."""
    line: int
    """Where the row begins, from 1."""


class UnreadableTable(AuraError):
    """Why a table, or a row of it, cannot be read."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


_OTHER_TRADES: Final = frozenset(
    {"completion", "completions", "messages", "response", "responses", "chosen", "rejected", "answer", "answers"}
    | {"file_name", "filename", "image_name", "file", "path", "caption", "captions", "label", "class_type", "schema"}
    | {"max_tokens", "stop_sequences", "app_version", "generation_mode", "job_timestamp"}
)
"""Keys beside a prompt in what is no job: training data, requests to language models, other tools' results."""

_STYLES: Final = frozenset({"name", "prompt", "negative_prompt"})
"""The columns of AUTOMATIC1111's styles.csv."""


def are_of_jobs(names: Collection[str]) -> bool:
    """Whether keys or columns are those of jobs: a prompt is among them, and nothing of another trade."""
    spelt = {canonical(name) for name in names}
    return "prompt" in map(meaning, spelt) and not _OTHER_TRADES & spelt and spelt != _STYLES


def are_prompts(texts: Sequence[str]) -> bool:
    """Whether at least half of some texts have two words or more, and none holds an address of the web."""
    wordy = [text for text in texts if sum(word[0].isalpha() for word in text.split()) >= 2]
    return bool(texts) and 2 * len(wordy) >= len(texts) and not any("://" in text for text in texts)
