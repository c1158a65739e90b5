"""The rules that every family keeps, and every captioner; see `engines.interface`.

Checked with the embedded models, and with random weights in the layout of the real ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from aura_daemon.config.engine import (
    CaptionSettings,
    Device,
    Dtype,
    EngineSettings,
    GenerateSettings,
    UpscaleSettings,
)
from aura_daemon.engines.captioning.captioners import CAPTIONERS
from aura_daemon.engines.captioning.model_format import ANSWERS, CAPTIONS, MATCHES
from aura_daemon.engines.families import FAMILIES
from aura_daemon.engines.interface import DecodedTask, Family, TaskResult
from aura_daemon.engines.model_files.find import ModelFiles, architectures_of, find_model
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Devices, Placement, find_devices
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.requests import (
    CaptionRequest,
    GenerateRequest,
    JobKind,
    MatchRequest,
    Request,
    UpscaleRequest,
)
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.prediction import Extent, predicted_bytes
from aura_daemon.ladder.rungs import RUNGS, Backend, Rung, Storage
from tests.support import tiny_models
from tests.support.listening import Listener
from tests.support.tiny_upscalers import write_compact

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"  # diffusers' own schedulers
)


def png() -> bytes:
    picture = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(picture).ellipse((8, 8, 56, 56), "red")
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def write_upscaler(folder: Path) -> Path:
    write_compact(folder / "tiny.safetensors")
    return folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A family, and requests to it; to add a family or a captioner, add a case."""

    name: str
    kind: JobKind
    write: Callable[[Path], Path] | None = None
    """Writes the model; None for the embedded one."""
    settings: Callable[[str], EngineSettings]
    """With the model of this name."""
    request: Request
    alike: Request
    """May run together with `request`."""
    apart: Request
    """May not."""
    with_image: Request
    image: bytes


CAPTION = Case(
    name="caption",
    kind=JobKind.CAPTION,
    settings=lambda model: EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=CaptionSettings(model=model)),
    request=CaptionRequest(image="a.png"),
    alike=CaptionRequest(image="b.png"),
    apart=CaptionRequest(image="a.png", max_new_tokens=3),
    with_image=CaptionRequest(image="a.png"),
    image=png(),
)

QUESTION = "what colour is it?"

CASES = (
    Case(
        name="generate",
        kind=JobKind.GENERATE,
        settings=lambda model: EngineSettings(
            device=Device.CPU, dtype=Dtype.FLOAT32, generate=GenerateSettings(model=model)
        ),
        request=GenerateRequest(prompt="a large red circle on a white background", seed=1, steps=2),
        alike=GenerateRequest(prompt="a small blue star on a black background", seed=2, steps=2),
        apart=GenerateRequest(prompt="a large red circle on a white background", seed=1, steps=3),
        with_image=GenerateRequest(prompt="a", seed=1, steps=4, image="a.png"),
        image=png(),
    ),
    CAPTION,
    replace(CAPTION, name="blip", write=tiny_models.write_captioner),
    replace(CAPTION, name="git", write=tiny_models.write_git),
    replace(CAPTION, name="florence2", write=tiny_models.write_florence2),
    Case(
        name="blip-vqa",
        kind=JobKind.CAPTION,
        write=tiny_models.write_answerer,
        settings=lambda model: EngineSettings(
            device=Device.CPU, dtype=Dtype.FLOAT32, caption=CaptionSettings(question_model=model)
        ),
        request=CaptionRequest(image="a.png", question=QUESTION),
        alike=CaptionRequest(image="b.png", question="a large circle on what background?"),
        apart=CaptionRequest(image="a.png"),
        with_image=CaptionRequest(image="a.png", question=QUESTION),
        image=png(),
    ),
    Case(
        name="blip-itm",
        kind=JobKind.CAPTION,
        write=tiny_models.write_matcher,
        settings=lambda model: EngineSettings(
            device=Device.CPU, dtype=Dtype.FLOAT32, caption=CaptionSettings(matching_model=model)
        ),
        request=MatchRequest(image="a.png", texts=("a large red circle", "a star")),
        alike=MatchRequest(image="b.png", texts=("a red circle on a background",)),
        apart=CaptionRequest(image="a.png"),
        with_image=MatchRequest(image="a.png", texts=("a circle",)),
        image=png(),
    ),
    Case(
        name="upscale",
        kind=JobKind.UPSCALE,
        write=write_upscaler,
        settings=lambda model: EngineSettings(
            device=Device.CPU, dtype=Dtype.FLOAT32, upscale=UpscaleSettings(model=model)
        ),
        request=UpscaleRequest(image="a.png"),
        alike=UpscaleRequest(image="b.png"),
        apart=UpscaleRequest(image="a.png", upscale=Upscale(scale=1.5)),
        with_image=UpscaleRequest(image="a.png"),
        image=png(),
    ),
)


