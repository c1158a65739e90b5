"""Pictures that are looked at once they are drawn, and drawn anew. In: a request, what is done. Out: what comes next.

A try is a picture, then its caption, then how well the prompt fits it: by a model for matching where there was one as
the job was journaled, else by the words of prompt and caption. Where such a model finds the best of several, and no
`verify` is asked for, no caption is written. Pictures are drawn until there are as many as `best_of` and the best of
them fits as well as `verify`, at most `tries`; then the best is delivered, whether it does or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aura_daemon.chains.word_overlap import overlap, shown_text
from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, MatchRequest, PictureCheck
from aura_daemon.jobs.results import PictureMatch, PictureTry, Produced
from aura_daemon.jobs.sampling import SEED_END

TRIES: Final = 4
"""The most pictures where a job does not say how many."""

LOOK: Final = CaptionRequest(embed=False, max_words=0)
"""What is asked about each picture: a whole caption, and no copy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """What the tries of a job are made of."""

    asked: GenerateRequest
    check: PictureCheck
    first: int
    """How many parts came before the first try."""

    @property
    def captions(self) -> bool:
        return self.check.verify is not None or not self.check.matched

    @property
    def size(self) -> int:
        """Parts of a try."""
        return 1 + self.captions + self.check.matched

    def tries(self, done: Sequence[JobPart]) -> tuple[PictureTry, ...]:
        """Those that are complete."""
        starts = range(self.first, len(done) - self.size + 1, self.size)
        return tuple(self._try(done[start : start + self.size]) for start in starts)

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
    number, step = divmod(len(done) - first, plan.size)
    if step == 0:
        tries = plan.tries(done)
        if _is_enough(check, tries):
            return ChosenPart(part=first + plan.size * tries.index(_best(tries)))
        return Chain(runs=replace(asked, seed=seed_of(asked.seed or 0, check.seed_step, number), check=None), done=done)
    runs = LOOK if step == 1 and plan.captions else MatchRequest(texts=(shown_text(asked.prompt),))
    return Chain(runs=runs, looks_at=first + plan.size * number, done=done)


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
    start = first + plan.size * tries.index(best)
    doubts = [warning for part in done[start + 1 : start + plan.size] for warning in part.warnings]
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
    least, enough = check.verify or 0.0, check.best_of or 1
    if len(tries) < enough:
        return False
    return _best(tries).score >= least or len(tries) >= max(enough, check.tries or TRIES)


def _best(tries: Sequence[PictureTry]) -> PictureTry:
    """The first of those that fit best."""
    return max(tries, key=lambda one: one.score)
