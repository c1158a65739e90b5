"""What a picture is told in each of its passes, step by step. In: both prompts, the passes. Out: texts with weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aura_daemon.formats.prompts.prompt_schedule import PassSteps, Phase, never_reached, schedule
from aura_daemon.formats.prompts.prompt_syntax import Part, not_understood, parts


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduledText:
    """A part of a prompt, or a negative prompt: at least one phase."""

    phases: tuple[Phase, ...]
    weight: float = 1.0

    def at(self, step: int) -> str:
        """The text at a step, from 1; the last phase has no end, because some samplers take a step more."""
        return next((phase for phase in self.phases if step <= phase.last), self.phases[-1]).text


@dataclass(frozen=True, kw_only=True, slots=True)
class PassTexts:
    """What one pass is told."""

    parts: tuple[ScheduledText, ...]
    """The texts that `AND` joins, at least one."""
    negative: ScheduledText | None
    """None where nothing is drawn away from: guidance is off, and there is only one part."""

    @property
    def composes(self) -> bool:
        """Whether there is more than one part, or one that does not count once."""
        return [part.weight for part in self.parts] != [1.0]

    @property
    def is_constant(self) -> bool:
        """Whether each side is one text for all steps."""
        sides = (*self.parts, *([self.negative] if self.negative is not None else []))
        return not self.composes and all(len(side.phases) == 1 for side in sides)


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptTexts:
    """Both prompts of a picture, read."""

    passes: tuple[PassTexts, ...]
    remarks: tuple[str, ...]
    """What is read otherwise than meant, one line each."""

    @property
    def said(self) -> tuple[str, ...]:
        """The different texts of the prompt, in turn."""
        return _different(part for one in self.passes for part in one.parts)

    @property
    def unsaid(self) -> tuple[str, ...]:
        """The different texts of the negative prompt, in turn."""
        return _different(one.negative for one in self.passes if one.negative is not None)


def read(prompt: str, negative_prompt: str, passes: Sequence[PassSteps], *, guided: bool) -> PromptTexts:
    """Both prompts, without tags; `AND` in a negative prompt is a word, as in A1111.

    A part of weight 0 does nothing, so it is left out where there is another.
    """
    written = parts(prompt)
    counted = tuple(part for part in written if part.weight) or written[:1]
    is_opposed = guided or [part.weight for part in counted] != [1.0]
    negative = [Part(text=negative_prompt)] if is_opposed else []
    remarks = [remark for text in (prompt, *(one.text for one in negative)) for remark in not_understood(text)]
    remarks += [remark for part in (*counted, *negative) for remark in never_reached(part.text, passes)]
    return PromptTexts(
        passes=tuple(
            PassTexts(
                parts=tuple(_scheduled(part, steps) for part in counted),
                negative=_scheduled(negative[0], steps) if negative else None,
            )
            for steps in passes
        ),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _scheduled(part: Part, steps: PassSteps) -> ScheduledText:
    return ScheduledText(phases=schedule(part.text, steps), weight=part.weight)


def _different(sides: Iterable[ScheduledText]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(phase.text for side in sides for phase in side.phases))
