"""Weights that stay in their files: what of them is in this process, and that nothing else is drawn."""

from __future__ import annotations

import mmap
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPTextModel

from aura_daemon.config.engine import Attention, CaptionSettings, Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Devices, Placement, find_devices
from aura_daemon.engines.placement.mapped_weights import (
    CHECKER,
    READER,
    VISITOR_BYTES,
    left_in_files,
    mapped_formats,
    stored_bytes,
    visitors,
    visits,
)
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.loading import load_parts
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
from aura_daemon.ladder.attempts import Start
from aura_daemon.ladder.rungs import Rung
from aura_daemon.mini import CAPTIONER, GENERATOR
from tests.support.deadline import DEADLINE_S
from tests.support.listening import Listener
from tests.support.running import KeepingSession, run_alone
from tests.support.tiny_models import write_generator
from tests.unit.engines.stable_diffusion.test_pipelines import (
    CIRCLE,
    drawing,
    encoded,
    left_half,
    made,
    picture_of,
    pixels,
)

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="what is mapped stands in /proc"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

LOW = (Rung.CPU_HALF_WEIGHTS, Rung.CPU_MAPPED_WEIGHTS)
FEW = GenerateRequest(prompt=CIRCLE, seed=3, steps=3, guidance_scale=4.0)


def session(folder: Path | str, dtype: Dtype = Dtype.FLOAT32) -> Session:
    generate, caption = GenerateSettings(model=str(folder)), CaptionSettings(model=str(CAPTIONER))
    return Session(EngineSettings(device=Device.CPU, dtype=dtype, generate=generate, caption=caption))


def draw(on: Session, rung: Rung, request: GenerateRequest = FEW, **files: Any) -> Any:
    outcome = run_alone(on, request, files.get("image"), "", Listener(), mask=files.get("mask"), start=Start(rung=rung))
    assert made(outcome).rung is rung
    return pixels(picture_of(outcome))


def files_of(folder: Path | str) -> ModelFiles:
    found = find_model(GenerateSettings(model=str(folder)), STABLE_DIFFUSION, half=False, reporter=Listener())
    assert isinstance(found, ModelFiles), found
    return found


def placed(rung: Rung) -> Placement:
    devices = find_devices(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32))
    assert isinstance(devices, Devices)
    return devices.on(rung)


def test_files_are_used_as_they_are_but_where_half_of_their_bytes_is_wanted(generator_folder: Path) -> None:
    wide, narrow = files_of(generator_folder), files_of(GENERATOR)
    assert (stored_bytes(wide), stored_bytes(narrow)) == (4, 2)
    assert mapped_formats(wide) == dict.fromkeys(("unet", "vae", "text_encoder"), torch.float32)
    for rung, is_left in ((Rung.CPU, False), (Rung.CPU_HALF_WEIGHTS, False), (Rung.CPU_MAPPED_WEIGHTS, True)):
        assert (left_in_files(wide, placed(rung).measures.storage) is not None) is is_left
    assert left_in_files(narrow, placed(Rung.CPU_HALF_WEIGHTS).measures.storage) is not None


def test_files_that_cannot_be_mapped_are_read(generator_folder: Path) -> None:
    files = files_of(generator_folder)
    pickled = replace(files, weights=replace(files.weights, pickled=True))
    single = replace(files, checkpoint=generator_folder / "model.safetensors")
    for one in (pickled, single):
        assert stored_bytes(one) == 0
        assert left_in_files(one, placed(Rung.CPU_MAPPED_WEIGHTS).measures.storage) is None


@pytest.mark.parametrize("rung", LOW, ids=str)
def test_layers_that_were_widened_lie_in_their_files_again(rung: Rung) -> None:
    settings = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=GenerateSettings(model=str(GENERATOR)))
    on = KeepingSession(settings)
    draw(on, rung)
    (generator,) = on.loaded
    pipe = generator.parts.pipe
    ranges = mapped_ranges(GENERATOR)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        layers = [one for one in part.modules() if isinstance(one, (torch.nn.Linear, torch.nn.Conv2d))]
        lying = [any(first <= one.weight.data_ptr() < last for first, last in ranges) for one in layers]
        assert lying.count(True) > 0.9 * len(layers)
        assert {one.weight.dtype for one, is_there in zip(layers, lying, strict=True) if is_there} == {torch.float16}


def mapped_ranges(folder: Path) -> list[tuple[int, int]]:
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(folder) in line]
    return [tuple(int(end, 16) for end in line.split()[0].split("-")) for line in lines]  # type: ignore[misc]


@pytest.mark.parametrize("rung", LOW, ids=str)
def test_what_is_left_in_files_is_computed_with_as_exactly_as_what_is_held(rung: Rung) -> None:
    on = session(GENERATOR)
    difference = abs(draw(on, rung) - draw(on, Rung.CPU_SPLIT_GUIDANCE))
    assert difference.max() <= 1  # sums in another order


def test_full_files_are_narrowed_on_one_rung_and_exact_on_the_next(generator_folder: Path) -> None:
    on = session(generator_folder)
    exact = draw(on, Rung.CPU_SPLIT_GUIDANCE)
    assert 0 < abs(draw(on, Rung.CPU_HALF_WEIGHTS) - exact).mean() < 3
    assert abs(draw(on, Rung.CPU_MAPPED_WEIGHTS) - exact).max() <= 1


def test_a_folder_that_has_files_in_half_precision_alone_is_drawn_from(tmp_path: Path) -> None:
    folder = write_generator(tmp_path / "half", variant="fp16")
    assert draw(session(folder), Rung.CPU).shape == (64, 64, 3)


