"""What `doctor` prints, and its exit code. Torch is asked once; the other answers are recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from aura_daemon.cli import app
from aura_daemon.cli.setup.doctor import doctor
from aura_daemon.doctor import machine
from aura_daemon.doctor.probe import TorchProbe
from aura_daemon.doctor.report import (
    DoctorReport,
    Finding,
    ModelFound,
    ModelPresence,
    PlanRequest,
    ProbeAnswer,
)
from aura_daemon.health import heartbeat
from aura_daemon.health.document import Status
from aura_daemon.jobs.requests import JobKind
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import RUNGS, Backend, Rung, ladder
from tests.support.house import House
from tests.support.programs import REAL, Program
from tests.support.recorded_probe import ANSWER, RecordedProbe, recorded_plan

Recorded = Callable[..., RecordedProbe]


@pytest.fixture
def recorded(house: House, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Makes a probe with a recorded answer, for `doctor` on the house's folders."""
    monkeypatch.chdir(house.root)
    for name, folder in (("AURA_INBOX", house.inbox), ("AURA_OUTBOX", house.outbox), ("AURA_STATE", house.state)):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(house.root / "no-config"))
    folder = house.root / "probe"
    folder.mkdir()

    def make(**changes: object) -> RecordedProbe:
        return RecordedProbe(folder, ANSWER.model_copy(update=changes))

    return make


