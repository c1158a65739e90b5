"""Flags in a line of a list of prompts: `a cat --steps 8`, `a cat -s8`. In: a line. Out: its settings, or none.

Understood are the lines of AUTOMATIC1111's script for prompts from a file (`--prompt "…" --steps 8`), of kohya's
gen_img (`a cat --n text --w 512`), of InvokeAI's command line (`a cat -s 8 -S 42`) and Midjourney's `--ar`. A flag is
`--` with a letter behind it, at the beginning of a word: `a man -- no, a woman` and `high-contrast` are text. Flags
with one dash are looked for only where one of InvokeAI's with its number or sampler is in the line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.prompt_lists.foreign_settings import Setting
from aura_daemon.formats.prompt_lists.setting_names import REFUSED, TEXTS, canonical, is_key, is_known, meaning
from aura_daemon.problems import cut, nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class FlaggedLine:
    """A line with flags."""

    settings: tuple[Setting, ...]
    """The prompt is one of them, where the line has one."""
    faults: tuple[Problem, ...]
    is_invokeai: bool
    """Whether there are flags with one dash."""


_KOHYA: Final = {
    "n": "negative_prompt",
    "w": "width",
    "h": "height",
    "s": "steps",
    "d": "seed",
    "l": "cfg_scale",
    "g": "cfg_scale",
    "t": "strength",
    "c": "clip_prompt",
    "ss": "sampler",
}
"""kohya's flags of one or two letters, after `--`; their case does not matter."""

_INVOKEAI: Final = {
    "n": "iterations",
    "s": "steps",
    "S": "seed",
    "C": "cfg_scale",
    "W": "width",
    "H": "height",
    "A": "sampler",
    "I": "init_img",
    "M": "init_mask",
    "f": "strength",
    "g": "grid",
    "v": "variation_amount",
    "U": "upscale",
    "G": "facetool_strength",
}
"""The usual ones of InvokeAI's flags with one dash."""

_LONG: Final = re.compile(r"(?<!\S)--(?P<long>[A-Za-z][A-Za-z0-9_-]*)(?:=|(?=\s|$))")
_SURE: Final = re.compile(r"(?<!\S)-(?:[nsSWHC]\s*[0-9]+(?:\.[0-9]+)?|A\s*(?:k_\w+|ddim|plms))(?=\s|$)")
"""Flags of InvokeAI with the value that only they have."""
_ANY: Final = re.compile(rf"{_LONG.pattern}|(?<!\S)-(?P<short>[AIM](?=\S)|[A-Za-z](?=\s|[0-9.]|$))")
_JOINED_DASHES: Final = re.compile(r"(?<!\S)[\u2013\u2014]([A-Za-z_]{4,})(?=[\s=])")
_QUOTED: Final = re.compile(r"""\s*(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)')(?=\s|$)""", re.DOTALL)

_STRENGTH: Final = re.compile(r"[01]?\.?[0-9]+")
"""Behind the scale of InvokeAI's upscaler, how much of it is taken."""

_SWITCHES: Final = frozenset(
    {"grid", "restore_faces", "tiling", "seamless", "hires_fix", "enable_hr", "do_not_save_samples", "do_not_save_grid"}
    | {"tile", "raw", "hd", "fast", "relax", "turbo"}
)
"""Settings that are switched on by their name alone."""

MOST_CHARACTERS: Final = 25_000
"""Of a line with flags: a prompt and a negative prompt have at most 10,000 each."""

_USUAL: Final = (
    *("prompt", "negative_prompt", "steps", "seed", "width", "height", "cfg_scale", "sampler_name", "batch_size"),
    *("n_iter", "sd_model", "clip_skip", "styles", "tiling", "restore_faces", "subseed", "iterations", "sampler"),
)
"""Flags that a misspelt one is compared with."""


def flags_in(line: str) -> FlaggedLine | None:
    """The settings in a line, its prompt included; None where the line has no flags, so that all of it is text.

    A line that is longer than its prompts may be is text.
    """
    if len(line) > MOST_CHARACTERS:
        return None
    joined = _JOINED_DASHES.search(line)
    if joined is not None and is_key(canonical(joined[1])):
        message = f"begins with one long dash, which an editor made of two: write `--{joined[1]}`"
        fault = Problem(key=joined[0], message=message)
        return FlaggedLine(settings=(), faults=(fault,), is_invokeai=False)
    begin = _QUOTED.match(line)
    start = begin.end() if begin is not None else 0
    is_invokeai = _SURE.search(line, start) is not None
    pattern = _ANY if is_invokeai else _LONG
    flag = pattern.search(line, start)
    if flag is None:
        return None
    faults: list[Problem] = []
    prompt = _without_quotes(line[: flag.start()].strip())
    settings = [Setting(name="prompt", label="the text", value=prompt, written=cut(prompt))] if prompt else []
    while flag is not None:
        quoted = _QUOTED.match(line, flag.end())
        following = pattern.search(line, quoted.end() if quoted is not None else flag.end())
        value = line[flag.end() : following.start() if following is not None else len(line)].strip()
        found = _setting(flag, value)
        if isinstance(found, Setting):
            settings.append(found)
        else:
            faults.append(found)
        flag = following
    return FlaggedLine(settings=tuple(settings), faults=tuple(faults), is_invokeai=is_invokeai)


def _setting(flag: re.Match[str], value: str) -> Setting | Problem:
    """One flag with the text behind it, up to the next flag."""
    label = cut(flag[0].rstrip("="))
    written = cut(f"{label} {value}".strip())
    name = _name(flag)

    def fault(message: str, suggestion: str = "") -> Problem:
        return Problem(key=label, message=message, given=written if value else "", suggestion=suggestion)

    if not is_known(name):
        near = nearest(name, _USUAL) if flag["long"] else ""
        return fault("is no known flag (text has a space behind its dashes)", f"--{near}" if near else "")
    if meaning(name) in TEXTS:
        text = _as_in_a_shell(value)
        return Setting(name=name, label=label, value=text, written=written) if text else fault("needs a text behind it")
    if not value:
        if name in REFUSED and name not in _SWITCHES:
            return fault(REFUSED[name])
        if name not in _SWITCHES:
            return fault("needs a value behind it")
        return Setting(name=name, label=label, value=True, written=written)
    more = "" if _QUOTED.fullmatch(value) else value.partition(" ")[2].strip()
    is_strength = meaning(name) == "upscale" and _STRENGTH.fullmatch(more) is not None
    if more and is_key(name) and not is_strength:
        return fault(f"has `{cut(more)}` behind its value: text stands before the flags, or in quotes")
    return Setting(name=name, label=label, value=_without_quotes(value), written=written)


def _name(flag: re.Match[str]) -> str:
    """The canonical name of the setting that a flag stands for."""
    if flag["long"]:
        name = canonical(flag["long"])
        return _KOHYA.get(name, name)
    return _INVOKEAI.get(flag["short"], f"-{flag['short']}")


def _without_quotes(text: str) -> str:
    """Text without the quotes around all of it."""
    quoted = _QUOTED.fullmatch(text)
    return _inside(quoted) if quoted is not None else text


def _as_in_a_shell(text: str) -> str:
    """Text without the quotes around it or around its first part, as AUTOMATIC1111 takes them off."""
    quoted = _QUOTED.match(text)
    return f"{_inside(quoted)}{text[quoted.end() :]}".strip() if quoted is not None else text


def _inside(quoted: re.Match[str]) -> str:
    inner = quoted[1] if quoted[1] is not None else quoted[2]
    return re.sub(r"\\([\"'\\])", r"\1", inner).strip()