@pytest.mark.parametrize("rung", [Rung.CPU, *LOW], ids=str)
def test_in_bfloat16_pictures_go_in_and_out_of_a_vae_that_is_wider(rung: Rung) -> None:
    image, mask = encoded(drawing("blue")), encoded(left_half().convert("RGB"))
    request = replace(FEW, image="a.png", mask="m.png", strength=0.8)
    wide, narrow = (
        draw(session(GENERATOR, dtype), rung, request, image=image, mask=mask)
        for dtype in (Dtype.FLOAT32, Dtype.BFLOAT16)
    )
    assert abs(wide - narrow).mean() < 6


@pytest.mark.parametrize("rung", LOW, ids=str)
def test_a_captioner_left_in_its_file_says_the_same(rung: Rung) -> None:
    on = session(GENERATOR)
    image = made(run_alone(on, replace(FEW, steps=12))).payloads[0].content
    assert describe(on, Rung.CPU, image) == describe(on, rung, image) == CIRCLE
    assert str(CAPTIONER) in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("rung", LOW, ids=str)
def test_a_captioner_of_full_files_says_the_same_in_half_of_their_bytes(captioner_folder: Path, rung: Rung) -> None:
    caption = CaptionSettings(model=str(captioner_folder))
    on = Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=caption))
    image = encoded(drawing("red"))
    assert describe(on, rung, image) == describe(on, Rung.CPU, image)


def describe(on: Session, rung: Rung, image: bytes) -> str:
    return made(run_alone(on, CaptionRequest(), image, "a.png", Listener(), start=Start(rung=rung))).text


def test_pages_of_files_are_no_need_and_what_comes_and_goes_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(192 << 20))
    peak = PeakMemory(placed(Rung.CPU_MAPPED_WEIGHTS))
    before = peak.highest_bytes()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[place] for place in range(0, len(mapped), mmap.PAGESIZE)) == 0
        assert peak.highest_bytes() < before + (64 << 20)
    with peak.watched():
        filled = torch.ones(96 << 20, dtype=torch.uint8)
        until = time.monotonic() + DEADLINE_S
        while peak.highest_bytes() < before + (64 << 20) and time.monotonic() < until:
            time.sleep(0.01)
        del filled
    assert peak.highest_bytes() > before + (64 << 20)


@pytest.mark.parametrize(
    ("part", "dtype", "rung", "stays"),
    [
        (CHECKER, Dtype.BFLOAT16, Rung.CPU, True),
        (CHECKER, Dtype.FLOAT32, Rung.CPU_HALF_WEIGHTS, True),
        (READER, Dtype.BFLOAT16, Rung.CPU, False),
        (READER, Dtype.FLOAT32, Rung.CPU, True),
        (READER, Dtype.FLOAT32, Rung.CPU_HALF_WEIGHTS, False),
    ],
)
def test_what_computes_for_a_moment_stays_in_its_file_where_that_saves_much(
    part: str, dtype: Dtype, rung: Rung, stays: bool
) -> None:
    placement = replace(placed(rung), dtype=dtype)
    assert visits(part, VISITOR_BYTES, placement) is stays
    assert not visits(part, VISITOR_BYTES - 1, placement)
    assert not visits(part, VISITOR_BYTES, replace(placement, device="cuda:0"))


@torch.no_grad()
def test_parts_that_visit_compute_the_same_and_leave_no_page_in_memory(tmp_path: Path) -> None:
    folder = write_generator(tmp_path / "model", safety_checker=True)
    whole = enlarge(folder)
    files, placement = files_of(folder), placed(Rung.CPU)
    visiting = visitors(files, placement)
    assert visiting == {part: folder / part / "model.safetensors" for part in (CHECKER, READER)}
    assert visitors(files, placement, with_checker=False).keys() == {READER}
    assert visitors(replace(files, weights=replace(files.weights, pickled=True)), placement) == {}

    parts = load_parts(files, placement, Attention.SDPA, with_checker=True)
    checker = parts.checker
    assert checker is not None
    random, words = torch.Generator().manual_seed(0), torch.arange(77)[None]
    seen = {"clip_input": torch.randn(1, 3, 32, 32, generator=random), "images": torch.zeros(1, 1, 1, 3)}
    with parts.text_encoder.onloaded():
        assert torch.equal(parts.text_encoder.module(words)[0], whole[READER](words)[0])
    with checker.onloaded():
        assert torch.equal(
            checker.module.vision_model(seen["clip_input"])[1], whole[CHECKER].vision_model(seen["clip_input"])[1]
        )
    assert {part: resident_kb(file) for part, file in visiting.items()} == {CHECKER: 0, READER: 0}


def enlarge(folder: Path) -> dict[str, Any]:
    """Gives a tiny model a text encoder and a safety checker that are large enough to visit; both in float32."""
    torch.manual_seed(1)
    whole: dict[str, Any] = {}
    for part, kind in ((READER, CLIPTextModel), (CHECKER, StableDiffusionSafetyChecker)):
        config = kind.config_class.from_pretrained(folder / part)
        inner = config.vision_config if part == CHECKER else config
        inner.intermediate_size = VISITOR_BYTES // (4 * 2 * inner.hidden_size) + 1
        made = kind(config).half().eval()  # as files are published
        made.save_pretrained(folder / part)
        whole[part] = made.float()
    return whole


def resident_kb(file: Path) -> int:
    """How much of a mapped file is in this process."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    places = [number for number, line in enumerate(lines) if line.endswith(f" {file}")]
    assert places, file
    return sum(int(lines[place + 4].split()[1]) for place in places)