def test_it_prints_the_machine_and_all_is_well(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(None, probe=recorded()) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    titles = [line.split("  ")[0] for line in printed.out.splitlines() if line and not line.startswith(" ")]
    assert titles == [
        "configured", "daemon", "GPU", "torch", "CPU", "memory", "disk", "inotify", "sandbox", "python", "libraries",
        "generate", "caption", "all is well",
    ]  # fmt: skip
    assert "computes on cpu (AMD EPYC) in float32; at full speed it could in float32, bfloat16" in printed.out
    assert "aura-mini: here, 10.6 MB, /mini/generator" in printed.out
    assert not any(line.endswith(" ") for line in printed.out.splitlines())


def test_the_plan_has_a_row_a_rung_and_says_where_a_job_would_start(
    recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    probe = recorded(plan=recorded_plan(PlanRequest(model="aura-mini", width=912, height=512, batch=2)))
    assert doctor(None, plan="912x512", batch=2, probe=probe) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if "│" in line]
    for rung in ladder(Backend.CPU, JobKind.GENERATE):
        (row,) = [line for line in rows if f" {rung} " in line]
        assert "GiB" in row
        assert "yes" in row
        assert RUNGS[rung].caption.split()[0] in row
    assert "the ladder for 912x512, 2 at once, aura-mini" in printed
    assert "a job would start on cpu, 2 at once" in printed
    assert [line for line in rows if line.startswith("->")] == [line for line in rows if " cpu  " in line]
    assert "\x1b" not in printed
    assert probe.request.wish == PlanRequest(model="aura-mini", width=912, height=512, batch=2)


@pytest.fixture(scope="module")
def real_report(tmp_path_factory: pytest.TempPathFactory) -> DoctorReport:
    """What the real child, which imports torch, finds for a house in which nothing has run."""
    house = House(tmp_path_factory.mktemp("real"))
    house.state.rmdir()
    program = Program(house, REAL, AURA_DEVICE="cpu", AURA_DTYPE="float32", HF_HOME=str(house.root / "hf"))
    ran = program.call("doctor", "--json", "--plan", "911x509", "--batch", "2")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not house.state.exists()  # nothing is made or fetched for it
    assert not (house.root / "hf").exists()
    assert list(house.inbox.iterdir()) == []
    return DoctorReport.model_validate_json(ran.stdout)


def test_the_document_is_json(real_report: DoctorReport) -> None:
    assert (real_report.schema_, real_report.problems) == ("aura-daemon/doctor/1", ())
    assert [disk.what for disk in real_report.machine.disks] == ["inbox", "outbox", "state", "models"]


@pytest.mark.parametrize("is_real", [True, False])
def test_the_recorded_answer_is_like_that_of_the_real_child(is_real: bool, request: pytest.FixtureRequest) -> None:
    answer: ProbeAnswer | None = ANSWER
    plan = recorded_plan(PlanRequest(model="aura-mini", width=912, height=512, batch=2))
    if is_real:
        answer = request.getfixturevalue("real_report").findings
        assert answer is not None
        assert answer.plan is not None
        plan = answer.plan
    assert answer is not None
    assert answer.torch.device == "cpu"
    assert [model.presence for model in answer.models] == [ModelPresence.HERE, ModelPresence.HERE]
    assert (plan.wish.width, plan.wish.height, plan.start, plan.start_batch) == (912, 512, Rung.CPU, 2)
    assert [step.rung for step in plan.ladder] == list(ladder(Backend.CPU, JobKind.GENERATE))
    assert not plan.assumed
    assert all(step.picture_s is None for step in plan.ladder)


def test_what_the_journal_measured_is_the_time_of_a_picture(
    house: House, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = RunConditions(
        device="cpu", device_name="AMD EPYC", dtype="float32", rung=Rung.CPU,
        width=456, height=512, batch=1, alone=True, peak_bytes=900 << 20,
    )  # fmt: skip
    journal = Journal(house.state / FILE_NAME)
    journal.learn("aura-mini", tried, step_s=2.0)
    journal.close()
    plan = recorded_plan(PlanRequest(model="aura-mini", width=912, height=512))
    timed = plan.ladder[0].model_copy(update={"picture_s": 100.0})
    probe = recorded(plan=plan.model_copy(update={"ladder": (timed, *plan.ladder[1:])}))
    doctor(None, plan="912x512", probe=probe)
    (measured,) = probe.request.measured
    assert (measured.width, measured.height, measured.step_s, measured.peak_bytes) == (456, 512, 2.0, 900 << 20)
    printed = capsys.readouterr().out
    (row,) = [line for line in printed.splitlines() if line.startswith("->")]
    assert "about 100 s" in row
    assert "25 steps, without loading and decoding, scaled from what was measured here" in printed


def test_a_model_that_is_allowed_but_not_here_is_planned_with_assumed_figures(
    house: House, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    config = house.root / "aura.yaml"
    config.write_text("generate: {models: [sd-1.4]}\n")
    absent = ModelFound(kind=JobKind.GENERATE, name="sd-1.4", presence=ModelPresence.ABSENT, weight_bytes=5_480_000_000)
    plan = recorded_plan(PlanRequest(model="sd-1.4", width=512, height=512), assumed=True)
    probe = recorded(models=(*ANSWER.models, absent), plan=plan)
    assert doctor(config, plan="512x512", model="sd-1.4", probe=probe) == 0
    printed = capsys.readouterr().out
    assert "sd-1.4: not on this machine, 5.5 GB are fetched for its first job" in printed
    assert "the ladder for 512x512, sd-1.4" in printed
    assert "sd-1.4 is not on this machine: the figures assume Stable Diffusion 1.4's size" in printed
    assert probe.request.wish == plan.wish
    assert probe.request.settings.generate.models == ("sd-1.4",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--plan", "big"],
            "in pixels, 8 to 2048 each, such as 912x512 (given: 'big')",
        ),
        (["--plan", "4096x512"], "--plan: must be"),
        (["--plan", "512x512", "--model", "x"], "--model: must be one of aura-mini"),
        (["--model", "aura-mini"], "--plan: is needed"),
        (["--batch", "2"], "--plan: is needed"),
    ],
)
def test_a_plan_that_makes_no_sense_is_the_users_mistake(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(house.root)
    monkeypatch.setattr(sys, "argv", ["aura-daemon", "doctor", *arguments])
    with pytest.raises(SystemExit) as ended:
        app.main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert words in printed.err


def test_what_should_be_mended_is_said_with_its_mend_and_the_code_is_1(
    house: House, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AURA_OUTBOX", str(house.root / "gone"))
    refusal = Finding(message="device: xpu is configured, but torch finds no XPU", mend="set device: auto or cpu")
    nothing = ANSWER.torch.model_copy(update={"device": "", "device_name": "", "dtype": "", "dtypes": ()})
    assert doctor(None, plan="512x512", probe=recorded(refusal=refusal, torch=nothing)) == 1
    printed = capsys.readouterr().out
    mends = [line for line in printed.splitlines() if line.startswith("mend  ")]
    assert any("gone does not exist" in line for line in mends)
    assert any("device: xpu is configured, but torch" in line for line in mends)
    assert "set device: auto or cpu" in printed
    assert "computes on" not in printed
    assert "all is well" not in printed


@pytest.mark.usefixtures("recorded")
def test_a_torch_that_is_broken_is_said_and_the_rest_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = house.root / "broken"
    (broken / "torch").mkdir(parents=True)
    (broken / "torch" / "__init__.py").write_text("raise ImportError('libtorch_cpu.so: no such file')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(broken), Program(house).environment()["PYTHONPATH"])))
    assert doctor(None, probe=TorchProbe()) == 1
    printed = capsys.readouterr()
    assert "mend  torch could not be asked; it ended with exit code 1: ImportError: libtorch_cpu.so" in printed.out
    assert "memory" in printed.out
    assert "Traceback" in printed.err


@pytest.fixture
def holding_worker() -> Iterator[int]:
    """A child of this process that looks like a daemon's worker; how many bytes it holds at least."""
    size_bytes = 150 << 20
    code = f"import sys; held = b'x' * {size_bytes}; print('ready', flush=True); sys.stdin.read()"
    command = [sys.executable, "-S", "-c", code, machine.WORKER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        yield size_bytes
        child.stdin.close()


def test_a_running_daemons_memory_counts_as_free(
    house: House, recorded: Recorded, capsys: pytest.CaptureFixture[str], holding_worker: int
) -> None:
    house.drain()
    document = heartbeat.read(house.state)
    assert document is not None
    alive = document.model_copy(update={"status": Status.OK, "pid": os.getpid()})
    (house.state / heartbeat.FILE_NAME).write_bytes(alive.to_json())
    probe = recorded(plan=recorded_plan(PlanRequest(model="aura-mini", width=64, height=64)))
    assert doctor(None, plan="64x64", probe=probe) == 0
    assert probe.request.held_bytes >= holding_worker
    printed = capsys.readouterr().out
    assert "daemon      runs" in printed
    assert "what the running daemon's worker holds counts as free: 0." in printed
    doctor(None, plan="64x64", as_json=True, probe=probe)
    report = DoctorReport.model_validate_json(capsys.readouterr().out)
    assert report.daemon_runs
    assert report.held_bytes >= holding_worker


def test_a_daemon_that_stands_still_is_a_finding(
    house: House, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    house.drain()
    document = heartbeat.read(house.state)
    assert document is not None
    long_ago = (datetime.now(UTC) - timedelta(minutes=3)).isoformat()
    still = document.model_copy(update={"status": Status.OK, "pid": os.getpid(), "heartbeat": long_ago})
    (house.state / heartbeat.FILE_NAME).write_bytes(still.to_json())
    assert doctor(None, probe=recorded()) == 1
    printed = capsys.readouterr().out
    assert "daemon      no sign of life for 18" in printed
    assert "mend  the daemon gave no sign of life for 18" in printed


def test_a_journal_that_cannot_be_read_is_no_measurement(
    house: House, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    (house.state / FILE_NAME).write_bytes(b"")
    probe = recorded(plan=recorded_plan(PlanRequest(model="aura-mini", width=64, height=64)))
    doctor(None, plan="64x64", probe=probe)
    assert probe.request.measured == ()
    assert "what was measured cannot be read" in capsys.readouterr().err
