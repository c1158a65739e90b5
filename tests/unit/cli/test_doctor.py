"""`doctor` as a shell sees it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

import pytest

from aura_daemon.doctor.report import DoctorReport
from aura_daemon.jobs.requests import JobKind
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import RUNGS, Backend, Rung, ladder
from tests.support.house import House
from tests.support.programs import REAL, Program

pytestmark = pytest.mark.timeout(300)


def on_cpu(house: House) -> Program:
    return Program(house, REAL, AURA_DEVICE="cpu", AURA_DTYPE="float32", HF_HOME=str(house.root / "hf"))


@pytest.fixture
def program(house: House) -> Program:
    return on_cpu(house)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A question of which several tests want the answer: whenever it is asked, torch is imported."""

    house: House
    ran: CompletedProcess[str]

    @property
    def survey(self) -> DoctorReport:
        return DoctorReport.model_validate_json(self.ran.stdout)


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Where nothing has run yet, as JSON."""
    house = House(tmp_path_factory.mktemp("documented"))
    house.state.rmdir()
    return Asked(house=house, ran=on_cpu(house).call("doctor", "--json", "--plan", "911x509"))


@pytest.fixture(scope="module")
def planned(documented: Asked, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Where a picture of half the size was drawn before."""
    house = House(tmp_path_factory.mktemp("planned"))
    findings = documented.survey.findings
    assert findings is not None
    tried = RunConditions(
        device="cpu", device_name=findings.torch.device_name, dtype=findings.torch.dtype, rung=Rung.CPU,
        width=456, height=512, batch=1, alone=True, peak_bytes=900 << 20,
    )  # fmt: skip
    journal = Journal(house.state / FILE_NAME)
    journal.learn("aura-mini", tried, step_s=2.0)
    journal.close()
    return Asked(house=house, ran=on_cpu(house).call("doctor", "--plan", "912x512", "--batch", "2"))


def test_it_prints_the_machine_and_all_is_well(program: Program) -> None:
    ran = program.call("doctor")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "\x1b" not in ran.stdout + ran.stderr
    titles = [line.split("  ")[0] for line in ran.stdout.splitlines() if line and not line.startswith(" ")]
    assert titles == [
        "configured", "daemon", "GPU", "torch", "CPU", "memory", "disk", "inotify", "python", "libraries",
        "generate", "caption", "all is well",
    ]  # fmt: skip
    assert "computes on cpu" in ran.stdout
    assert "aura-mini: here" in ran.stdout
    assert not any(line.endswith(" ") for line in ran.stdout.splitlines())


def test_the_plan_has_a_row_a_rung_and_says_where_a_job_would_start(planned: Asked) -> None:
    ran = planned.ran
    assert ran.returncode == 0, ran.stdout
    rows = [line for line in ran.stdout.splitlines() if "│" in line]
    for rung in ladder(Backend.CPU, JobKind.GENERATE):
        (row,) = [line for line in rows if f" {rung} " in line]
        assert "GiB" in row
        assert "yes" in row
        assert RUNGS[rung].caption.split()[0] in row
    assert "the ladder for 912x512, 2 at once, aura-mini" in ran.stdout
    assert "a job would start on cpu, 2 at once" in ran.stdout
    assert [line for line in rows if line.startswith("->")] == [line for line in rows if " cpu  " in line]
    assert "\x1b" not in ran.stdout


def test_the_document_is_json_and_for_it_nothing_is_made_or_fetched(documented: Asked) -> None:
    house, survey = documented.house, documented.survey
    assert (documented.ran.returncode, survey.schema_, survey.problems) == (0, "aura-daemon/doctor/1", ())
    assert [disk.what for disk in survey.machine.disks] == ["inbox", "outbox", "state", "models"]
    assert survey.findings is not None
    plan = survey.findings.plan
    assert plan is not None
    assert (plan.wish.width, plan.wish.height, plan.start, plan.assumed) == (912, 512, Rung.CPU, False)
    assert all(step.picture_s is None for step in plan.ladder)
    assert not house.state.exists()
    assert not (house.root / "hf").exists()
    assert list(house.inbox.iterdir()) == []


