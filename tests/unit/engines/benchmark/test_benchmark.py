"""A benchmark runs ordinary tasks on a session: here one that says what each of them takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from aura_daemon.config.engine import EngineSettings, GenerateSettings
from aura_daemon.engines.benchmark.benchmark import MINI_PROMPT, PROMPT, Benchmark
from aura_daemon.engines.reporter import Reporter
from aura_daemon.engines.session import Session
from aura_daemon.jobs.benchmarks import BenchmarkRun
from aura_daemon.jobs.requests import BenchmarkRequest, CaptionRequest, GenerateRequest
from aura_daemon.jobs.resolved import ResolvedBenchmark, ResolvedCaption, ResolvedGenerate
from aura_daemon.jobs.results import CANCELLED, EngineTiming, Failure, FailureKind, Outcome, Processor, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import TOP, RunConditions, Start
from aura_daemon.ladder.prediction import Measured
from aura_daemon.ladder.rungs import Rung
from tests.support.listening import Listener
from tests.support.outcomes import PNG

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

STEPS = 4
FULL = Failure(kind=FailureKind.OUT_OF_MEMORY, message="out of memory")
SETTINGS = EngineSettings(generate=GenerateSettings(model="sd-1.4"))


@dataclass
class Scripted:
    """A session without models, on a GPU. Its clock goes on where it works."""

    fits: Callable[[int, Rung], bool] = lambda width, rung: True
    """Whether a size fits on a rung; where it does not, memory runs out."""
    together: int = 8
    failure: Failure | None = None
    """Ends the third run."""
    sinks_after: int = 1_000
    """Runs after which the first rung has no room any more, without running out."""
    now_s: float = 0.0
    tasks: list[Task] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    forgotten: int = 0
    is_loaded: bool = False

    def forget(self) -> None:
        self.forgotten += 1
        self.is_loaded = False

    def run(
        self, tasks: Sequence[Task], reporter: Reporter, *, start: Start, measured: Sequence[Measured] = ()
    ) -> None:
        self.tasks += tasks
        self.starts.append(start)
        for first in range(0, len(tasks), self.together):
            self._run_together(tasks[first : first + self.together], reporter, start)

    def _run_together(self, tasks: Sequence[Task], reporter: Reporter, start: Start) -> None:
        request = tasks[0].request
        width = (request.width or 512) if isinstance(request, GenerateRequest) else 0
        rung = start.rung or Rung.RESIDENT
        if len(self.starts) > self.sinks_after and rung is Rung.RESIDENT:
            rung = Rung.SEQUENTIAL_OFFLOAD
        tried = RunConditions(
            device="cuda:0",
            device_name="A Fine GPU",
            dtype="float16",
            rung=rung,
            width=width,
            height=width,
            batch=len(tasks),
            alone=True,
        )
        reporter.placed([task.job_id for task in tasks], tried)
        loaded_s = 0.0 if self.is_loaded else 5.0
        self.now_s += loaded_s
        if not self.is_loaded:
            reporter.loading("sd-1.4")
        self.is_loaded = True
        failure = FULL if not self.fits(width, rung) else self.failure if len(self.starts) == 3 else None
        if width and failure is None:
            for step in range(1, STEPS + 1):
                for task in tasks:
                    if reporter.is_cancelled(task.job_id):
                        failure = CANCELLED
                    reporter.stepped(task.job_id, step, STEPS)
        self.now_s += 2.0 * len(tasks)
        for task in tasks:
            outcome: Outcome = failure or self._made(task, rung, len(tasks), loaded_s)
            reporter.finish(task.job_id, outcome, tried=tried, step_s=0.25)

    @staticmethod
    def _made(task: Task, rung: Rung, batch: int, loaded_s: float) -> Produced:
        request = task.request
        if isinstance(request, CaptionRequest):
            resolved: ResolvedCaption | ResolvedGenerate = ResolvedCaption(image=None, prompt="", max_new_tokens=16)
        else:
            assert isinstance(request, GenerateRequest)
            resolved = ResolvedGenerate(
                prompt=request.prompt,
                negative_prompt="",
                steps=STEPS,
                guidance_scale=7.5,
                scheduler="euler",
                seed=request.seed or 0,
                width=request.width or 512,
                height=request.height or 512,
            )
        timing = EngineTiming(
            loaded_s=loaded_s, encoded_s=0.1, denoised_s=1.0 * batch, decoded_s=0.5, checked_s=0.1, filed_s=0.2
        )
        return Produced(
            payloads=(),
            resolved=resolved,
            model="sd-1.4",
            model_sha256="ab",
            device="cuda:0",
            dtype="float16",
            rung=rung,
            batch_size=batch,
            timing=timing,
            peak_bytes=1 << 30,
            warnings=("rounded",),
        )


def benchmark(
    engines: Scripted,
    *,
    sizes: tuple[tuple[int, int], ...] = (),
    repeats: int = 2,
    batch: int = 1,
    settings: GenerateRequest | CaptionRequest | None = None,
    listener: Listener | None = None,
    start: Start = TOP,
    configured: EngineSettings = SETTINGS,
) -> Listener:
    request = BenchmarkRequest(sizes=sizes, repeats=repeats, batch=batch, picture=GenerateRequest(prompt="", seed=42))
    if isinstance(settings, CaptionRequest):
        request = replace(request, picture=None, caption=settings)
    elif settings is not None:
        request = replace(request, picture=settings)
    listener = listener or Listener()
    task = Task(job_id="job", request=request)
    Benchmark(task, listener, engines, configured, start=start, clock=lambda: engines.now_s).run()
    assert set(listener.results) == {"job"}
    return listener


def outcome_of(listener: Listener) -> Produced:
    outcome = listener.results["job"].outcome
    assert isinstance(outcome, Produced), outcome
    return outcome


def run_of(listener: Listener) -> BenchmarkRun:
    run = outcome_of(listener).benchmark
    assert run is not None
    return run


def test_each_size_begins_without_a_model_warms_up_and_is_run_again() -> None:
    engines = Scripted()
    listener = benchmark(engines, sizes=((512, 512), (768, 512)))
    run = run_of(listener)
    assert engines.forgotten == 2
    assert [tried.width for _, tried in listener.placed_together] == [512, 768]
    assert [task.request.width for task in engines.tasks if isinstance(task.request, GenerateRequest)] == [
        *[512] * 3,
        *[768] * 3,
    ]
    assert [(one.name, one.load_s, one.first_s, len(one.runs)) for one in run.sizes] == [
        ("512x512", 5.0, 2.0, 2),
        ("768x512", 5.0, 2.0, 2),
    ]


def test_stages_are_told_apart_and_loading_is_not_part_of_a_run() -> None:
    (size,) = run_of(benchmark(Scripted())).sizes
    found = size.runs[0]
    assert (found.whole_s, found.encode_s, found.steps_s, found.check_s, found.file_s, found.step_s) == (
        2.0,
        0.1,
        1.0,
        0.1,
        0.2,
        0.25,
    )
    assert found.decode_s == pytest.approx(0.2)
    assert found.other_s == pytest.approx(0.4)


def test_pictures_of_a_batch_share_their_steps_and_differ_in_their_noise() -> None:
    engines = Scripted()
    (size,) = run_of(benchmark(engines, batch=4, repeats=1)).sizes
    assert (size.batch, size.together) == (4, 4)
    assert size.runs[0].steps_s == pytest.approx(4.0)
    assert size.per_minute == pytest.approx(30.0)
    assert [task.request.seed for task in engines.tasks if isinstance(task.request, GenerateRequest)] == [
        42, 43, 44, 45, 42, 43, 44, 45,
    ]  # fmt: skip


def test_a_batch_that_does_not_fit_at_once_says_how_many_did() -> None:
    listener = benchmark(Scripted(together=2), batch=4)
    (size,) = run_of(listener).sizes
    assert (size.batch, size.together) == (4, 2)
    assert listener.steps_of["job"] == sorted(listener.steps_of["job"])


def test_every_step_of_every_run_is_progress_and_the_last_one_is_the_end() -> None:
    listener = benchmark(Scripted(), sizes=((512, 512), (768, 512)), batch=2)
    assert [step for step, _ in listener.steps] == list(range(1, 2 * 3 * STEPS + 1))
    assert {steps for _, steps in listener.steps} == {2 * 3 * STEPS}
    assert listener.loads


def test_captions_have_progress_too_and_a_picture_of_their_own() -> None:
    engines = Scripted()
    listener = benchmark(engines, settings=CaptionRequest())
    assert listener.steps == [(1, 3), (2, 3), (3, 3)]
    run = run_of(listener)
    assert (run.of, run.sizes[0].name) == ("caption", "caption")
    assert all(task.image is not None and task.image.startswith(PNG[:8]) for task in engines.tasks)
    resolved = outcome_of(listener).resolved
    assert isinstance(resolved, ResolvedBenchmark)
    assert resolved.sizes == ()


def test_where_memory_runs_out_that_size_alone_begins_anew_a_rung_lower() -> None:
    engines = Scripted(fits=lambda width, rung: width < 1024 or rung is Rung.SEQUENTIAL_OFFLOAD)
    run = run_of(benchmark(engines, sizes=((512, 512), (1024, 1024), (768, 768))))
    assert [(one.name, one.rung, len(one.runs)) for one in run.sizes] == [
        ("512x512", "resident", 2),
        ("1024x1024", "sequential_offload", 2),
        ("768x768", "resident", 2),
    ]
    assert "1024x1024: memory ran out on rung resident" in run.notes


def test_a_size_that_fits_on_no_rung_is_named_and_the_others_are_measured() -> None:
    listener = benchmark(Scripted(fits=lambda width, rung: width < 2048), sizes=((2048, 2048), (512, 512)))
    run = run_of(listener)
    assert [(one.name, one.reason) for one in run.not_run] == [("2048x2048", "out of memory")]
    assert [one.name for one in run.sizes] == ["512x512"]
    resolved = outcome_of(listener).resolved
    assert isinstance(resolved, ResolvedBenchmark)
    assert set(resolved.sizes) == {(512, 512), (2048, 2048)}


def test_where_no_size_fits_the_job_ends_as_one_that_has_no_memory() -> None:
    listener = benchmark(Scripted(fits=lambda width, rung: False), sizes=((512, 512), (768, 768)))
    result = listener.results["job"]
    assert result.outcome == FULL
    assert result.tried is not None


def test_a_size_whose_runs_had_to_go_lower_meanwhile_is_measured_anew_on_one_rung() -> None:
    (size,) = run_of(benchmark(engines := Scripted(sinks_after=2))).sizes
    assert (size.rung, len(size.runs)) == ("sequential_offload", 2)
    assert engines.forgotten == 2


@pytest.mark.parametrize("kind", [FailureKind.MODEL_UNAVAILABLE, FailureKind.UNEXPECTED, FailureKind.CRASHED])
def test_any_other_failure_of_a_run_is_that_of_the_job(kind: FailureKind) -> None:
    failure = Failure(kind=kind, message="no")
    assert benchmark(Scripted(failure=failure), sizes=((512, 512), (768, 768))).results["job"].outcome == failure


def test_a_cancelled_benchmark_stops_at_its_next_step() -> None:
    listener = Listener()
    listener.cancelled_after["job"] = 5
    benchmark(engines := Scripted(), listener=listener)
    assert listener.results["job"].outcome == CANCELLED
    assert len(engines.starts) == 2
    assert len(listener.steps) < 2 * STEPS + 1


def test_a_benchmark_that_is_cancelled_between_two_runs_begins_no_other() -> None:
    listener = Listener()
    listener.cancelled_after["job"] = 1
    benchmark(engines := Scripted(), settings=CaptionRequest(), listener=listener)
    assert listener.results["job"].outcome == CANCELLED
    assert len(engines.starts) == 1


def test_after_an_attempt_that_ran_out_of_memory_it_begins_lower_and_says_so() -> None:
    run = run_of(benchmark(engines := Scripted(), start=Start(rung=Rung.SEQUENTIAL_OFFLOAD, most=1, alone=True)))
    assert engines.starts[0].rung is Rung.SEQUENTIAL_OFFLOAD
    assert run.notes == ("memory ran out in an earlier attempt: every size began on rung sequential_offload",)


@pytest.mark.parametrize(
    ("model", "asked", "drawn"),
    [("sd-1.4", "", PROMPT), ("aura-mini", "", MINI_PROMPT), ("aura-mini", "a cat", "a cat")],
)
def test_without_a_prompt_one_is_drawn_that_the_model_can_draw(model: str, asked: str, drawn: str) -> None:
    engines = Scripted()
    configured = EngineSettings(generate=GenerateSettings(model=model))
    benchmark(engines, settings=GenerateRequest(prompt=asked, seed=1), configured=configured)
    assert {task.request.prompt for task in engines.tasks if isinstance(task.request, GenerateRequest)} == {drawn}


def test_its_settings_are_all_that_the_time_depends_on() -> None:
    run = run_of(benchmark(Scripted(), settings=GenerateRequest(prompt="a cat", seed=7)))
    assert dict(run.settings) == {
        "steps": "4",
        "guidance_scale": "7.5",
        "scheduler": "euler",
        "batch": "1",
        "prompt": "a cat",
        "format": "png",
        "safety": "block",
        "attention": "sdpa",
    }
    assert (run.device_name, run.dtype, run.threads, run.processor) == ("A Fine GPU", "float16", 0, "")
    assert outcome_of(benchmark(Scripted())).warnings == ("rounded",)


def test_the_embedded_model_is_measured_by_the_session_itself() -> None:
    session, listener = Session(EngineSettings()), Listener()
    picture = GenerateRequest(prompt="", seed=42, steps=2)
    request = BenchmarkRequest(picture=picture, sizes=((64, 64), (72, 64)), repeats=1, batch=2)
    session.run([Task(job_id="job", request=request)], listener)
    run = run_of(listener)
    assert [one.name for one in run.sizes] == ["64x64", "72x64"]
    for one in run.sizes:
        assert min(one.load_s, one.first_s, one.peak_bytes, one.runs[0].steps_s, one.runs[0].decode_s) > 0
        assert one.runs[0].file_s > 0
        assert one.runs[0].whole_s >= one.runs[0].steps_s
    assert listener.steps[-1] == (8, 8)
    processor = outcome_of(listener).processor
    if isinstance(processor, Processor):
        assert (run.processor, run.threads) == (processor.capability, processor.threads)
