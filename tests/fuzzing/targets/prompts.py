"""Readers of prompts."""

from __future__ import annotations

from typing import Final

from aura_daemon.formats.prompts import prompt_schedule, prompt_syntax, prompt_tags
from aura_daemon.formats.prompts.prompt_schedule import PassSteps
from tests.fuzzing.limits import must
from tests.fuzzing.targets.fuzz_target import FuzzTarget, written_prompts


def _read_prompt(content: bytes) -> None:
    prompt = content.decode("utf-8", "replace")
    must(prompt_syntax.parse(prompt) == prompt_syntax.parse(prompt), "other sections of the same prompt")
    prompt_syntax.parts(prompt)
    prompt_syntax.not_understood(prompt)
    phases = prompt_schedule.schedule(prompt[:4000], PassSteps(steps=20, taken=20))
    must(0 < len(phases) <= 20, f"{len(phases)} phases of 20 steps")
    prompt_tags.extract_loras(prompt)
    kept = prompt_tags.without_comments(prompt)
    must(len(kept.text) <= len(prompt), "a text that grows without its comments")


TARGETS: Final = {
    "prompt-syntax": FuzzTarget(
        read=_read_prompt,
        seeds=written_prompts,
        words=(
            b"(",
            b")",
            b"[",
            b"]",
            b":0.5",
            b"|",
            b" AND ",
            b"BREAK",
            b"<lora:a:1>",
            b"\\",
            b"#",
            b"//",
            b"/*",
            b"*/",
        ),
    ),
}
"""Name -> reader."""
