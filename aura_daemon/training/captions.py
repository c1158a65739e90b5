"""What speed costs the captioner: `python -m aura_daemon.training.captions [--pictures N] [--seed N]`.

The daemon's own engine describes pictures in batches, in float32 and in bfloat16, looking at them by PyTorch, by
OpenVINO and by OpenVINO in 8 bits: clean drawings, and as many that aura-mini draws, a third of them of combinations
that training has never seen. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from PIL import Image

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings
from aura_daemon.config.workers.services import ConvertedPart
from aura_daemon.engines.captioning.blip import Captioner, PreparedPicture
from aura_daemon.engines.captioning.blip_pictures.converted_blip import ConvertedCaptioner
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.openvino.captioners import conversion
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Devices, Placement, find_devices
from aura_daemon.engines.reporter import KeptOutcomes
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import EAGER, OPENVINO, OPENVINO_INT8
from aura_daemon.mini.drawing import render
from aura_daemon.mini.grammar import Sentence, parse
from aura_daemon.training.evaluate import prompted
from aura_daemon.training.models import as_pictures, draw

TOGETHER: Final = 8  # as the daemon does
WAYS: Final = (
    (EAGER, Dtype.FLOAT32),
    (EAGER, Dtype.BFLOAT16),
    (OPENVINO, Dtype.FLOAT32),
    (OPENVINO, Dtype.BFLOAT16),
    (OPENVINO_INT8, Dtype.FLOAT32),
    (OPENVINO_INT8, Dtype.BFLOAT16),
)
HEADS: Final = (
    "pictures",
    "looked at by",
    "format",
    "count",
    "the caption of float32",
    "every word",
    "shape, colour and background",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=400, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="drawings alone: a JSON object a line")
    options = parser.parse_args()
    quiet_libraries()
    meant = prompted(options.pictures, random.Random(options.seed))
    drawings = as_pictures(render(meant, torch.Generator().manual_seed(options.seed)))
    if options.json:
        told_as_json(drawings, meant)
        return
    drawn = draw([str(sentence) for sentence in meant], range(len(meant)))
    print(f"| {' | '.join(HEADS)} | s of CPU a caption |\n|---|---|---|---:|---:|---:|---:|---:|")
    for kind, pictures in (("drawings", drawings), ("by aura-mini", drawn)):
        reference: list[str] = []
        for variant, dtype in WAYS:
            with TemporaryDirectory() as folder:
                said, seconds = described(pictures, variant, dtype, Path(folder))
            reference = reference or said
            print(
                f"| {kind} | {variant} | {dtype} | {' | '.join(judged(said, reference, meant))} | {seconds:.4f} |",
                flush=True,
            )


def told_as_json(pictures: Sequence[Image.Image], meant: Sequence[Sentence]) -> None:
    """For each way the captions as the reference has them, and those with shape, colour and background right."""
    reference: list[str] = []
    for variant, dtype in WAYS:
        with TemporaryDirectory() as folder:
            said, _ = described(pictures, variant, dtype, Path(folder))
        reference = reference or said
        count, alike, _, right = judged(said, reference, meant)
        told = {"variant": variant, "dtype": dtype, "alike": int(alike) / int(count), "right": float(right[:-1]) / 100}
        print(json.dumps(told), flush=True)


def described(pictures: Sequence[Image.Image], variant: str, dtype: Dtype, folder: Path) -> tuple[list[str], float]:
    """The captions, and the CPU seconds of one; `folder`: empty, for what is converted."""
    settings = EngineSettings(device=Device.CPU, dtype=dtype)
    devices = find_devices(settings)
    files = find_model(settings.caption, CAPTIONS, False, KeptOutcomes())
    assert isinstance(devices, Devices)
    assert isinstance(files, ModelFiles)
    placement = replace(devices.cpu, variant=variant)
    captioner = loaded(files, placement, folder)
    peak, request = PeakMemory(placement), CaptionRequest()
    captioner.describe([_prepared(captioner, pictures[0])], [request], peak)
    began_s, said = time.process_time(), list[str]()
    for first in range(0, len(pictures), TOGETHER):
        batch = pictures[first : first + TOGETHER]
        prepared = [_prepared(captioner, picture) for picture in batch]
        said += [made.text for made in captioner.describe(prepared, [request] * len(batch), peak)]
    return said, (time.process_time() - began_s) / len(pictures)


def loaded(files: ModelFiles, placement: Placement, folder: Path) -> Captioner:
    """A captioner that looks as its placement says, whatever were faster."""
    if placement.variant == EAGER:
        return Captioner(files, placement, CaptionSettings())
    conversion.convert(files, folder)
    graph = folder / ConvertedPart.LOOKING.graph
    if placement.variant == OPENVINO_INT8:
        (narrow := folder / OPENVINO_INT8).mkdir()
        conversion.quantize(graph, narrow)
        graph = narrow / graph.name
    return ConvertedCaptioner(files, placement, CaptionSettings(), graph)


def _prepared(captioner: Captioner, picture: Image.Image) -> PreparedPicture:
    return captioner.prepare(ReadPicture(image=picture.convert("RGB")), with_thumbnail=False)


def judged(said: Sequence[str], reference: Sequence[str], meant: Sequence[Sentence]) -> tuple[str, ...]:
    """How many; how many as the reference has them, and shares that are right."""
    count, read = len(said), [parse(caption) for caption in said]
    alike = sum(one == other for one, other in zip(said, reference, strict=True))
    exact = sum(caption == str(sentence) for caption, sentence in zip(said, meant, strict=True))
    right = sum(
        one is not None and one.combination == sentence.combination for one, sentence in zip(read, meant, strict=True)
    )
    return str(count), str(alike), f"{exact / count:.2%}", f"{right / count:.2%}"


if __name__ == "__main__":
    main()
