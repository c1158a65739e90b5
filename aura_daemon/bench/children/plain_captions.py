"""Plain transformers captioning pictures one by one, as its users write it: what our captions are a ratio to.

`bench.captions` starts it, `bench.children.served` says how it obeys. It first draws the pictures that both sides read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy
import torch
import transformers
from PIL import Image

from aura_daemon.bench.children.commands import PlainCaptionSettings
from aura_daemon.bench.children.plain import Silent
from aura_daemon.bench.children.served import serve
from aura_daemon.config.engine import ModelSettings
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.jobs.results import Failure

SHAPES_PX: Final = 24
"""Side of the coloured shapes of a picture, enlarged: they compress and decode about as photos do."""


class PlainCaptions:
    """A processor and a model in float32, called picture by picture."""

    def __init__(self, settings: PlainCaptionSettings) -> None:
        self._settings = settings
        self._pictures = [write_picture(settings, number) for number in range(settings.pictures)]
        files = _files_of(settings)
        read: dict[str, Any] = {"local_files_only": True}
        self._processor: Any = transformers.AutoProcessor.from_pretrained(str(files.folder), **read)
        self._model: Any = transformers.AutoModelForImageTextToText.from_pretrained(
            str(files.folder), dtype=torch.float32, use_safetensors=not files.weights.pickled, **read
        ).eval()
        self.facts = {
            "how": f"{type(self._processor).__name__}, {type(self._model).__name__}.generate, float32, one by one",
            "versions": {"transformers": transformers.__version__, "torch": torch.__version__},
        }

    @torch.inference_mode()
    def describe(self, count: int) -> dict[str, list[str]]:
        """So many pictures, the first one again after the last."""
        texts = []
        for number in range(count):
            image = Image.open(self._pictures[number % len(self._pictures)]).convert("RGB")
            inputs = self._processor(images=image, return_tensors="pt")
            tokens = self._model.generate(**inputs, max_new_tokens=self._settings.max_new_tokens, do_sample=False)
            texts.append(self._processor.decode(tokens[0], skip_special_tokens=True).strip())
        return {"texts": texts}


def write_picture(settings: PlainCaptionSettings, number: int) -> Path:
    """Shapes of random colours, as a JPEG of the size of a photo."""
    dice = numpy.random.default_rng(number)
    shapes = dice.integers(0, 255, (settings.height // SHAPES_PX, settings.width // SHAPES_PX, 3), dtype=numpy.uint8)
    image = Image.fromarray(shapes).resize((settings.width, settings.height), Image.Resampling.BICUBIC)
    file = Path(settings.folder) / f"{number}.jpg"
    image.save(file, "JPEG", quality=90)
    return file


def _files_of(settings: PlainCaptionSettings) -> ModelFiles:
    model = ModelSettings(model=settings.model, revision=settings.revision, allow_pickle=settings.allow_pickle)
    files = find_model(model, CAPTIONS, False, Silent())
    if isinstance(files, Failure):
        raise RuntimeError(files.message)
    return files


if __name__ == "__main__":
    quiet_libraries()
    serve(lambda: PlainCaptions(PlainCaptionSettings(**json.loads(sys.argv[1]))))