def test_what_the_journal_measured_is_the_time_of_a_picture(planned: Asked) -> None:
    ran = planned.ran
    (row,) = [line for line in ran.stdout.splitlines() if line.startswith("->")]
    assert "about 100 s" in row  # twice the pixels, 25 steps
    assert "25 steps, without loading and decoding, scaled from what was measured here" in ran.stdout


def test_a_model_that_is_allowed_but_not_here_is_planned_with_assumed_figures(house: House) -> None:
    config = house.root / "aura.yaml"
    config.write_text("generate: {models: [sd-1.4]}\n")
    program = Program(house, REAL, AURA_DEVICE="cpu", HF_HOME=str(house.root / "hf"))
    ran = program.call("doctor", "--config", str(config), "--plan", "512x512", "--model", "sd-1.4")
    assert ran.returncode == 0, ran.stdout
    assert "sd-1.4: not on this machine, 5.5 GB are fetched for its first job" in ran.stdout
    assert "the ladder for 512x512, sd-1.4" in ran.stdout
    assert "sd-1.4 is not on this machine: the figures assume Stable Diffusion 1.4's size" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--plan", "big"], "--plan: must be width and height in pixels, 8 to 2048 each, as 912x512 (given: 'big')"),
        (["--plan", "4096x512"], "--plan: must be"),
        (["--plan", "512x512", "--model", "x"], "--model: must be one of aura-mini"),
        (["--model", "aura-mini"], "--plan: is needed"),
        (["--batch", "2"], "--plan: is needed"),
    ],
)
def test_a_wish_that_makes_no_sense_is_the_users_mistake(program: Program, arguments: list[str], words: str) -> None:
    ran = program.call("doctor", *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert words in ran.stderr


def test_what_should_be_mended_is_said_with_its_mend_and_the_code_is_1(house: House) -> None:
    program = Program(house, REAL, AURA_DEVICE="xpu", AURA_OUTBOX=str(house.root / "gone"))
    ran = program.call("doctor", "--plan", "512x512")
    assert ran.returncode == 1, ran.stdout
    mends = [line for line in ran.stdout.splitlines() if line.startswith("mend  ")]
    assert any("gone does not exist" in line for line in mends)
    assert any("device: xpu is configured, but torch" in line for line in mends)
    assert "set device: auto or cpu" in ran.stdout
    assert "all is well" not in ran.stdout


def test_a_torch_that_is_broken_is_said_and_the_rest_is_told(house: House) -> None:
    broken = house.root / "broken"
    (broken / "torch").mkdir(parents=True)
    (broken / "torch" / "__init__.py").write_text("raise ImportError('libtorch_cpu.so: no such file')\n")
    program = Program(house, REAL)
    environment = program.environment()
    program = Program(house, REAL, PYTHONPATH=os.pathsep.join((str(broken), environment["PYTHONPATH"])))
    ran = program.call("doctor")
    assert ran.returncode == 1
    assert "mend  torch could not be asked; it ended with exit code 1: ImportError: libtorch_cpu.so" in ran.stdout
    assert "memory" in ran.stdout
    assert "Traceback" in ran.stderr


def test_a_running_daemons_memory_counts_as_free(program: Program) -> None:
    house = program.house
    try:
        program.start("run")
        house.drop("a.yaml", b"prompt: a small red circle on a blue background\nsteps: 1\n")
        program.until(lambda: (house.outbox / "a.json").exists(), "the picture")
        ran = program.call("doctor", "--json", "--plan", "64x64")
        program.end()
    finally:
        program.close()
    assert ran.returncode == 0
    survey = DoctorReport.model_validate_json(ran.stdout)
    assert survey.daemon_runs
    assert survey.held_bytes > 100 << 20
    assert survey.findings is not None
    plan: Any = survey.findings.plan
    assert plan.start is Rung.CPU
    assert plan.ladder[0].picture_s is not None
