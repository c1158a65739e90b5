"""Captions of which another model says how well they fit. In: a request, what is done. Out: what comes next."""

from __future__ import annotations

from dataclasses import replace

from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import CaptionRequest, MatchRequest
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import CaptionCandidate, Produced


def is_ranked(request: CaptionRequest) -> bool:
    """Whether a model for matching ranks its candidates."""
    return request.matched and (request.candidates or 1) > 1


def next_of_ranking(asked: CaptionRequest, done: tuple[JobPart, ...]) -> Chain | ChosenPart:
    """First the captions, then how well each fits; the copy with the caption in it comes with that."""
    if not done:
        return Chain(runs=replace(asked, matched=False, embed=False))
    if len(done) == 1:
        return Chain(
            runs=MatchRequest(
                texts=done[0].texts, image=asked.image, embed=asked.embed, keeps_picture=asked.keeps_picture
            ),
            done=done,
        )
    return ChosenPart(part=0)


def with_best_caption(produced: Produced, match: Produced) -> Produced:
    """The result of the captioner, as the model for matching ranks its captions; `match`: what that made."""
    assert isinstance(produced.resolved, ResolvedCaption)
    assert isinstance(match.resolved, MatchRequest)
    ranked = sorted(zip(match.resolved.texts, match.scores, strict=True), key=lambda one: -one[1])
    best = ranked[0][0]
    return replace(
        produced,
        payloads=(replace(produced.payloads[0], content=f"{best}\n".encode()),),
        text=best,
        resolved=replace(produced.resolved, embed=match.resolved.embed or False),
        candidates=tuple(CaptionCandidate(text=text, score=score) for text, score in ranked),
        ranked_by=f"image-text matching, by {match.model}",
        copy=match.copy,
        warnings=tuple(dict.fromkeys((*produced.warnings, *match.warnings))),
    )
