"""A benchmark, from the job file to its table, its chart and its sidecar, and where things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

from aura_daemon.daemon.history import history
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.rungs import Backend, ladder
from tests.support import dying
from tests.support.house import House, make
from tests.support.programs import REAL, Program
from tests.support.scripted_worker import ScriptedWorker

BENCHMARK = b"task: benchmark\nsizes: [512x512, 768x512]\n"
FILES = ["speed.json", "speed.md", "speed.svg"]

STRIDE = 5
"""Every so many moments are tried; all of them take a minute."""


def test_a_benchmark_becomes_a_table_a_chart_and_a_sidecar(house: House) -> None:
    house.drop("speed.yaml", BENCHMARK)
    house.drain()
    assert house.results() == FILES
    assert house.archived() == ["speed.yaml"]
    document = house.sidecar("speed.json")
    assert [output["name"] for output in document["outputs"]] == ["speed.md", "speed.svg"]
    table = (house.outbox / "speed.md").read_text(encoding="utf-8")
    assert table.startswith("# sd-1.4 on A Fine CPU\n")
    assert "512×512" in table
    assert Xml.parse(house.outbox / "speed.svg").getroot().tag.endswith("svg")
    assert [size["width"] for size in document["benchmark"]["sizes"]] == [512, 768]
    assert [entry.output for entry in history(house.settings(), most=9)] == [house.outbox / "speed.md"]


def test_the_next_one_tells_what_changed_though_the_files_of_the_first_are_gone(house: House) -> None:
    house.drop("speed.yaml", BENCHMARK)
    house.drain()
    for name in FILES:
        (house.outbox / name).unlink()
    house.drop("again.yaml", BENCHMARK)

    def on_another_torch(task: Task) -> Outcome:
        made = make(task)
        assert isinstance(made, Produced)
        assert made.benchmark is not None
        return replace(made, benchmark=replace(made.benchmark, versions=(("torch", "99"),)))

    house.drain(on_another_torch)
    since = house.sidecar("again.json")["benchmark"]["since_last"]
    assert {"what": "torch", "before": "2.9.1", "after": "99"} in since["changed"]
    assert "torch `2.9.1` → `99`" in (house.outbox / "again.md").read_text(encoding="utf-8")
    assert "The last 2 runs" in (house.outbox / "again.svg").read_text(encoding="utf-8")


def test_where_memory_runs_out_for_all_sizes_it_steps_down_like_any_job(house: House) -> None:
    house.drop("speed.yaml", BENCHMARK)
    full = Failure(kind=FailureKind.OUT_OF_MEMORY, message="out of memory")
    worker = ScriptedWorker(lambda task: full if len(worker.batches) < 3 else make(task), device="cuda:0")
    house.drain(worker)
    assert [batch.start.rung for batch in worker.batches] == [None, "tiled_decode", "split_guidance"]
    assert [attempt["outcome"] for attempt in house.sidecar("speed.json")["tried"]] == [
        "out_of_memory",
        "out_of_memory",
        "done",
    ]


def test_a_benchmark_of_captions_steps_down_the_ladder_of_captions(house: House) -> None:
    house.drop("speed.yaml", b"task: benchmark\nof: caption\n")
    full = Failure(kind=FailureKind.OUT_OF_MEMORY, message="out of memory")
    worker = ScriptedWorker(lambda task: full if len(worker.batches) < 2 else make(task), device="cuda:0")
    house.drain(worker)
    assert [batch.start.rung for batch in worker.batches] == [None, ladder(Backend.CUDA, JobKind.CAPTION)[1]]


def test_a_model_that_is_away_holds_a_benchmark_up_and_fails_none(house: House) -> None:
    house.drop("speed.yaml", BENCHMARK)
    missing = Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="the hub is down", mend="bring it up")
    house.drain(lambda task: missing)
    with closing(house.journal()) as journal:
        assert journal.counts()[JobState.QUEUED] == 1
    house.drain()
    assert house.results() == FILES


def moments(house: House) -> list[str]:
    """The moments of a whole benchmark."""
    notes = house.root / "moments"
    house.drop("speed.yaml", BENCHMARK)
    dying.drained(house, lambda: dying.note_in(notes))
    return notes.read_text(encoding="utf-8").split()


def test_killed_at_any_step_of_its_delivery_it_is_delivered_once_and_counted_once(tmp_path: Path) -> None:
    found = moments(House(tmp_path / "whole"))
    first = next(number for number, moment in enumerate(found) if moment.startswith("journal.keep_benchmark"))
    assert len(found[first:]) > 10

    def die(moment: str) -> Callable[[], None]:
        return lambda: dying.die_at(moment)

    for number, moment in enumerate(found[first::STRIDE]):
        house = House(tmp_path / str(number))
        house.drop("speed.yaml", BENCHMARK)
        assert dying.drained(house, die(moment)) < 0, moment
        house.drop("again.yaml", BENCHMARK)
        dying.drained(house)
        assert house.results() == sorted([*FILES, "again.json", "again.md", "again.svg"]), moment
        assert len(house.sidecar("again.json")["benchmark"]["earlier"]) == 1, moment
        assert house.temporary() == [], moment


def test_the_real_daemon_measures_pictures_and_captions_and_its_sidecar_runs_it_again(house: House) -> None:
    house.drop("speed.yaml", b"task: benchmark\nsizes: [64x64, 72x64]\nrepeats: 2\nsteps: 3\n")
    house.drop("captions.yaml", b"task: benchmark\nof: caption\nrepeats: 1\n")
    program = Program(house, REAL)
    program.start("run")
    try:
        program.until(lambda: {"speed.json", "captions.json"} <= set(house.results()))
        house.drop("again.json", (house.outbox / "speed.json").read_bytes())
        program.until(lambda: "again.json" in house.results())
        assert program.end() == 0, program.log()
    finally:
        program.close()
    document, again = house.sidecar("speed.json"), house.sidecar("again.json")
    assert len(document["benchmark"]["sizes"]) == 2
    for size in document["benchmark"]["sizes"]:
        assert len(size["runs_s"]) == 2
        assert min(size["load_s"], size["first_s"], size["step_s"], size["per_minute"], size["peak_bytes"]) > 0
        assert size["stages_s"]["steps"] > size["stages_s"]["encode file"] > 0
    assert house.sidecar("captions.json")["benchmark"]["sizes"][0]["per_minute"] > 0
    assert again["request"] == document["request"]
    assert again["benchmark"]["since_last"]["job_id"] == document["job_id"]
    assert again["warnings"] == []