class Bench:
    """A family on the CPU, with the files of a model."""

    def __init__(self, case: Case, folder: Path) -> None:
        settings = case.settings(str(case.write(folder)) if case.write is not None else "aura-mini")
        self.case = case
        self.family: Family[Any, Any] = FAMILIES[case.kind](settings)
        devices = find_devices(settings)
        assert isinstance(devices, Devices)
        self.devices = devices
        model = self.family.model(case.request)
        assert not isinstance(model, Failure)
        files = find_model(model, self.family.model_format(case.request), half=False, reporter=Listener())
        assert isinstance(files, ModelFiles), files
        self.files = files

    def tasks(self, *requests: Request, image: bytes | None = None) -> list[Task]:
        image = self.case.image if image is None else image
        return [
            Task(job_id=str(number), request=request, image=image, image_name="a.png")
            for number, request in enumerate(requests)
        ]

    def decoded(self, tasks: Sequence[Task]) -> list[DecodedTask[Any]]:
        pictures = [(task, self.family.decode(task)) for task in tasks]
        assert not any(isinstance(picture, Failure) for _, picture in pictures)
        return [DecodedTask(task=task, picture=picture) for task, picture in pictures]

    def run(self, tasks: Sequence[Task], listener: Listener, *, rung: Rung = Rung.CPU) -> list[TaskResult]:
        placement = self.devices.on(rung)
        engine = self.family.load(self.files, placement)
        return list(self.family.run(engine, self.decoded(tasks), listener, PeakMemory(placement)))


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(request.param, tmp_path_factory.mktemp(request.param.name) / "model")


def test_every_family_has_a_case() -> None:
    without_model = {JobKind.GRID, JobKind.DATASET, JobKind.BENCHMARK}
    assert {case.kind for case in CASES} == set(FAMILIES) == set(JobKind) - without_model


def test_every_captioner_has_a_case(tmp_path: Path) -> None:
    written = [case.write(tmp_path / case.name) for case in CASES if case.write is not None]
    tried = {name for folder in written for name in architectures_of(folder)}
    assert all(tried & set(row.names) for row in CAPTIONERS)
    named = {name for row in CAPTIONERS for name in row.names}
    assert named == {*CAPTIONS.architectures, *ANSWERS.architectures, *MATCHES.architectures}


def test_a_folder_of_another_kind_is_refused_with_what_it_is(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["FluxPipeline"]}')
    model = bench.family.model(bench.case.request)
    assert not isinstance(model, Failure)
    model_format = bench.family.model_format(bench.case.request)
    found = find_model(replace(model, model=str(tmp_path)), model_format, half=False, reporter=Listener())
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.MODEL_UNAVAILABLE
    assert f"it is FluxPipeline, not {model_format.description}" in found.message


def test_what_may_go_together_has_one_key(bench: Bench) -> None:
    key = bench.family.batch_key(bench.case.request)
    assert key is not None
    assert bench.family.batch_key(bench.case.alike) == key
    assert bench.family.batch_key(bench.case.apart) != key


def test_it_loads_on_the_rung_it_is_told_and_moves_where_the_weights_are_the_same(bench: Bench) -> None:
    rungs = bench.family.rungs(Backend.CPU)
    assert rungs[0] is Rung.CPU
    for rung in rungs:
        placement = bench.devices.on(rung)
        engine = bench.family.load(bench.files, placement)
        assert (engine.placement, engine.files) == (placement, bench.files)
        for other in rungs:
            if RUNGS[other].loading == RUNGS[rung].loading:
                engine.move_to(bench.devices.on(other))
                assert engine.placement == bench.devices.on(other)


