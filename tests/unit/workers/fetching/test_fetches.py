"""The processes that fetch models: what they tell, how they end, and who shares one."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import ModelRole, WantedModel
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.workers.fetching.fetches import FetchPart, ModelFetches
from aura_daemon.workers.fetching.messages import Fetched
from aura_daemon.workers.protocol import Loading
from tests.support.light_fetcher import COMMAND, GONE
from tests.support.worker_contract import PATIENCE_S

ROOT = Path(__file__).parents[4]


@pytest.fixture
def fetches() -> ModelFetches:
    return ModelFetches(EngineSettings(), command=COMMAND, environment={"PYTHONPATH": str(ROOT)})


@pytest.fixture
def parts() -> Iterator[list[FetchPart]]:
    joined: list[FetchPart] = []
    yield joined
    for part in joined:
        part.leave()


def wanted(model: str) -> WantedModel:
    return WantedModel(role=ModelRole.GENERATOR, model=model)


def told(part: FetchPart) -> Loading | Fetched:
    """What it tells first."""
    while not (heard := part.take()):
        assert select.select(part.waitables(), [], [], PATIENCE_S)[0]
    return heard[0]


def answer(part: FetchPart) -> Failure | None:
    while True:
        for heard in part.take():
            if isinstance(heard, Fetched):
                return heard.failure
        assert select.select(part.waitables(), [], [], PATIENCE_S)[0]


def test_progress_is_told_and_then_that_the_model_is_there(
    fetches: ModelFetches, parts: list[FetchPart], tmp_path: Path
) -> None:
    parts.append(fetches.join(wanted(f"waits {tmp_path / 'go'}")))
    heard = told(parts[0])
    assert isinstance(heard, Loading)
    assert (heard.done_bytes, heard.total_bytes) == (1, 2)
    assert parts[0].take() == []
    (tmp_path / "go").touch()
    assert answer(parts[0]) is None


def test_why_there_is_no_model_is_told_as_the_fetcher_says_it(fetches: ModelFetches, parts: list[FetchPart]) -> None:
    parts.append(fetches.join(wanted("gone")))
    assert answer(parts[0]) == GONE


@pytest.mark.parametrize(
    ("model", "words"), [("dies", "exit code 3"), ("lies", "sent what it must not"), ("blames", "\\x1bit was the job")]
)
def test_whatever_a_fetcher_does_the_model_is_what_lacks(
    fetches: ModelFetches, parts: list[FetchPart], model: str, words: str
) -> None:
    parts.append(fetches.join(wanted(model)))
    failure = answer(parts[0])
    assert failure is not None
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert words in failure.message


def test_a_fetcher_that_cannot_be_started_is_told(parts: list[FetchPart]) -> None:
    parts.append(ModelFetches(EngineSettings(), command=("/nowhere/python",)).join(wanted("here")))
    failure = answer(parts[0])
    assert failure is not None
    assert "no process could be started to fetch it" in failure.message
    assert parts[0].waitables() == []


def test_workers_that_want_the_same_model_wait_for_the_same_process(
    fetches: ModelFetches, parts: list[FetchPart], tmp_path: Path
) -> None:
    model = wanted(f"waits {tmp_path / 'go'}")
    parts += [fetches.join(model), fetches.join(model), fetches.join(wanted("here"))]
    assert len(psutil.Process().children()) == 2
    assert parts[0].waitables() == parts[1].waitables() != parts[2].waitables()
    assert all(isinstance(told(part), Loading) for part in parts[:2])
    (tmp_path / "go").touch()
    assert [answer(part) for part in parts] == [None, None, None]


def test_the_process_ends_with_the_last_worker_that_waits(fetches: ModelFetches) -> None:
    first, second = fetches.join(wanted("hangs")), fetches.join(wanted("hangs"))
    told(second)
    (process,) = psutil.Process().children()
    first.leave()
    assert process.is_running()
    second.leave()
    assert not process.is_running()


def test_after_its_end_a_fetch_is_begun_anew(fetches: ModelFetches, parts: list[FetchPart]) -> None:
    first = fetches.join(wanted("gone"))
    assert answer(first) == GONE
    first.leave()
    parts.append(fetches.join(wanted("gone")))
    assert isinstance(told(parts[0]), Loading)  # of a process of its own
    assert answer(parts[0]) == GONE
