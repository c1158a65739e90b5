"""Every rung draws what the others draw. The GPU's rungs run on the CPU here: what they do to weights is the same."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy
import pytest
import torch

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.placement.device_memory import FreeMemory
from aura_daemon.engines.placement.devices import Devices, Placement, find_devices
from aura_daemon.engines.placement.offload import OffloadedModule
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.module_wrappers import OffloadProxy, SplitGuidanceUNet
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Hires, JobKind, Lora
from aura_daemon.jobs.results import CANCELLED, Failure, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import Start
from aura_daemon.ladder.rungs import RUNGS, Backend, Rung, Storage, ladder
from aura_daemon.mini import GENERATOR
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.unit.engines.stable_diffusion.loras.test_lora import STARS
from tests.unit.engines.stable_diffusion.test_pipelines import (
    CIRCLE,
    drawing,
    encoded,
    left_half,
    made,
    picture_of,
    pixels,
)

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

GPU = ladder(Backend.CUDA, JobKind.GENERATE)
REQUEST = GenerateRequest(prompt=CIRCLE, seed=3, steps=12, guidance_scale=4.0)
FEW = replace(REQUEST, steps=3)
"""Enough where only pixels count."""


class Memory:
    """Answers how much memory is free: plenty, until a test says otherwise."""

    def __init__(self) -> None:
        self.device_bytes = 1 << 40

    def free(self, devices: Devices) -> FreeMemory:
        return FreeMemory(device_bytes=self.device_bytes, host_bytes=1 << 40)


@pytest.fixture
def memory() -> Memory:
    return Memory()


def session_on(memory: Memory, loras: str | None = None) -> Session:
    """One whose GPU is the CPU."""
    generate = GenerateSettings(model=str(GENERATOR), loras=loras)
    settings = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=generate)
    found = find_devices(settings)
    assert isinstance(found, Devices)
    devices = Devices(backend=Backend.CUDA, accelerator=replace(found.cpu, rung=Rung.RESIDENT), cpu=found.cpu)
    return Session(settings, devices=devices, free=memory.free)


@pytest.fixture
def session(memory: Memory) -> Session:
    """A fresh one."""
    return session_on(memory)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """One for many tests, with all the room there is: whatever stood there before, the pixels are the same."""
    folder = tmp_path_factory.mktemp("loras")
    shutil.copy(STARS, folder / "stars.safetensors")
    return session_on(Memory(), loras=str(folder))


def draw(session: Session, rung: Rung, request: GenerateRequest = REQUEST, **files: Any) -> Any:
    outcome = made(
        run_alone(session, request, files.get("image"), "", Listener(), mask=files.get("mask"), start=Start(rung=rung))
    )
    assert outcome.rung == rung
    return pixels(picture_of(outcome))


def caption(session: Session, rung: Rung, request: GenerateRequest = REQUEST) -> str:
    outcome = run_alone(session, request, None, "", Listener(), start=Start(rung=rung))
    return made(run_alone(session, CaptionRequest(), made(outcome).payloads[0].content, "", Listener())).text


@pytest.mark.parametrize("rung", GPU, ids=str)
def test_a_picture_of_every_rung_is_what_was_asked_for_and_repeats(used: Session, rung: Rung) -> None:
    assert caption(used, rung) == CIRCLE
    once = draw(used, rung, FEW)
    exact = RUNGS[rung].storage is Storage.NATIVE
    difference = abs(once.astype(int) - draw(used, Rung.RESIDENT, FEW).astype(int))
    assert difference.mean() < (2 if exact else 12)
    assert (draw(used, rung, FEW) == once).all()  # whatever stood there before


def test_rungs_that_compute_alike_draw_the_same_pixels(used: Session) -> None:
    split = draw(used, Rung.SPLIT_GUIDANCE, FEW)
    assert (draw(used, Rung.GROUP_OFFLOAD, FEW) == split).all()
    assert (draw(used, Rung.SEQUENTIAL_OFFLOAD, FEW) == split).all()
    assert (draw(used, Rung.CPU_SPLIT_GUIDANCE, FEW) == split).all()
    assert (draw(used, Rung.MODEL_OFFLOAD, FEW) == draw(used, Rung.FP8_STORAGE, FEW)).all()


@pytest.mark.parametrize(
    "rung",
    [
        Rung.FP8_STORAGE,
        Rung.MODEL_OFFLOAD,
        Rung.GROUP_OFFLOAD,
        Rung.SEQUENTIAL_OFFLOAD,
        Rung.CPU_MAPPED_WEIGHTS,
    ],
    ids=str,
)
def test_what_starts_from_a_picture_runs_on_every_rung(used: Session, rung: Rung) -> None:
    image, mask = encoded(drawing("blue")), encoded(left_half().convert("RGB"))
    request = replace(FEW, image="a.png", strength=0.8)
    assert draw(used, rung, request, image=image).shape == (64, 64, 3)
    within = draw(used, rung, replace(request, mask="m.png"), image=image, mask=mask)
    assert (within[:, 32:] == numpy.asarray(drawing("blue"))[:, 32:]).all()
    twice = draw(used, rung, replace(FEW, hires=Hires(scale=1.5, strength=0.5)))
    assert twice.shape == (96, 96, 3)


def test_texts_in_turn_and_joined_texts_are_drawn_alike_on_every_rung(used: Session) -> None:
    request = replace(FEW, prompt="a large [red|blue] circle on a white background AND a blue star:0.5")
    drawn = {rung: draw(used, rung, request) for rung in (*GPU, Rung.CPU_SPLIT_GUIDANCE, Rung.CPU_MAPPED_WEIGHTS)}
    split = drawn[Rung.SPLIT_GUIDANCE]
    for rung in (Rung.GROUP_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD, Rung.CPU_SPLIT_GUIDANCE):
        assert (drawn[rung] == split).all()
    assert (drawn[Rung.MODEL_OFFLOAD] == drawn[Rung.FP8_STORAGE]).all()
    for rung, picture in drawn.items():
        exact = RUNGS[rung].storage is Storage.NATIVE
        assert abs(picture - drawn[Rung.RESIDENT]).mean() < (2 if exact else 12)
    for less in ("a large [red|blue] circle on a white background", f"{CIRCLE} AND a blue star:0.5"):
        assert (split != draw(used, Rung.SPLIT_GUIDANCE, replace(FEW, prompt=less))).any()


@pytest.mark.parametrize("rung", [*GPU[3:7], Rung.CPU_HALF_WEIGHTS, Rung.CPU_MAPPED_WEIGHTS], ids=str)
def test_loras_come_and_go_on_every_rung(used: Session, rung: Rung) -> None:
    plain = draw(used, rung, FEW)
    request = replace(REQUEST, seed=1, loras=(Lora(name="stars"),))
    assert caption(used, rung, request) == CIRCLE.replace("circle", "star")
    assert (draw(used, rung, FEW) == plain).all()


def test_steps_that_tell_of_themselves_show_previews_on_every_rung(used: Session) -> None:
    for rung in (Rung.TILED_DECODE, Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD):
        listener = Listener()
        run_alone(used, replace(FEW, preview=1), None, "", listener, start=Start(rung=rung))
        assert len(listener.previews) == 2
        assert listener.steps[-1] == (3, 3)


def test_tiles_make_one_picture(used: Session) -> None:
    request = replace(REQUEST, width=512, height=320, steps=2)
    whole = draw(used, Rung.RESIDENT, request).astype(int)
    tiled = draw(used, Rung.TILED_DECODE, request).astype(int)
    assert numpy.corrcoef(whole.ravel(), tiled.ravel())[0, 1] > 0.9  # a decoder this small sees colours by the tile
    seams = abs(numpy.diff(tiled, axis=1)).mean(axis=(0, 2))  # no column where two tiles meet stands out
    assert seams.max() < 4 * abs(numpy.diff(whole, axis=1)).mean(axis=(0, 2)).max()


# -- batches ---------------------------------------------------------------------------------------------------------


PROMPTS = (CIRCLE, "a small blue star on a yellow background", "a large green ring on a black background")


def tasks_of(*prompts: str, steps: int = 3) -> list[Task]:
    return [
        Task(job_id=str(number), request=replace(REQUEST, prompt=prompt, seed=number, steps=steps))
        for number, prompt in enumerate(prompts)
    ]


def outcomes_of(listener: Listener, tasks: Sequence[Task]) -> list[Outcome]:
    return [listener.results[task.job_id].outcome for task in tasks]


def test_pictures_drawn_together_are_those_drawn_alone(session: Session) -> None:
    tasks, listener = tasks_of(*PROMPTS, steps=12), Listener()
    session.run(tasks, listener)
    assert [count for count, _ in listener.placed_together] == [3]
    for task in tasks:
        result = listener.results[task.job_id]
        outcome = made(result.outcome)
        assert outcome.batch_size == 3
        assert result.step_s > 0
        assert outcome.timing.denoised_s > 0 < outcome.timing.decoded_s
        assert isinstance(task.request, GenerateRequest)
        alone = picture_of(run_alone(session, task.request))
        assert abs(pixels(picture_of(outcome)).astype(int) - pixels(alone).astype(int)).max() <= 4
        assert made(run_alone(session, CaptionRequest(), outcome.payloads[0].content)).text == task.request.prompt


def test_one_that_cannot_be_drawn_does_not_fail_its_neighbours(session: Session) -> None:
    tasks, listener = tasks_of(*PROMPTS), Listener()
    tasks[1] = replace(tasks[1], request=replace(tasks[1].request, image="a.png"), image=b"no picture")  # type: ignore[type-var]
    session.run(tasks, listener)
    kinds = [type(outcome).__name__ for outcome in outcomes_of(listener, tasks)]
    assert kinds == ["Produced", "Failure", "Produced"]


def test_long_prompts_and_short_ones_go_in_groups_of_their_own(session: Session) -> None:
    tasks, listener = tasks_of(PROMPTS[0], f"{PROMPTS[1]} BREAK {PROMPTS[1]}", PROMPTS[2]), Listener()
    session.run(tasks, listener)
    assert [made(outcome).batch_size for outcome in outcomes_of(listener, tasks)] == [2, 1, 2]


def test_a_cancelled_one_is_not_decoded_and_the_others_go_on(session: Session) -> None:
    tasks, listener = tasks_of(*PROMPTS), Listener()
    listener.cancelled_after["1"] = 2
    session.run(tasks, listener)
    outcomes = outcomes_of(listener, tasks)
    assert outcomes[1] == CANCELLED
    assert len(listener.steps_of["1"]) == 2
    assert made(outcomes[0]).batch_size == made(outcomes[2]).batch_size == 3


def test_when_all_are_cancelled_nothing_more_is_computed(session: Session) -> None:
    tasks, listener = tasks_of(*PROMPTS[:2]), Listener()
    listener.cancelled_after = dict.fromkeys(("0", "1"), 1)
    session.run(tasks, listener)
    assert outcomes_of(listener, tasks) == [CANCELLED, CANCELLED]
    made(run_alone(session, REQUEST))  # and the next one runs


def test_a_batch_for_which_there_is_no_room_is_halved_before_a_rung_is_left(session: Session, memory: Memory) -> None:
    tasks, listener = tasks_of(*PROMPTS, PROMPTS[0]), Listener()
    first = Listener()
    session.run(tasks[:2], first)
    memory.device_bytes = first.placed_together[0][1].expected_bytes  # enough for two
    session.run(tasks, listener)
    placed = [(count, tried.rung) for count, tried in listener.placed_together]
    assert placed == [(2, Rung.RESIDENT), (2, Rung.RESIDENT)]
    assert [made(outcome).batch_size for outcome in outcomes_of(listener, tasks)] == [2, 2, 2, 2]


def test_out_of_memory_is_the_last_word_on_those_that_ran_and_the_models_are_given_up(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(run_alone(session, REQUEST))
    message = "CUDA out of memory. Tried to allocate 1.50 GiB"

    def full(*arguments: Any, **named: Any) -> Any:
        raise torch.OutOfMemoryError(message)

    monkeypatch.setattr("diffusers.UNet2DConditionModel.forward", full)
    tasks, listener = tasks_of(*PROMPTS[:2]), Listener()
    session.run(tasks, listener)
    for result in listener.results.values():
        assert isinstance(result.outcome, Failure)
        assert "out of memory on rung resident: 1.50 GiB needed" in result.outcome.message
        assert result.tried is not None
        assert (result.tried.rung, result.tried.batch, result.tried.alone) == (Rung.RESIDENT, 2, True)
        assert result.tried.peak_bytes > 0
    assert len(listener.results) == len(tasks)
    assert session.models == ()


# -- parts that travel -----------------------------------------------------------------------------------------------


class Abroad(OffloadedModule):
    """A device whose memory is the host's: what is there is a copy, and so can be told from what is at home."""

    def _copied(self, data: torch.Tensor) -> torch.Tensor | None:
        return data.clone()