def test_every_task_of_a_batch_ends_exactly_once_with_how_it_was_computed(bench: Bench) -> None:
    rung = bench.family.rungs(Backend.CPU)[-1]
    tasks = bench.tasks(bench.case.request, bench.case.alike)
    results = bench.run(tasks, Listener(), rung=rung)
    assert sorted(result.task.job_id for result in results) == ["0", "1"]
    placement = bench.devices.on(rung)
    for result in results:
        assert isinstance(result.outcome, Produced), result.outcome
        made = result.outcome
        assert (made.rung, made.device, made.dtype) == (rung, placement.device, placement.dtype)
        assert (made.variant, made.model_sha256) == (placement.variant, bench.files.sha256)
        assert made.payloads or made.scores
        assert made.peak_bytes > 0
        assert result.step_s >= 0


def test_a_batch_makes_what_each_makes_alone(bench: Bench) -> None:
    tasks = bench.tasks(bench.case.request, bench.case.alike)
    together = {result.task.job_id: result.outcome for result in bench.run(tasks, Listener())}
    for task in tasks:
        (alone,) = bench.run([task], Listener())
        outcome = together[task.job_id]
        assert isinstance(outcome, Produced)
        assert isinstance(alone.outcome, Produced)
        assert outcome.resolved == alone.outcome.resolved
        assert outcome.text == alone.outcome.text
        assert outcome.scores == pytest.approx(alone.outcome.scores, abs=1e-5)


@pytest.mark.parametrize("content", [b"", b"plain words", b"\x89PNG\r\n\x1a\nhalf"])
def test_a_bad_image_is_a_failure_of_its_own_task(bench: Bench, content: bytes) -> None:
    (task,) = bench.tasks(bench.case.with_image, image=content)
    failure = bench.family.decode(task)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.BAD_INPUT
    assert failure.message.startswith("a.png")
    bench.decoded(bench.tasks(bench.case.with_image))


def test_a_cancelled_task_has_no_result_and_its_neighbours_have_theirs(bench: Bench) -> None:
    tasks, listener = bench.tasks(bench.case.request, bench.case.alike), Listener()
    listener.cancelled_after = {"0": 0}
    outcomes = {result.task.job_id: result.outcome for result in bench.run(tasks, listener)}
    assert outcomes["0"] == CANCELLED
    assert isinstance(outcomes["1"], Produced)
    assert "0" not in listener.steps_of
    listener.cancelled_after = {"0": 0, "1": 0}
    assert [result.outcome for result in bench.run(tasks, listener)] == [CANCELLED, CANCELLED]


def test_an_extent_counts_the_batch_and_never_shrinks_with_it(bench: Bench) -> None:
    one, two = (
        bench.family.extent(bench.decoded(bench.tasks(*requests)), bench.files)
        for requests in ([bench.case.request], [bench.case.request, bench.case.alike])
    )
    assert (one.batch, two.batch) == (1, 2)
    assert 0 <= one.pixels == two.pixels
    assert one.is_within(two)


def test_lower_rungs_take_no_more_memory_as_long_as_their_weights_have_one_format(bench: Bench) -> None:
    extent = bench.family.extent(bench.decoded(bench.tasks(bench.case.request)), bench.files)
    for backend in (Backend.CPU, Backend.CUDA):
        taken = [taken_on(bench, backend, rung, extent) for rung in bench.family.rungs(backend)]
        assert all(amount > 0 for _, _, amount in taken)
        for (rung, storage, more), (lower, lower_storage, less) in itertools.pairwise(taken):
            if RUNGS[rung].on_cpu == RUNGS[lower].on_cpu and storage is lower_storage is Storage.NATIVE:
                assert less <= more, (rung, lower)


def taken_on(bench: Bench, backend: Backend, rung: Rung, extent: Extent) -> tuple[Rung, Storage, int]:
    """The rung, how its weights lie in memory, and the bytes that it takes."""
    placement = (
        bench.devices.on(rung)
        if RUNGS[rung].on_cpu
        else Placement(device="cuda:0", device_name="", dtype=Dtype.FLOAT16, rung=rung)
    )
    footprint = bench.family.footprint(bench.files, placement)
    assert footprint.base_bytes == 0
    assert footprint.weight_bytes > 0
    assert min(footprint.unet_bytes, footprint.largest_layer_bytes, footprint.element_bytes) > 0
    return rung, RUNGS[rung].storage, predicted_bytes(footprint, rung, extent)
