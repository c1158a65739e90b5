"""Reads a `.txt` as prompts. In: its bytes. Out: its jobs, or every problem.

`text_frames` takes away what stands around prompts, `text_entries` cuts the text into prompts, `formats.prompt_flags`
reads the flags of a line, `formats.infotext` the settings of a pasted infotext, and `text_lookalikes` refuses what only
looks like text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.picture_metadata import infotext
from aura_daemon.formats.plain_text import NotPlainText, text_of
from aura_daemon.formats.prompt_lists import prompt_flags
from aura_daemon.formats.prompt_lists.foreign_settings import SettingFault, translated
from aura_daemon.formats.yaml_reader import MOST_BYTES
from aura_daemon.formats.yaml_signs import without_separators
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.expansion import MOST_JOBS
from aura_daemon.jobfile.folder_defaults import FolderDefaults, prompt_lines_of
from aura_daemon.jobfile.keys.types import MOST_PROMPT_CHARACTERS
from aura_daemon.jobfile.parser import Draw, JobPlans, ParseResult, RejectedFile
from aura_daemon.jobfile.prompt_lists import text_lookalikes
from aura_daemon.jobfile.prompt_lists.text_entries import NEGATIVE, WHOLE_KEY, Entry, entries_of
from aura_daemon.jobfile.prompt_lists.text_frames import unframed
from aura_daemon.jobs.sources import PromptLines
from aura_daemon.problems import MOST_PROBLEMS, capped, cut

ONLY_COMMENTS: Final = (
    "the file holds nothing but comments, the lines that begin with `#` or `//`; `\\#` at the beginning keeps a line"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeysOfPrompt:
    """What one prompt with its flags or settings asks for."""

    keys: dict[str, object]
    written: dict[str, str]
    """Key -> how the user wrote it."""
    warnings: tuple[str, ...] = ()
    faults: tuple[SettingFault, ...] = ()


def parse_prompt_text(
    content: bytes,
    *,
    file: str,
    folders: Sequence[FolderDefaults] = (),
    catalogue: Catalogue | None = None,
    draw: Draw = int,
    prompt_lines: PromptLines = PromptLines.AUTO,
) -> ParseResult:
    """Parses a text file; its prompts may hold choices and word lists like those of a job file.

    `prompt_lines`: as configured; the settings of a folder count before it. The other arguments are as for
    `parser.parse_job_file`.
    """
    if len(content) > MOST_BYTES:
        allowed = f"a prompt has at most {MOST_PROMPT_CHARACTERS:,} characters, and a file {MOST_JOBS} prompts"
        return _refused(f"the file is longer than {MOST_BYTES:,} bytes; {allowed}", file=file)
    text = text_of(content)
    if isinstance(text, NotPlainText):
        return _refused(text.message, file=file, line=text.line)
    plain = unframed(text)
    text = plain.text
    other = text_lookalikes.what_it_is(text, file)
    if other:
        return _refused(other, file=file)
    if not text.strip():
        return _refused("the file is blank; it should hold a prompt", file=file)
    found = entries_of(without_separators(text), prompt_lines_of(folders, prompt_lines))
    entries = found.entries
    if not entries:
        return _refused(ONLY_COMMENTS, file=file)
    if len(entries) > MOST_JOBS:
        message = f"this would be {len(entries):,} jobs; a file has at most {MOST_JOBS}: split it, or"
        return _refused(f"{message}, if it is one prompt: {WHOLE_KEY}", file=file)
    jobs = JobPlans(file=file, folders=folders, catalogue=catalogue)
    problems: list[Problem] = []
    notes = (*plain.notes, *found.notes)
    for entry in entries:
        problems += _added(jobs, entry, content, file=file, is_only_one=len(entries) == 1, notes=notes)
        if len(problems) > MOST_PROBLEMS:
            break
    if problems:
        are_all = len(problems) <= MOST_PROBLEMS
        return RejectedFile(problems=capped(problems, file=file, are_all=are_all))
    return jobs.made(draw)


def keys_of_line(line: str) -> KeysOfPrompt:
    """The keys of a prompt on a line of its own, with its flags."""
    flagged = prompt_flags.flags_in(line)
    if flagged is None:
        return KeysOfPrompt(keys={"prompt": line}, written={})
    found = translated(flagged.settings)
    keys, warnings, faults = dict(found.keys), list(found.warnings), [*flagged.faults, *found.faults]
    for key in ("image", "mask"):
        if key in keys:
            del keys[key]
            message = f"names an image, which a text cannot wait for: write a job file (.yaml) with `{key}: NAME.png`"
            written = found.written[key]
            faults.append(SettingFault(label=written.partition(" ")[0], message=message, written=written))
    if flagged.is_invokeai and "[" in str(keys.get("prompt", "")):
        warnings.append(
            "`[…]` counts less here; InvokeAI keeps it out of the picture, as `--negative_prompt` does here"
        )
    return KeysOfPrompt(keys=keys, written=dict(found.written), warnings=tuple(warnings), faults=tuple(faults))


def problem_of_fault(fault: SettingFault, *, file: str, line: int | None) -> Problem:
    """A setting that no job can have, as a problem of its line."""
    return Problem(
        file=file,
        line=line,
        key=fault.label,
        message=fault.message,
        given=fault.written if fault.written != fault.label else "",
        suggestion=fault.suggestion,
    )


def _refused(message: str, *, file: str, line: int | None = None) -> RejectedFile:
    return RejectedFile(problems=(Problem(file=file, line=line, message=message),))


def _added(
    jobs: JobPlans, entry: Entry, content: bytes, *, file: str, is_only_one: bool, notes: tuple[str, ...]
) -> tuple[Problem, ...]:
    """Adds one prompt to the jobs, or returns everything that is wrong with it."""
    line = entry.first if entry.last > 1 or not is_only_one else None
    found = _keys_of_infotext(entry.text) if entry.is_infotext else keys_of_line(entry.text)
    length = len(str(found.keys.get("prompt", "")))
    if length > MOST_PROMPT_CHARACTERS:
        message = f"the prompt has {length:,} characters; at most {MOST_PROMPT_CHARACTERS:,} are allowed"
        return (Problem(file=file, line=line, message=message),)
    if found.faults:
        return tuple(problem_of_fault(fault, file=file, line=line) for fault in found.faults)
    text = content if is_only_one else to_yaml(found.keys).encode()
    lines = {} if line is None else {**dict.fromkeys(found.keys, entry.last), "": line, "prompt": line}
    return jobs.add(found.keys, text, lines=lines, written=found.written, warnings=(*notes, *found.warnings))


def _keys_of_infotext(text: str) -> KeysOfPrompt:
    """The keys of a pasted infotext, or of a prompt with a negative prompt and no settings."""
    settings = infotext.parse(text)
    if settings is None:
        prompt, _, negative = text.partition(NEGATIVE)
        if not prompt.strip():
            fault = SettingFault(label="prompt", message=f"is missing: it stands before `{NEGATIVE}`", written="prompt")
            return KeysOfPrompt(keys={}, written={}, faults=(fault,))
        return KeysOfPrompt(keys={"prompt": prompt.strip(), "negative_prompt": negative.strip()}, written={})
    keys = {key: value for key, value in settings.keys.items() if (key, value) != ("negative_prompt", "")}
    warnings = [*settings.lost]
    if settings.model:
        model = cut(settings.model)
        warnings.append(f"the model {model} in the settings was not looked for: `model` in a job file chooses one")
    return KeysOfPrompt(keys=keys, written={}, warnings=tuple(warnings))