def where(part: torch.nn.Module) -> list[int]:
    return [tensor.data_ptr() for tensor in (*part.parameters(), *part.buffers())]


def test_a_parked_part_is_elsewhere_during_a_visit_and_the_very_same_after_it() -> None:
    part = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    before, home = {name: tensor.clone() for name, tensor in part.state_dict().items()}, where(part)
    offloaded = Abroad(part, "cpu")
    with offloaded.onloaded():
        away = where(part)
        with offloaded.onloaded():
            assert where(part) == away
        assert where(part) == away
        assert not set(away) & set(home)
    assert where(part) == home
    part.add_module("more", torch.nn.Linear(1, 1))  # as a LoRA is put on
    with offloaded.onloaded():
        part[0].weight.data.zero_()  # what is done to a copy is forgotten
    assert all((part.state_dict()[name] == tensor).all() for name, tensor in before.items())


def test_a_part_that_is_on_its_device_stays_where_it_is() -> None:
    part = torch.nn.Linear(2, 2)
    home = where(part)
    with OffloadedModule(part, "cpu").onloaded():
        assert where(part) == home


def test_a_visitor_comes_when_it_is_called_and_stays_until_it_is_sent_away() -> None:
    part = torch.nn.Linear(2, 2)
    home, proxy = where(part), OffloadProxy(part, Abroad(part, "cpu"))
    assert proxy.in_features == 2
    assert where(part) == home
    proxy(torch.zeros(1, 2))
    away = where(part)
    proxy(torch.zeros(1, 2))
    assert where(part) == away != home
    proxy.offload()
    proxy.offload()
    assert where(part) == home


def test_row_by_row_is_the_same_function() -> None:
    class Doubling:
        calls = 0

        def __call__(
            self, sample: torch.Tensor, timestep: int, *, encoder_hidden_states: torch.Tensor, return_dict: bool
        ) -> tuple[torch.Tensor]:
            self.calls += 1
            assert len(sample) == len(encoder_hidden_states) == 1
            return (sample * 2 + timestep + encoder_hidden_states.mean(),)

    unet = Doubling()
    sample, text = torch.rand(4, 4, 2, 2), torch.rand(4, 77, 3)
    (out,) = SplitGuidanceUNet(unet)(sample, 7, encoder_hidden_states=text, return_dict=False)
    assert torch.allclose(out, sample * 2 + 7 + text.mean(dim=(1, 2))[:, None, None, None])
    assert unet.calls == 4


def test_a_rung_of_a_gpu_that_is_not_there_is_a_bug() -> None:
    cpu = Placement(device="cpu", device_name="", dtype=Dtype.FLOAT32, rung=Rung.CPU)
    with pytest.raises(ValueError, match="takes a GPU"):
        Devices(backend=Backend.CPU, accelerator=None, cpu=cpu).on(Rung.RESIDENT)
