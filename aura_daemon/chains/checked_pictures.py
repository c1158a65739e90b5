"""Pictures that are looked at once they are drawn, and drawn anew. In: a request, what is done. Out: what comes next.

A try is a picture, then its caption, then how well the prompt fits it: by a model for matching where there was one as
the job was journaled, else by the words of prompt and caption. Where such a model finds the best of several, and no
`verify` is asked for, no caption is written. Pictures are drawn until there are as many as `best_of` and the best of
them fits as well as `verify`, at most `tries`; then the best is delivered, whether it does or not.

The pictures of `best_of` are drawn first and described then, so that models which take turns in memory are loaded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aura_daemon.chains.word_overlap import overlap, shown_text
from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import CaptionRequest, Describe, GenerateRequest, MatchRequest, PictureCheck
from aura_daemon.jobs.results import PictureMatch, PictureTry, Produced
from aura_daemon.jobs.sampling import SEED_END

TRIES: Final = 4
"""The most pictures where a job does not say how many."""

LOOK: Final = CaptionRequest(describe=Describe.SENTENCE, embed=False, max_words=0)
"""What is asked about each picture: a whole caption, and no copy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """Which part of a job is which stage of which try: 0 the picture, then its caption, then how well it fits."""

    asked: GenerateRequest
    check: PictureCheck
    first: int
    """How many parts came before the first try."""

    @property
    def captions(self) -> bool:
        return self.check.verify is not None or not self.check.matched

    @property
    def stages(self) -> int:
        return 1 + self.captions + self.check.matched

    @property
    def together(self) -> int:
        """The tries that go through each stage together; the others follow one by one."""
        return self.check.best_of or 1

    def place(self, number: int, stage: int) -> int:
        """The part of a stage of a try, both counted from 0."""
        if number < self.together:
            return self.first + stage * self.together + number
        return self.first + number * self.stages + stage

    def following(self, parts: int) -> tuple[int, int]:
        """The try and the stage of the part that comes after so many."""
        behind = parts - self.first - self.together * self.stages
        if behind >= 0:
            number, stage = divmod(behind, self.stages)
            return self.together + number, stage
        stage, number = divmod(parts - self.first, self.together)
        return number, stage

    def tries(self, done: Sequence[JobPart]) -> tuple[PictureTry, ...]:
        """Those that are complete."""
        number, stage = self.following(len(done))
        complete = number if stage == 0 and number >= self.together else 0
        return tuple(
            self._try([done[self.place(one, stage)] for stage in range(self.stages)]) for one in range(complete)
        )

    def _try(self, parts: Sequence[JobPart]) -> PictureTry:
        drawn = parts[0].request
        assert isinstance(drawn, GenerateRequest)
        caption = parts[1].text if self.captions else None
        score = parts[-1].scores[0] if self.check.matched else overlap(self.asked.prompt, caption or "")
        if parts[0].is_hidden:
            score = 0.0
        return PictureTry(seed=drawn.seed or 0, score=round(score, 4), caption=caption)


def next_of_tries(
    asked: GenerateRequest, check: PictureCheck, done: tuple[JobPart, ...], *, first: int
) -> Chain | ChosenPart:
    """What comes after those that are done; the first try begins at part `first`, counted from 0."""
    plan = _Plan(asked=asked, check=check, first=first)
    tries = plan.tries(done)
    if tries and _is_enough(check, tries):
        return ChosenPart(part=plan.place(tries.index(_best(tries)), 0))
    number, stage = plan.following(len(done))
    if stage == 0:
        seed = seed_of(asked.seed or 0, check.seed_step, number)
        return Chain(runs=replace(asked, seed=seed, check=None), done=done)
    runs = LOOK if stage == 1 and plan.captions else MatchRequest(texts=(shown_text(asked.prompt),))
    return Chain(runs=runs, looks_at=plan.place(number, 0), done=done)


def with_match(
    asked: GenerateRequest, check: PictureCheck, done: tuple[JobPart, ...], produced: Produced, *, first: int
) -> Produced:
    """The picture with how well it fits, and a warning where that is less than was asked for."""
    plan = _Plan(asked=asked, check=check, first=first)
    tries = plan.tries(done)
    best, least = _best(tries), check.verify or 0.0
    match = PictureMatch(
        score=best.score,
        by="itm" if check.matched else "words",
        caption=best.caption,
        seed=best.seed,
        tries=tries,
    )
    looks = [done[plan.place(tries.index(best), stage)] for stage in range(1, plan.stages)]
    doubts = [warning for part in looks for warning in part.warnings]
    produced = replace(produced, match=match, warnings=tuple(dict.fromkeys((*produced.warnings, *doubts))))
    if best.score >= least:
        return produced
    pictures = f"{len(tries)} pictures" if len(tries) > 1 else "one picture"
    warning = f"of {pictures} none fits the prompt as well as `verify: {least:g}` asks for; the best: {best.score:.2f}"
    return replace(produced, warnings=(*produced.warnings, warning))


def seed_of(seed: int, step: int, number: int) -> int:
    """The seed of a try, counted from 0; after the last seed there is it goes on with the first ones.

    The tries of jobs whose seeds leave different remainders, divided by `step`, have no seed in common.
    """
    turn, remainder = divmod(seed, step)
    turns = (SEED_END - 1 - remainder) // step + 1
    return (turn + number) % turns * step + remainder


def _is_enough(check: PictureCheck, tries: Sequence[PictureTry]) -> bool:
    """Whether no further picture is drawn, once there are as many as `best_of`."""
    most = max(check.best_of or 1, check.tries or TRIES)
    return _best(tries).score >= (check.verify or 0.0) or len(tries) >= most


def _best(tries: Sequence[PictureTry]) -> PictureTry:
    """The first of those that fit best."""
    return max(tries, key=lambda one: one.score)
