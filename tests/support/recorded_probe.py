"""A child that answers `doctor` as the real one answered once, without torch: a double of `doctor.probe_child`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from aura_daemon.doctor.probe import TorchProbe
from aura_daemon.doctor.report import (
    LadderPlan,
    LadderStep,
    ModelFound,
    ModelPresence,
    PlanRequest,
    ProbeAnswer,
    ProbeRequest,
    TorchFound,
)
from aura_daemon.jobs.requests import JobKind
from aura_daemon.ladder.rungs import RUNGS, Backend, Rung, ladder

CODE = """
import os, pathlib, sys
folder, parent = pathlib.Path(sys.argv[1]), int(sys.argv[2])
assert parent == os.getppid()
(folder / "request.json").write_bytes(sys.stdin.buffer.read())
sys.stdout.write((folder / "answer.json").read_text(encoding="utf-8"))
"""

ANSWER = ProbeAnswer(
    torch=TorchFound(
        version="2.13.0+cpu",
        build="CPU",
        device="cpu",
        device_name="AMD EPYC",
        dtype="float32",
        dtypes=("float32", "bfloat16"),
        capability="",
    ),
    hub_cache="/nowhere/hub",
    hub_is_forbidden=False,
    models=(
        ModelFound(
            kind=JobKind.GENERATE,
            name="aura-mini",
            presence=ModelPresence.HERE,
            folder="/mini/generator",
            weight_bytes=10_600_000,
        ),
        ModelFound(
            kind=JobKind.CAPTION,
            name="aura-mini",
            presence=ModelPresence.HERE,
            folder="/mini/captioner",
            weight_bytes=1_600_000,
        ),
    ),
    plan=None,
    refusal=None,
)
"""Recorded with `device: cpu`, `dtype: float32` on a machine without a GPU."""


def recorded_plan(request: PlanRequest, **changes: Any) -> LadderPlan:
    """The plan on that machine, which every rung of the CPU's ladder fits."""
    steps = tuple(
        LadderStep(
            rung=rung,
            caption=RUNGS[rung].caption,
            needed_bytes=675_578_043,
            needed_host_bytes=0,
            free_bytes=24_757_387_264,
            fits=request.batch,
            picture_s=None,
        )
        for rung in ladder(Backend.CPU, JobKind.GENERATE)
    )
    plan = LadderPlan(
        wish=request,
        assumed=False,
        steps_a_picture=25,
        free_host_bytes=24_757_387_264,
        ladder=steps,
        start=Rung.CPU,
        start_batch=request.batch,
    )
    return plan.model_copy(update=changes)


class RecordedProbe(TorchProbe):
    """Asks such a child; remembers what it was asked."""

    def __init__(self, folder: Path, answer: ProbeAnswer = ANSWER) -> None:
        """`folder`: an empty one, for the answer and the request."""
        super().__init__((sys.executable, "-S", "-c", CODE, str(folder)))
        self._request = folder / "request.json"
        (folder / "answer.json").write_text(answer.model_dump_json(), encoding="utf-8")

    @property
    def request(self) -> ProbeRequest:
        """The last request."""
        return ProbeRequest.model_validate_json(self._request.read_bytes())
