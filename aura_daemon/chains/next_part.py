"""What of a job runs next, and what it delivers. In: what is asked for, what is done. Out: a part, or the choice.

A job is asked again after each of its parts, with the same answer however often it is asked: what a crash interrupts is
taken up again from what is done.
"""

from __future__ import annotations

from aura_daemon.chains.captioned_prompts import wants_caption, with_caption
from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Request


def chain_of(asked: Request) -> Chain | None:
    """The chain of a job of which nothing is done; None for a job of one part."""
    first = next_part(asked, ())
    return first if isinstance(first, Chain) and first.runs != asked else None


def next_part(asked: Request, done: tuple[JobPart, ...]) -> Chain | ChosenPart:
    """The part that comes after those that are done, or which of them is delivered."""
    if isinstance(asked, GenerateRequest) and wants_caption(asked):
        if not done:
            return Chain(runs=CaptionRequest(image=asked.described), done=done)
        asked = with_caption(asked, done[0].text)
        return Chain(runs=asked, done=done) if len(done) == 1 else ChosenPart(part=len(done) - 1)
    return ChosenPart(part=len(done) - 1) if done else Chain(runs=asked)
