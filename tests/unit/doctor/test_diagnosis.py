"""What doctor finds fault with, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from aura_daemon.config.engine import EngineSettings, GenerateSettings
from aura_daemon.doctor.diagnosis import complaints
from aura_daemon.doctor.report import (
    REPORT_SCHEMA,
    CpuFound,
    DiskFound,
    DoctorReport,
    Finding,
    GpuFound,
    InotifyFound,
    LadderPlan,
    LadderStep,
    Machine,
    MemoryFound,
    ModelFound,
    ModelPresence,
    PlanRequest,
    ProbeAnswer,
    ProbeRequest,
    SandboxFound,
    TorchFound,
)
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.ladder.prediction import Measured
from aura_daemon.ladder.rungs import Rung

GB = 10**9
CARD = GpuFound(name="NVIDIA RTX 3050", total_bytes=4 << 30, free_bytes=3 << 30, driver="560.1", users=())
TORCH = TorchFound(
    version="2.13.0+cpu",
    build="CPU",
    device="cpu",
    device_name="x",
    dtype="float32",
    dtypes=("float32",),
    capability="",
)
LIMITS = InotifyFound(
    max_user_watches=8192,
    max_user_instances=128,
    max_queued_events=16384,
    needed_watches=1,
    used_watches=0,
    used_instances=0,
)
ABSENT = ModelFound(kind=JobKind.GENERATE, name="sd-1.4", presence=ModelPresence.ABSENT, weight_bytes=5 * GB)


def disk(what: str, free_bytes: int, file_system: str = "ext4") -> DiskFound:
    return DiskFound(
        what=what, path=f"/{what}", exists=True, free_bytes=free_bytes, total_bytes=99 * GB, file_system=file_system
    )


def plan(start: Rung | None, rung: Rung = Rung.CPU_HALF_WEIGHTS) -> LadderPlan:
    step = LadderStep(
        rung=rung,
        caption="",
        needed_bytes=5 << 30,
        needed_host_bytes=0,
        free_bytes=1 << 30,
        fits=int(start is not None),
        picture_s=None,
    )
    wish = PlanRequest(model="sd-1.4", width=912, height=512)
    return LadderPlan(
        wish=wish,
        assumed=True,
        steps_a_picture=25,
        free_host_bytes=1 << 30,
        ladder=(step,),
        start=start,
        start_batch=int(start is not None),
    )


def report(
    *,
    gpus: tuple[GpuFound, ...] = (),
    disks: tuple[DiskFound, ...] = (),
    inotify: InotifyFound | None = LIMITS,
    wsl2: bool = False,
    device: str = "auto",
    silent: bool = False,
    **found: Any,
) -> DoctorReport:
    defaults = {
        "torch": TORCH, "hub_cache": "/hub", "hub_is_forbidden": False, "models": (), "plan": None, "refusal": None
    }  # fmt: skip
    return DoctorReport(
        schema=REPORT_SCHEMA,
        configured_by="built-in defaults",
        device=device,
        daemon_runs=False,
        held_bytes=0,
        held_device_bytes=0,
        machine=Machine(
            gpus=gpus,
            cpu=CpuFound(name="x", cores=2, flags=("avx2",)),
            memory=MemoryFound(total_bytes=8 << 30, available_bytes=4 << 30, limit_bytes=None),
            disks=disks,
            inotify=inotify,
            wsl2=wsl2,
            versions={},
        ),
        findings=None if silent else ProbeAnswer(**{**defaults, **found}),
    )


def messages(examined: DoctorReport) -> str:
    """All of them in one text; every complaint has its mend."""
    found = list(complaints(examined))
    assert all(complaint.mend for complaint in found)
    return " ".join(complaint.message for complaint in found)


@pytest.mark.parametrize(
    "well",
    [
        report(),
        report(silent=True),
        report(inotify=None),
        report(disks=(disk("inbox", 2 * GB), disk("models", 9 * GB)), models=(ABSENT,)),
        report(models=(ABSENT,)),
        report(models=(ModelFound(kind=JobKind.CAPTION, name="aura-mini", presence=ModelPresence.HERE),)),
        report(plan=plan(Rung.CPU_HALF_WEIGHTS)),
        report(gpus=(CARD,), device="cpu"),
        report(gpus=(CARD,), torch=TORCH.model_copy(update={"device": "cuda:0"})),
    ],
)
def test_a_machine_that_is_well_has_no_complaint(well: DoctorReport) -> None:
    assert list(complaints(well)) == []


def test_why_the_settings_cannot_be_followed_comes_first() -> None:
    refusal = Finding(message="no CUDA", mend="device: auto")
    found = tuple(complaints(report(refusal=refusal, disks=(disk("inbox", 0),))))
    assert (found[0], len(found)) == (refusal, 2)


def test_a_card_that_torch_does_not_see_is_named() -> None:
    assert "the driver knows NVIDIA RTX 3050, but torch 2.13.0+cpu (CPU build)" in messages(report(gpus=(CARD,)))


def test_a_model_that_cannot_be_used_says_why() -> None:
    wrong = ModelFound(
        kind=JobKind.GENERATE, name="x", presence=ModelPresence.WRONG, message="model x: no", mend="mend it"
    )
    assert list(complaints(report(models=(wrong,)))) == [Finding(message="model x: no", mend="mend it")]


def test_a_model_that_may_not_be_fetched_is_a_complaint() -> None:
    assert "HF_HUB_OFFLINE forbids" in messages(report(models=(ABSENT,), hub_is_forbidden=True))


def test_a_model_for_which_there_is_no_room_is_a_complaint() -> None:
    text = messages(report(models=(ABSENT,), disks=(disk("models", 5 * GB),)))
    assert "sd-1.4 is to be fetched (5.0 GB), but there are only 5.0 GB free at /models" in text


@pytest.mark.parametrize(
    ("rung", "memory"), [(Rung.CPU_HALF_WEIGHTS, "5.0 GiB of memory"), (Rung.RESIDENT, "5.0 GiB of GPU memory")]
)
def test_a_picture_that_fits_nowhere_is_told_with_both_figures(rung: Rung, memory: str) -> None:
    text = messages(report(plan=plan(None, rung)))
    assert "912x512 fits on no rung" in text
    assert memory in text
    assert "1.0 GiB are free" in text


def test_a_disk_that_is_nearly_full_is_named() -> None:
    assert "nearly full at /outbox (outbox): 100 MiB are free" in messages(report(disks=(disk("outbox", 100 << 20),)))


@pytest.mark.parametrize("what", ["inbox", "state"])
@pytest.mark.parametrize("kind", ["9p", "virtiofs"])
def test_inside_windows_an_inbox_or_a_state_folder_on_its_drives_is_told(what: str, kind: str) -> None:
    (complaint,) = complaints(report(disks=(disk(what, 9 * GB, kind),), wsl2=True))
    assert f"/{what} ({what}) lies on a drive of Windows" in complaint.message
    assert "docs/windows.md" in complaint.mend


def test_inside_windows_its_own_disk_and_an_outbox_anywhere_are_fine() -> None:
    disks = (disk("inbox", 9 * GB), disk("outbox", 9 * GB, "9p"), disk("state", 9 * GB))
    assert messages(report(disks=disks, wsl2=True)) == ""
    assert messages(report(disks=(disk("inbox", 9 * GB, "9p"),))) == ""  # a virtual machine's share, say


def test_too_few_watches_are_told_with_a_limit_that_suffices() -> None:
    limits = LIMITS.model_copy(update={"needed_watches": 8000, "used_watches": 200})
    (complaint,) = complaints(report(inotify=limits))
    assert "needs 8,000 watches and other programs have 200" in complaint.message
    assert "max_user_watches=32768" in complaint.mend


def test_no_instance_left_is_told() -> None:
    (complaint,) = complaints(report(inotify=LIMITS.model_copy(update={"used_instances": 128})))
    assert "other programs have 128 inotify instances" in complaint.message
    assert "max_user_instances=256" in complaint.mend


def test_a_report_is_the_same_after_its_way_through_json() -> None:
    examined = report(plan=plan(Rung.CPU), models=(ABSENT,), gpus=(CARD,), disks=(disk("inbox", 1),))
    assert DoctorReport.model_validate_json(examined.to_json()) == examined


def test_a_request_is_the_same_after_its_way_through_json() -> None:
    measured = Measured(device="x", dtype="float16", rung=Rung.RESIDENT, width=8, height=8, batch=2, step_s=0.1)
    settings = EngineSettings(generate=GenerateSettings(models=("a", "b"), scheduler=Scheduler.EULER_A))
    request = ProbeRequest(
        settings=settings, wish=PlanRequest(model="a", width=8, height=16, batch=3), measured=(measured,)
    )
    assert ProbeRequest.model_validate_json(request.model_dump_json()) == request


def test_a_strict_sandbox_that_cannot_be_kept_is_to_be_mended_and_any_other_is_only_told() -> None:
    found = SandboxFound(
        mode="strict", landlock=0, seccomp=True, lacks=("Landlock: files",), why="this kernel has no Landlock", open=()
    )
    strict = report().model_copy(update={"sandbox": found})
    assert messages(strict) == (
        "no job runs: `sandbox: strict` cannot be kept (Landlock: files), as this kernel has no Landlock"
    )
    for other in (found.model_copy(update={"mode": "auto"}), found.model_copy(update={"lacks": ()}), None):
        assert messages(strict.model_copy(update={"sandbox": other})) == ""


def test_a_daemon_that_stands_still_is_told_first() -> None:
    standing = report(silent=True).model_copy(update={"daemon_silent_s": 190.4})
    assert messages(standing).startswith("the daemon gave no sign of life for 190 s: it waits for a share")
