"""Jobs whose pictures and captions are judged: what the worker is given, and what their sidecars say."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from aura_daemon.config.settings import CaptionConfig
from aura_daemon.engines.images.captioned_copy import with_copy
from aura_daemon.jobs.requests import CaptionRequest, DatasetRequest, GenerateRequest, MatchRequest, Request
from aura_daemon.jobs.results import CaptionCandidate, Failure, FailureKind, Outcome, Payload, Produced
from aura_daemon.jobs.tasks import Task
from tests.support.house import PNG, House
from tests.support.outcomes import make, produced
from tests.support.scripted_worker import ScriptedWorker

MATCHING = CaptionConfig(matching_model="blip-itm-base")
WORDS = ("a dog", "a cat")
SCORES = {"7": 0.25, "8": 0.5, "9": 0.75, **dict(zip(WORDS, (0.25, 0.75), strict=True))}
"""By the seed of the picture, or by the caption."""


class Engine:
    """Says of a picture what its seed says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.hangs_at: int | None = None

    def __call__(self, task: Task) -> Outcome | None:
        self.asked.append(task.request)
        if len(self.asked) == self.hangs_at:
            return None
        seed = str((task.image or b"").removesuffix(PNG[-12:]).decode("latin-1").rpartition(" ")[2])
        match task.request:
            case MatchRequest(texts=texts) as request:
                scores = tuple(SCORES.get(text, SCORES.get(seed, 0.0)) for text in texts)
                made = replace(produced(Payload(extension="", content=b""), request), payloads=(), scores=scores)
                return replace(made, model="blip-itm-base")
            case CaptionRequest(candidates=3):
                made = make(task)
                assert isinstance(made, Produced)
                candidates = tuple(CaptionCandidate(text=text, score=-1.0) for text in WORDS)
                return replace(made, text=WORDS[0], candidates=candidates, ranked_by="its own likelihood")
            case CaptionRequest():
                made = make(task)
                assert isinstance(made, Produced)
                return replace(made, text="a red circle" if seed == "8" else "a red star")
            case _:
                return make(task)

    @property
    def kinds(self) -> str:
        names = {GenerateRequest: "picture", CaptionRequest: "caption", MatchRequest: "match"}
        return " ".join(names[type(request)] for request in self.asked)  # type: ignore[index]


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_the_next_seed_is_drawn_until_the_words_of_the_caption_agree(house: House, engine: Engine) -> None:
    house.drop("art.yaml", b"prompt: a red circle\nseed: 7\nverify: 0.9\n")
    assert house.drain(engine).done == 1
    assert engine.kinds == "picture caption picture caption"
    assert house.results() == ["art.json", "art.png"]
    document = house.sidecar("art.json")
    assert document["match"] == {
        "score": 1.0,
        "by": "words",
        "caption": "a red circle",
        "seed": 8,
        "tries": [
            {"seed": 7, "score": 0.5, "caption": "a red star"},
            {"seed": 8, "score": 1.0, "caption": "a red circle"},
        ],
    }
    assert (document["request"]["seed"], document["seeds"], document["warnings"]) == (8, [8], [])
    assert (house.outbox / "art.png").read_bytes() == PNG[:8] + b"a red circle 8" + PNG[-12:]
    assert house.temporary() == []


def test_a_model_for_matching_finds_the_best_and_says_where_none_fits(house: House, engine: Engine) -> None:
    house.drop("best.yaml", b"prompt: a (red:1.2) circle\nseed: 7\nbest_of: 2\n")
    house.drop("none.yaml", b"prompt: a red circle\nseed: 7\nverify: 0.9\ntries: 2\n")
    assert house.drain(engine, caption=MATCHING).done == 2
    best, none = house.sidecar("best.json"), house.sidecar("none.json")
    assert best["match"] == {
        "score": 0.5,
        "by": "itm",
        "caption": None,
        "seed": 8,
        "tries": [{"seed": 7, "score": 0.25}, {"seed": 8, "score": 0.5}],
    }
    assert [part["task"] for part in best["parts"]] == ["generate", "generate", "match", "match"]
    assert best["parts"][3]["scores"] == [0.5]
    assert [part["task"] for part in none["parts"]] == ["generate", "caption", "match"] * 2
    assert none["match"]["caption"] == "a red circle"
    assert none["warnings"] == ["of 2 pictures none fits the prompt as well as `verify: 0.9` asks for; the best: 0.50"]
    assert MatchRequest(texts=("a red circle",)) in engine.asked


