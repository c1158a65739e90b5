"""What captions and comparisons take of memory: as predicted, with beams, candidates and texts."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from PIL import Image
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
    BlipImageProcessorPil,
    BlipProcessor,
)

from aura_daemon.bench.children.random_models import bert_tokenizer
from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings
from aura_daemon.engines.captioning.blip import Captioner
from aura_daemon.engines.captioning.blip_itm import BlipMatcher
from aura_daemon.engines.captioning.model_format import CAPTIONS, MATCHES
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Devices, find_devices
from aura_daemon.engines.placement.footprints import captioner_footprint
from aura_daemon.jobs.requests import CaptionRequest, CaptionSampling, MatchRequest
from aura_daemon.ladder.prediction import SPARE_BYTES, Extent, predicted_bytes
from aura_daemon.ladder.rungs import Rung
from aura_daemon.system.processes import process_memory
from tests.support.listening import Listener
from tests.support.programs import ROOT


def write_model_of_many_patches(folder: Path, kind: Any = BlipForConditionalGeneration) -> Path:
    """It looks at as many patches as BLIP base, with fewer weights."""
    tokenizer = bert_tokenizer(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "intermediate_size": 256, "num_attention_heads": 8}
    text = {
        **sizes,
        "encoder_hidden_size": 256,
        "num_hidden_layers": 16,
        "bos_token_id": tokenizer.convert_tokens_to_ids("[DEC]"),
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "is_decoder": True,
        "vocab_size": 2000,
    }
    vision = {**sizes, "image_size": 384, "patch_size": 16, "num_hidden_layers": 1}
    kind(BlipConfig(vision_config=vision, text_config=text)).save_pretrained(folder)
    BlipProcessor(BlipImageProcessorPil(size={"height": 384, "width": 384}), tokenizer).save_pretrained(folder)
    return folder


def test_the_memory_of_captions_is_predicted_with_beams_and_candidates(tmp_path: Path) -> None:
    if not process_memory.reset_peak():
        pytest.skip("this system does not count the highest memory")
    configured = CaptionSettings(model=str(write_model_of_many_patches(tmp_path / "patches")))
    devices = find_devices(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32))
    files = find_model(configured, CAPTIONS, half=False, reporter=Listener())
    assert isinstance(devices, Devices)
    assert isinstance(files, ModelFiles)
    placement = devices.on(Rung.CPU)
    captioner = Captioner(files, placement, configured)
    picture = captioner.prepare(ReadPicture(image=Image.new("RGB", (40, 30), "red")), with_thumbnail=False)
    footprint = captioner_footprint(files, placement)

    def taken(count: int, request: CaptionRequest) -> int:
        gc.collect()
        process_memory.trim()
        peak = PeakMemory(placement)
        before = psutil.Process().memory_info().rss
        captioner.describe([picture] * count, [request] * count, peak)
        return peak.highest_bytes() - before

    def predicted(count: int, rows: int) -> int:
        extent = Extent(width=rows if rows > 1 else 0, height=0, batch=count, guided=False)
        return predicted_bytes(footprint, Rung.CPU, extent) - footprint.weight_bytes + SPARE_BYTES

    one = CaptionRequest(max_new_tokens=4)
    taken(1, one)  # whatever is loaded on first use
    for count, rows, request in (
        (8, 1, one),
        (2, 8, CaptionRequest(max_new_tokens=4, beams=8)),
        (4, 4, CaptionRequest(max_new_tokens=4, candidates=4, sampling=CaptionSampling(seed=1))),
    ):
        measured, foreseen = taken(count, request), predicted(count, rows)
        assert 0.5 * foreseen < measured < foreseen, (count, rows, measured, foreseen)


def test_the_memory_of_comparisons_is_predicted_with_their_texts(tmp_path: Path) -> None:
    """In a process of its own: what earlier tests have left to the allocator counted for up to a tenth."""
    if not process_memory.reset_peak():
        pytest.skip("this system does not count the highest memory")
    code = f"from {__name__} import compared; from pathlib import Path; print(compared(Path({str(tmp_path)!r})))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    for count, texts, measured, foreseen in ast.literal_eval(ran.stdout):
        assert 0.3 * foreseen < measured < foreseen, (count, texts, measured, foreseen)


def compared(root: Path) -> list[tuple[int, int, int, int]]:
    """Pictures, texts of each, the bytes that comparing them takes, and those that are predicted."""
    folder = write_model_of_many_patches(root / "patches", BlipForImageTextRetrieval)
    configured = CaptionSettings(matching_model=str(folder))
    devices = find_devices(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32))
    assert configured.matching is not None
    files = find_model(configured.matching, MATCHES, half=False, reporter=Listener())
    assert isinstance(devices, Devices)
    assert isinstance(files, ModelFiles)
    placement = devices.on(Rung.CPU)
    matcher = BlipMatcher(files, placement, configured)
    picture = matcher.prepare(ReadPicture(image=Image.new("RGB", (40, 30), "red")), with_thumbnail=False)
    footprint = captioner_footprint(files, placement, reads=True)

    def taken(count: int, texts: int) -> int:
        gc.collect()
        process_memory.trim()
        peak = PeakMemory(placement)
        before = psutil.Process().memory_info().rss
        matcher.describe([picture] * count, [MatchRequest(texts=("a red circle on a table",) * texts)] * count, peak)
        return peak.highest_bytes() - before

    def foreseen(count: int, texts: int) -> int:
        extent = Extent(width=texts if texts > 1 else 0, height=0, batch=count, guided=False)
        return predicted_bytes(footprint, Rung.CPU, extent) - footprint.weight_bytes + SPARE_BYTES

    taken(1, 1)  # whatever is loaded on first use
    return [(count, texts, taken(count, texts), foreseen(count, texts)) for count, texts in ((8, 1), (2, 10), (1, 40))]
