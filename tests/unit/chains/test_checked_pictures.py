"""Pictures that are looked at once they are drawn: what runs, which is kept, what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.chains.checked_pictures import LOOK, TRIES, seed_of
from aura_daemon.chains.next_part import chain_of, completed, next_part
from aura_daemon.jobfile.keys.seeds import step_of
from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, MatchRequest, PictureCheck, Request
from aura_daemon.jobs.results import Payload, PictureMatch, PictureTry, Produced
from aura_daemon.jobs.sampling import SEED_END
from tests.support.outcomes import produced

PROMPT = "a (red:1.2) circle <lora:ink>"
DRAWN = GenerateRequest(prompt=PROMPT, seed=7)
CAPTIONS = {1.0: "a red circle", 0.5: "a red star", 0.0: "the sea"}
"""By the words of the prompt."""


def part(request: Request, score: float) -> JobPart:
    """As an engine would end it which draws pictures of this score."""
    return JobPart(
        request=request,
        model="m",
        model_sha256="0",
        device="cpu",
        rung="cpu",
        seconds=1.0,
        text=CAPTIONS[score] if isinstance(request, CaptionRequest) else "",
        scores=(score,) if isinstance(request, MatchRequest) else (),
        warnings=(f"doubts about {CAPTIONS[score]}",) if isinstance(request, CaptionRequest) else (),
    )


def run(asked: GenerateRequest, scores: Sequence[float]) -> tuple[tuple[JobPart, ...], list[int | None], int]:
    """The parts that run where the pictures have these scores, what each looks at, and which is chosen."""
    done: tuple[JobPart, ...] = ()
    looks: list[int | None] = []
    following = next_part(asked, done)
    while isinstance(following, Chain):
        assert following.done == done
        looks.append(following.looks_at)
        looked_at = done[following.looks_at].request if following.looks_at is not None else None
        seed = looked_at.seed if isinstance(looked_at, GenerateRequest) else None
        done = (*done, part(following.runs, scores[seed - 7] if seed is not None else 1.0))
        following = next_part(asked, done)
    return done, looks, following.part


def wanted(**keys: Any) -> GenerateRequest:
    return replace(DRAWN, check=PictureCheck(**keys))


def seeds(done: Sequence[JobPart]) -> list[int | None]:
    return [one.request.seed for one in done if isinstance(one.request, GenerateRequest)]


def finished(asked: GenerateRequest, scores: Sequence[float]) -> Produced:
    done, _, _ = run(asked, scores)
    looked_at = produced(Payload(extension=".png", content=b""), MatchRequest(texts=()))
    drawn = replace(looked_at, payloads=(), warnings=("from the engine",))
    return completed(asked, done, drawn, last=drawn)


@pytest.mark.parametrize(
    ("keys", "scores", "chosen"),
    [
        ({"verify": 0.0}, [0.0], 0),
        ({"verify": 0.8}, [1.0], 0),
        ({"verify": 0.8}, [0.0, 0.5, 1.0], 2),
        ({"verify": 0.8}, [0.0, 0.5, 0.5, 0.0], 1),
        ({"verify": 0.8, "tries": 2}, [0.0, 0.5], 1),
        ({"verify": 0.4, "tries": 2}, [0.5], 0),
        ({"best_of": 3}, [0.5, 1.0, 1.0], 1),
        ({"best_of": 2, "verify": 0.4}, [0.5, 1.0], 1),
        ({"best_of": 2, "verify": 0.8}, [0.5, 0.5, 1.0], 2),
        ({"best_of": 3, "verify": 0.8, "tries": 2}, [0.0, 0.5, 0.5], 1),
    ],
)
@pytest.mark.parametrize("matched", [False, True], ids=["words", "itm"])
def test_pictures_are_drawn_until_one_fits_and_the_best_is_kept(
    keys: dict[str, float], scores: list[float], chosen: int, matched: bool
) -> None:
    asked = wanted(matched=matched, **keys)
    done, _, picture = run(asked, scores)
    assert seeds(done) == list(range(7, 7 + len(scores)))
    assert seeds([done[picture]]) == [7 + chosen]
    told = finished(asked, scores).match
    assert told is not None
    assert (told.score, told.seed, told.by) == (scores[chosen], 7 + chosen, "itm" if matched else "words")
    assert [(one.seed, one.score) for one in told.tries] == list(zip(seeds(done), scores, strict=True))


def test_each_part_is_a_plain_job_and_looks_at_the_picture_before_it() -> None:
    match = MatchRequest(texts=("a red circle",))
    for keys, expected, looks in (
        ({"verify": 0.8}, [DRAWN, LOOK], [None, 0]),
        ({"verify": 0.8, "matched": True}, [DRAWN, LOOK, match], [None, 0, 0]),
        ({"best_of": 1, "verify": 0.0}, [DRAWN, LOOK], [None, 0]),
    ):
        done, looked, _ = run(wanted(**keys), [1.0])
        assert ([one.request for one in done], looked) == (expected, looks)
    done, looked, _ = run(wanted(best_of=2, matched=True), [0.5, 1.0])
    assert [one.request for one in done] == [DRAWN, replace(DRAWN, seed=8), match, match]
    assert looked == [None, None, 0, 1]
    done, looked, chosen = run(wanted(best_of=2, verify=0.8), [0.5, 0.5, 1.0])
    assert [one.request for one in done][2:] == [LOOK, LOOK, replace(DRAWN, seed=9), LOOK]
    assert (looked, chosen) == ([None, None, 0, 1, None, 4], 4)


def test_a_picture_that_nobody_looks_at_has_no_chain() -> None:
    assert chain_of(DRAWN) is None
    assert CaptionRequest() != LOOK


def test_a_prompt_that_holds_a_caption_is_completed_first_and_compared_as_it_was_drawn() -> None:
    asked = GenerateRequest(prompt="a {caption}", seed=7, check=PictureCheck(verify=0.8), described="a.png")
    done, looks, picture = run(asked, [0.0, 1.0])
    assert [one.request for one in done][:2] == [
        CaptionRequest(image="a.png"),
        GenerateRequest(prompt="a a red circle", seed=7),
    ]
    assert (looks, picture) == ([None, None, 1, None, 3], 3)
    told = finished(asked, [0.0, 1.0]).match
    assert told is not None
    assert told.score == 1.0


def test_where_no_picture_fits_the_best_is_delivered_with_a_warning() -> None:
    made = finished(wanted(verify=0.8), [0.0, 0.5, 0.0, 0.0])
    assert made.match == PictureMatch(
        score=0.5,
        by="words",
        caption="a red star",
        seed=8,
        tries=tuple(
            PictureTry(seed=7 + number, score=score, caption=CAPTIONS[score])
            for number, score in enumerate([0.0, 0.5, 0.0, 0.0])
        ),
    )
    assert len(made.match.tries) == TRIES
    assert made.warnings == (
        "from the engine",
        "doubts about a red star",
        "of 4 pictures none fits the prompt as well as `verify: 0.8` asks for; the best: 0.50",
    )
    assert "of one picture none" in finished(wanted(verify=0.8, tries=1), [0.5]).warnings[-1]
    assert finished(wanted(verify=0.5), [0.5]).warnings == ("from the engine", "doubts about a red star")


def test_a_picture_that_the_safety_checker_hides_fits_nothing() -> None:
    asked = wanted(best_of=2)
    done, _, picture = run(asked, [1.0, 0.5])
    assert picture == 0
    assert next_part(asked, (replace(done[0], is_hidden=True), *done[1:])) == ChosenPart(part=1)


def test_the_best_of_several_by_a_model_has_no_captions() -> None:
    told = finished(wanted(best_of=2, matched=True), [0.5, 1.0]).match
    assert told is not None
    assert [one.caption for one in (told, *told.tries)] == [None, None, None]


@given(
    st.lists(st.integers(0, 50) | st.integers(0, SEED_END - 1), min_size=1, max_size=8, unique=True),
    st.integers(1, 20),
)
def test_no_seed_is_tried_twice_by_the_jobs_of_a_document(first: list[int], tries: int) -> None:
    step = step_of(first)
    tried = [seed_of(seed, step, number) for seed in first for number in range(tries)]
    assert len(set(tried)) == len(tried)
    assert all(0 <= seed < SEED_END for seed in tried)
    assert tried[::tries] == first


def test_one_job_goes_on_with_the_next_seed_and_several_count_past_one_another() -> None:
    assert (step_of([7]), step_of([]), step_of([7, 7])) == (1, 1, 1)
    assert step_of([1, 2, 3]) == 3
    assert step_of([0, 2]) == 3
