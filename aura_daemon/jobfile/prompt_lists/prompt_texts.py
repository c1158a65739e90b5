"""Reads a `.txt` as prompts. In: its bytes. Out: its jobs, or every problem.

`text_frames` takes away what stands around prompts, `text_entries` cuts the text into prompts, `formats.prompt_flags`
reads the flags of a line, `formats.infotext` the settings of a pasted infotext, and `text_lookalikes` refuses what only
looks like text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.picture_metadata import infotext
from aura_daemon.formats.plain_text import MOST_BYTES, text_of
from aura_daemon.formats.prompt_lists import prompt_flags
from aura_daemon.formats.prompt_lists.foreign_settings import Translation, translated
from aura_daemon.formats.yaml_signs import without_separators
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.jobfile.expansion import MOST_JOBS
from aura_daemon.jobfile.folder_defaults import prompt_lines_of
from aura_daemon.jobfile.keys.types import MOST_PROMPT_CHARACTERS
from aura_daemon.jobfile.parser import JobPlans
from aura_daemon.jobfile.prompt_lists import text_lookalikes
from aura_daemon.jobfile.prompt_lists.text_entries import WHOLE_KEY, Entry, entries_of
from aura_daemon.jobfile.prompt_lists.text_frames import unframed
from aura_daemon.jobs.sources import PromptLines
from aura_daemon.problems import cut

ONLY_COMMENTS: Final = (
    "the file holds nothing but comments, the lines that begin with `#` or `//`; `\\#` at the beginning keeps a line"
)


def added_prompts(jobs: JobPlans, content: bytes, prompt_lines: PromptLines) -> Iterator[Sequence[Problem]]:
    """Adds the prompts of a text to the jobs; what is wrong with each. `prompt_lines`: as configured.

    Prompts may hold choices and word lists like those of a job file.
    """
    text = _text_of(content, jobs.file)
    if isinstance(text, Problem):
        yield [text]
        return
    plain = unframed(text)
    found = entries_of(without_separators(plain.text), prompt_lines_of(jobs.folders, prompt_lines))
    entries = found.entries
    refusal = text_lookalikes.what_it_is(plain.text, jobs.file) or _refusal(plain.text, entries)
    if refusal:
        yield [Problem(file=jobs.file, message=refusal)]
        return
    notes = (*plain.notes, *found.notes)
    for entry in entries:
        yield _added(jobs, entry, content, is_only_one=len(entries) == 1, notes=notes)


def keys_of_line(line: str) -> Translation:
    """The keys of a prompt on a line of its own, with its flags."""
    flagged = prompt_flags.flags_in(line)
    if flagged is None:
        return Translation(keys={"prompt": line})
    found = translated(flagged.settings)
    keys, warnings, faults = dict(found.keys), list(found.warnings), [*flagged.faults, *found.faults]
    for key in ("image", "mask"):
        if key in keys:
            del keys[key]
            message = f"names an image, which a text cannot wait for: write a job file (.yaml) with `{key}: NAME.png`"
            written = found.written[key]
            faults.append(Problem(key=written.partition(" ")[0], message=message, given=written))
    if flagged.is_invokeai and "[" in str(keys.get("prompt", "")):
        warnings.append(
            "`[…]` counts less here; InvokeAI keeps it out of the picture, as `--negative_prompt` does here"
        )
    return Translation(keys=keys, written=found.written, warnings=tuple(warnings), faults=tuple(faults))


def _text_of(content: bytes, file: str) -> str | Problem:
    if len(content) > MOST_BYTES:
        allowed = f"a prompt has at most {MOST_PROMPT_CHARACTERS:,} characters, and a file {MOST_JOBS} prompts"
        return Problem(file=file, message=f"the file is longer than {MOST_BYTES:,} bytes; {allowed}")
    return text_of(content, file=file)


def _refusal(text: str, entries: Sequence[Entry]) -> str:
    """Why no job is made of a text; empty where its entries become jobs."""
    if not text.strip():
        return "the file is blank; it should hold a prompt"
    if len(entries) > MOST_JOBS:
        message = f"this would be {len(entries):,} jobs; a file has at most {MOST_JOBS}: split it, or"
        return f"{message}, if it is one prompt: {WHOLE_KEY}"
    return "" if entries else ONLY_COMMENTS


def _added(
    jobs: JobPlans, entry: Entry, content: bytes, *, is_only_one: bool, notes: tuple[str, ...]
) -> tuple[Problem, ...]:
    """Adds one prompt to the jobs, or returns everything that is wrong with it."""
    line = entry.first if entry.last > 1 or not is_only_one else None
    found = _keys_of_infotext(entry.text) if entry.is_infotext else keys_of_line(entry.text)
    length = len(str(found.keys.get("prompt", "")))
    if length > MOST_PROMPT_CHARACTERS:
        message = f"the prompt has {length:,} characters; at most {MOST_PROMPT_CHARACTERS:,} are allowed"
        return (Problem(file=jobs.file, line=line, message=message),)
    if found.faults:
        return tuple(replace(fault, file=jobs.file, line=line) for fault in found.faults)
    text = content if is_only_one else to_yaml(found.keys).encode()
    lines = {} if line is None else {**dict.fromkeys(found.keys, entry.last), "": line, "prompt": line}
    return jobs.add(found.keys, text, lines=lines, written=found.written, warnings=(*notes, *found.warnings))


def _keys_of_infotext(text: str) -> Translation:
    """The keys of a pasted infotext, or of a prompt with a negative prompt and no settings."""
    settings = infotext.parse(text)
    if settings is None:
        prompt, _, negative = text.partition(infotext.NEGATIVE)
        if not prompt.strip():
            message = f"is missing: it stands before `{infotext.NEGATIVE}`"
            return Translation(keys={}, faults=(Problem(key="prompt", message=message),))
        return Translation(keys={"prompt": prompt.strip(), "negative_prompt": negative.strip()})
    keys = {key: value for key, value in settings.keys.items() if (key, value) != ("negative_prompt", "")}
    warnings = [*settings.lost]
    if settings.model:
        model = cut(settings.model)
        warnings.append(f"the model {model} in the settings was not looked for: `model` in a job file chooses one")
    return Translation(keys=keys, warnings=tuple(warnings))
