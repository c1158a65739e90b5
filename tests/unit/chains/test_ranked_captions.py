"""Captions of which a model for matching says how well they fit."""

from __future__ import annotations

from dataclasses import replace

from aura_daemon.chains.next_part import chain_of, completed, next_part
from aura_daemon.jobs.parts import Chain, ChosenPart
from aura_daemon.jobs.picture_copies import PictureCopy
from aura_daemon.jobs.requests import CaptionRequest, MatchRequest
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import CaptionCandidate, Payload, part_of
from tests.support.outcomes import produced

ASKED = CaptionRequest(image="a.png", candidates=3, matched=True, embed=True)

WRITTEN = replace(
    produced(
        Payload(extension=".txt", content=b"a dog\n"),
        ResolvedCaption(image="a.png", prompt="", max_new_tokens=9, candidates=3),
        text="a dog",
    ),
    model="blip-base",
    candidates=(CaptionCandidate(text="a dog", score=-0.1), CaptionCandidate(text="a cat", score=-0.2)),
    ranked_by="its own likelihood",
    warnings=("it was CMYK",),
)
COPY = PictureCopy(extension=".png", changes=(), original_sha256="0")
MATCHED = replace(
    WRITTEN,
    payloads=(),
    resolved=MatchRequest(texts=("a dog", "a cat"), image="a.png", embed=True),
    model="blip-itm-base",
    text="",
    candidates=(),
    scores=(0.25, 0.75),
    copy=COPY,
    warnings=("it was CMYK", "another description gave way"),
)


def test_captions_are_written_then_compared_and_the_captioner_s_result_is_delivered() -> None:
    plain = replace(ASKED, matched=False, embed=False)
    assert chain_of(ASKED) == Chain(runs=plain)
    first = part_of(plain, WRITTEN, seconds=1.0)
    match = MatchRequest(texts=("a dog", "a cat"), image="a.png", embed=True)
    assert next_part(ASKED, (first,)) == Chain(runs=match, done=(first,))
    assert next_part(ASKED, (first, part_of(match, MATCHED, seconds=1.0))) == ChosenPart(part=0)


def test_the_best_match_is_the_caption_and_all_candidates_have_their_scores() -> None:
    done = (part_of(ASKED, WRITTEN, seconds=1.0), part_of(MatchRequest(texts=()), MATCHED, seconds=1.0))
    made = completed(ASKED, done, WRITTEN, last=MATCHED)
    assert (made.text, made.payloads) == ("a cat", (Payload(extension=".txt", content=b"a cat\n"),))
    assert made.candidates == (CaptionCandidate(text="a cat", score=0.75), CaptionCandidate(text="a dog", score=0.25))
    assert made.ranked_by == "image-text matching, by blip-itm-base"
    assert isinstance(made.resolved, ResolvedCaption)
    assert (made.model, made.copy, made.resolved.embed) == ("blip-base", COPY, True)
    assert made.warnings == ("it was CMYK", "another description gave way")


def test_without_a_model_for_matching_or_with_one_candidate_there_is_no_chain() -> None:
    for asked in (replace(ASKED, matched=False), replace(ASKED, candidates=1), replace(ASKED, candidates=None)):
        assert chain_of(asked) is None
        assert completed(asked, (), WRITTEN, last=WRITTEN) == WRITTEN