def test_a_sidecar_dropped_in_draws_the_picture_that_was_kept_and_no_other(house: House, engine: Engine) -> None:
    house.drop("art.yaml", b"prompt: a red circle\nseed: 7\nverify: 0.9\n")
    house.drain(engine)
    first = (house.outbox / "art.png").read_bytes()
    house.drop("again.json", (house.outbox / "art.json").read_bytes())
    engine.asked.clear()
    assert house.drain(engine).done == 1
    assert engine.asked == [GenerateRequest(**{**kept(house), "prompt": "a red circle", "seed": 8})]
    assert (house.outbox / "again.png").read_bytes() == first
    assert "match" not in house.sidecar("again.json")


def kept(house: House) -> dict[str, Any]:
    """What the sidecar asks for beside prompt and seed."""
    with closing(house.journal()) as journal:
        (job, *_) = journal.recent(1)
    assert isinstance(job.request, GenerateRequest)
    assert job.request.check is None
    return {name: getattr(job.request, name) for name in GenerateRequest.__slots__}


def test_after_a_crash_no_picture_is_drawn_and_no_caption_written_again(house: House, engine: Engine) -> None:
    house.drop("art.yaml", b"prompt: a red circle\nseed: 7\nverify: 0.9\n")
    engine.hangs_at = 4
    with house.daemon(engine, drain=False) as daemon:
        while len(engine.asked) < engine.hangs_at:
            daemon.turn()
    engine.hangs_at = None
    assert house.drain(engine).done == 1
    assert engine.kinds == "picture caption picture caption caption"


def test_the_captions_of_different_jobs_pictures_are_written_together(house: House, engine: Engine) -> None:
    house.drop("art.yaml", b"prompt: a red circle\nseed: 7\ncount: 2\nverify: true\n")
    worker = ScriptedWorker(engine)
    assert house.drain(worker, batch=4).done == 2
    assert [len(batch.tasks) for batch in worker.batches] == [2, 2]


def test_the_jobs_of_a_document_count_past_one_another_s_seeds(house: House, engine: Engine) -> None:
    house.drop("art.yaml", b"prompt: a blue ring\nseed: 7\ncount: 2\nbest_of: 2\n")
    assert house.drain(engine).done == 2
    seeds = [[one["seed"] for one in house.sidecar(f"art-{number}.json")["match"]["tries"]] for number in (1, 2)]
    assert seeds == [[7, 9], [8, 10]]


def test_candidates_are_ranked_by_the_model_for_matching_where_there_is_one(house: House, engine: Engine) -> None:
    house.drop("photo.png", PNG)
    house.drop("tell.yaml", b"task: caption\nimage: photo.png\ncandidates: 3\n")
    assert house.drain(engine, caption=MATCHING).done == 1
    assert engine.asked[1] == MatchRequest(texts=WORDS, image="photo.png")
    document = house.sidecar("tell.json")
    assert document["caption"] == "a cat"
    assert document["candidates"] == [{"text": "a cat", "score": 0.75}, {"text": "a dog", "score": 0.25}]
    assert document["ranked_by"] == "image-text matching, by blip-itm-base"
    assert (house.outbox / "tell.txt").read_bytes() == b"a cat\n"


def test_the_captions_of_a_set_are_not_kept_for_the_job_that_lists_them(house: House, engine: Engine) -> None:
    house.drop("set/photo.png", PNG)
    house.drop("tell.yaml", b"task: caption\nimages: set\ncandidates: 3\n")
    kept: list[str] = []

    def play(task: Task) -> Outcome | None:
        if not isinstance(task.request, DatasetRequest):
            return with_copy(engine(task), task)  # type: ignore[arg-type]
        kept.extend(name.rpartition(".")[2] for name in house.temporary() if ".part" in name)
        return make(task)

    assert house.drain(play, caption=MATCHING).done == 2
    assert kept == ["part0"]  # that of the candidates, which was judged


def test_without_one_the_captioner_ranks_them(house: House, engine: Engine) -> None:
    house.drop("photo.png", PNG)
    house.drop("tell.yaml", b"task: caption\nimage: photo.png\ncandidates: 3\n")
    assert house.drain(engine).done == 1
    assert engine.kinds == "caption"
    assert house.sidecar("tell.json")["ranked_by"] == "its own likelihood"


def test_a_model_for_matching_that_is_not_there_lets_the_job_wait_and_keeps_what_is_done(
    house: House, engine: Engine
) -> None:
    house.drop("art.yaml", b"prompt: a red circle\nseed: 9\nbest_of: 2\n")
    absent = Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="it is not here", mend="fetch it")
    answers = iter([absent])

    def play(task: Task) -> Outcome | None:
        made = engine(task)
        return next(answers, made) if isinstance(task.request, MatchRequest) else made

    waits = house.drain(play, caption=MATCHING)
    assert (waits.waiting, waits.failed) == (1, 0)
    assert house.drain(play, caption=MATCHING).done == 1
    assert engine.kinds == "picture picture match match match"
