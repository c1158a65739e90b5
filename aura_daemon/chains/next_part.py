"""What of a job runs next, and what it delivers. In: what is asked for, what is done. Out: a part, or the choice.

A job is asked again after each of its parts, with the same answer however often it is asked: what a crash interrupts is
taken up again from what is done.
"""

from __future__ import annotations

from aura_daemon.chains.captioned_prompts import wants_caption, with_caption
from aura_daemon.chains.checked_pictures import next_of_tries, with_match
from aura_daemon.chains.ranked_captions import is_ranked, next_of_ranking, with_best_caption
from aura_daemon.chains.upscaled_pictures import next_of_enlarging, not_enlarged, with_enlarged, without_enlarging
from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Request
from aura_daemon.jobs.results import Produced


def chain_of(asked: Request) -> Chain | None:
    """The chain of a job of which nothing is done; None for a job of one part."""
    first = next_part(asked, ())
    return first if isinstance(first, Chain) and first.runs != asked else None


def next_part(asked: Request, done: tuple[JobPart, ...]) -> Chain | ChosenPart:
    """The part that comes after those that are done, or which of them is delivered."""
    if isinstance(asked, CaptionRequest) and is_ranked(asked):
        return next_of_ranking(asked, done)
    if isinstance(asked, GenerateRequest) and asked.upscale is not None:
        return next_of_enlarging(asked, asked.upscale, done, next_part)
    if isinstance(asked, GenerateRequest):
        if wants_caption(asked) and not done:
            return Chain(runs=CaptionRequest(image=asked.described), done=done)
        asked, first = _filled(asked, done)
        if asked.check is not None:
            return next_of_tries(asked, asked.check, done, first=first)
        if len(done) == first:
            return Chain(runs=asked, done=done)
    return ChosenPart(part=len(done) - 1) if done else Chain(runs=asked)


def completed(asked: Request, done: tuple[JobPart, ...], chosen: Produced, *, last: Produced) -> Produced:
    """What is delivered, with what the other parts found out; `chosen`, `last`: what the chosen and last part made."""
    if isinstance(asked, CaptionRequest) and is_ranked(asked):
        return with_best_caption(chosen, last)
    if isinstance(asked, GenerateRequest) and asked.upscale is not None:
        drawn = completed(not_enlarged(asked), without_enlarging(done), chosen, last=chosen)
        return with_enlarged(drawn, last)
    if isinstance(asked, GenerateRequest) and asked.check is not None:
        filled, first = _filled(asked, done)
        return with_match(filled, asked.check, done, chosen, first=first)
    return chosen


def _filled(asked: GenerateRequest, done: tuple[JobPart, ...]) -> tuple[GenerateRequest, int]:
    """The request with its texts complete, and how many parts that took."""
    return (with_caption(asked, done[0].text), 1) if wants_caption(asked) else (asked, 0)
