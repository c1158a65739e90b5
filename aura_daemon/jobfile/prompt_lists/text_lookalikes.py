"""Texts that are no prompts, though they are called `.txt`. In: a text and its name. Out: what it is, with the mend.

Everything here is careful with prompts: `Cat: a portrait`, `style: anime, cat`, `{red|blue} cat` and `<lora:ink>` are
prompts, and so is a text in which a job key stands alone (`model: a woman in red`).
"""

from __future__ import annotations

import json
import re
from typing import Final

from aura_daemon.formats.file_types import JOB_FILE_EXTENSIONS, TABLE_EXTENSIONS, extension_of
from aura_daemon.formats.prompt_lists.setting_names import TEXTS, canonical, is_key, meaning
from aura_daemon.jobfile.keys.caption import CaptionJob
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.prompt_lists.text_entries import SETTINGS

_HTML: Final = re.compile(
    r"<(?:!doctype\b|!--|\?xml\b|(?:html|head|body|div|p|span|table|svg)(?=[\s>]))", re.IGNORECASE
)
_JSON_KEY: Final = re.compile(r'[\[{]\s*(?:\{\s*)?"[^"\n]*"\s*:')
_JSON_LINES: Final = re.compile(r"\}\s*\n\s*\{")
_YAML_KEY: Final = re.compile(r"(?:- )?([A-Za-z_][A-Za-z_ -]{1,30}):(?:\s|$)")
_SETTING: Final = re.compile(r"([A-Z][A-Za-z ]{1,30}):[^\S\n]")
_LEAST_SETTINGS: Final = 3
_JOB_KEYS: Final = GenerateJob.model_fields.keys() | CaptionJob.model_fields.keys()
_ABOUT_WHAT: Final = frozenset({"prompt", "image", "task"})
"""Keys of which a job file has at least one."""


def what_it_is(text: str, file: str) -> str:
    """What a file is that holds this text, and what to do; empty where the text holds prompts."""
    stem = file.rpartition("/")[2].rpartition(".")[0] or file
    inner = extension_of(stem)
    if inner in (*JOB_FILE_EXTENSIONS, *TABLE_EXTENSIONS):
        return f"the file is called {inner}.txt (Windows hides the .txt): call it {stem}"
    body = text.strip()
    if body.startswith("{\\rtf"):
        return "this is RTF, which TextEdit and WordPad write: save it as plain text"
    if _HTML.match(body):
        return "this is HTML, a web page: save its text as plain text"
    if _is_json(body):
        return f"this is JSON, no text: call it {stem}.json" + "l" * (_JSON_LINES.search(body) is not None)
    if _is_job_file(body):
        return f"this looks like a job file: call it {stem}.yaml"
    if _is_settings(body):
        return "these are settings, one a line, as Easy Diffusion writes them: write a job file (.yaml) with their keys"
    if _is_table(body):
        return f"this looks like a table with its columns named in the first line: call it {stem}.csv"
    return ""


def _is_json(body: str) -> bool:
    if not body.startswith(("{", "[")):
        return False
    if _JSON_KEY.match(body):
        return True
    try:
        return isinstance(json.loads(body), list | dict) and '"' in body
    except (ValueError, RecursionError):
        return False


def _is_job_file(body: str) -> bool:
    """Whether all lines are keys of a job with their values, or belong to such a line."""
    keys: list[str] = []
    names: set[str] = set()
    for line in body.splitlines():
        if not line.strip() or line.startswith("#") or line.rstrip() in ("---", "..."):
            continue
        found = _YAML_KEY.match(line)
        key = meaning(canonical(found[1])) if found is not None else ""
        if SETTINGS.match(line):
            return False
        if found is not None and (key in _JOB_KEYS or is_key(key)):
            keys.append(key)
            names.add(found[1])
        elif not keys or not line.startswith((" ", "\t", "- ")):
            return False
    if set(keys) <= TEXTS and not names <= TEXTS:  # `Prompt: …` and `Negative prompt: …`, as people label texts
        return False
    return bool(_ABOUT_WHAT & set(keys)) and (keys[0] == "prompt" or len(set(keys)) > 1)


def _is_settings(body: str) -> bool:
    """Whether the text begins with `Prompt: …`, and several lines are other settings, each with its name."""
    labels = [found[1] for found in map(_SETTING.match, body.splitlines()) if found is not None]
    others = [label for label in labels[1:] if meaning(canonical(label)) not in ("prompt", "negative_prompt")]
    return labels[:1] == ["Prompt"] and sum(is_key(canonical(label)) for label in others) >= _LEAST_SETTINGS


def _is_table(body: str) -> bool:
    """Whether the first line names columns, the prompt among them."""
    first = body.partition("\n")[0]
    for delimiter in ",;\t":
        names = [canonical(cell.strip().strip('"')) for cell in first.split(delimiter)]
        if len(names) > 1 and all(map(is_key, names)) and "prompt" in map(meaning, names):
            return "\n" in body
    return False
