"""The table of `bench --levers`: every lever of the issue is a row, with figures or with a reason."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from aura_daemon.bench.caption_levers import LEVERS as CAPTION_LEVERS
from aura_daemon.bench.caption_levers import CaptionGain, CaptionLever
from aura_daemon.bench.children import commands as children
from aura_daemon.bench.children.commands import SwitchedSettings
from aura_daemon.bench.children.served import EngineFailed, EngineProcess
from aura_daemon.bench.figures import NotMeasured
from aura_daemon.bench.levers import BASE, Gain, Group, levers
from aura_daemon.cli.bench.levers import table
from aura_daemon.config.engine import EMBEDDED, Device, Dtype, EngineSettings
from aura_daemon.engines.stable_diffusion.levers.switched import Switch
from aura_daemon.jobs.results import EAGER, OPENVINO_INT8
from aura_daemon.jobs.speed import CaptionEngine, CaptionSpeed, Speed
from aura_daemon.workers.engine_start import ENVIRONMENT

JUDGED = {"right": 0.9775, "psnr_db": 52.34, "ssim": 0.99741, "variant": EAGER}


def gain(name: str) -> Gain:
    return Gain(name=name, times=1.234, spread=0.08, cpu_times=1.2, picture_s=0.5, variant=EAGER, levers=())


def printed(width: int) -> list[str]:
    every = levers()
    found = [NotMeasured(name=one.name, reason=one.reason) if one.reason else gain(one.name) for one in every]
    found[-1] = NotMeasured(name=every[-1].name, reason="there is no TAESD on this machine")
    judged = {one.name: JUDGED | {"name": one.name} for one in (BASE, *every)}
    judged["float32"] |= {"psnr_db": None}
    captions: list[CaptionGain | NotMeasured] = [
        CaptionGain(name=one.name, times=2.0, spread=0.1, cpu_times=1.9, right=0.9925) for one in CAPTION_LEVERS
    ]
    captions[-1] = NotMeasured(name=CAPTION_LEVERS[-1].name, reason="eager looked at them: no conversion is here")
    out = StringIO()
    Console(file=out, width=width).print(table("aura-mini", every, found, judged, captions))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 160])
def test_every_lever_is_a_row_with_figures_or_the_reason_at_any_width(width: int) -> None:
    lines = printed(width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for one in levers():
        row = next(line for line in lines if line.startswith(one.name))
        is_measured = not one.reason and one.name != levers()[-1].name
        assert not is_measured or {"1.23", "4", "1.20"} <= set(row.replace("%", "").split()), row
    assert "the same" in next(line for line in lines if line.startswith("float32"))
    assert all(group in text for group in Group)
    unbroken = " ".join(text.split())
    assert "not built: 1.2" in unbroken and "there is no TAESD" in unbroken and "eager looked at" in unbroken
    assert "99.25%" in next(line for line in lines if line.startswith(CAPTION_LEVERS[0].name))


def test_a_picture_of_another_engine_is_not_judged_as_that_of_the_lever() -> None:
    eight = next(one for one in levers() if one.asked.get("variant") == OPENVINO_INT8)
    out = StringIO()
    judged = {eight.name: JUDGED}
    Console(file=out, width=100).print(table("aura-mini", [eight], [gain(eight.name)], judged, []))
    row = next(line for line in out.getvalue().splitlines() if line.startswith(eight.name))
    assert "97.75" not in row and "1.23" in row


def test_levers_are_told_apart_by_name_and_each_switch_is_one_of_them() -> None:
    every = levers()
    assert len({one.name for one in every}) == len(every)
    assert {one.asked["switch"] for one in every if "switch" in one.asked} == set(Switch)
    assert {one.asked["speed"] for one in every if one.group is Group.SPEEDS} == set(Speed)
    assert all(one.for_quality["name"] == one.name for one in every)


def test_a_caption_lever_changes_its_own_setting_alone() -> None:
    base = EngineSettings(device=Device.CPU)
    plain = CaptionLever(name="nothing").settings(base)
    assert (plain.dtype, plain.caption.engine, plain.caption.speed) == (
        Dtype.FLOAT32,
        CaptionEngine.EAGER,
        CaptionSpeed.EXACT,
    )
    in_eight = CaptionLever(name="x", variant=OPENVINO_INT8).settings(base)
    assert (in_eight.caption.engine, in_eight.caption.speed) == (CaptionEngine.OPENVINO, CaptionSpeed.BALANCED)


def test_a_lever_is_drawn_in_a_process_of_its_own_and_says_what_ran() -> None:
    settings = SwitchedSettings(model=EMBEDDED, prompt="a small blue star", steps=6, switch=Switch.GUIDANCE_INTERVAL)
    with EngineProcess(children.switched_pictures(settings), environment=ENVIRONMENT) as engine:
        answer = engine.ask("picture")
    assert answer.seconds > 0
    assert (answer.facts["variant"], answer.facts["levers"]) == (EAGER, ["guidance left out in 4 of 6 evaluations"])


def test_what_cannot_be_drawn_says_why() -> None:
    settings = SwitchedSettings(model=EMBEDDED, prompt="a small blue star", engine="cuda-graphs")
    with pytest.raises(EngineFailed, match="cuda-graphs takes a CUDA GPU"):
        EngineProcess(children.switched_pictures(settings), environment=ENVIRONMENT)
