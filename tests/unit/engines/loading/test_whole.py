"""A model whose files lack tensors is refused: no library fills them with numbers of its own, and nothing is run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings, GenerateSettings, Safety
from aura_daemon.engines.failures import UnfitModel
from aura_daemon.engines.loading.whole import load_whole
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from tests.support.running import run_alone
from tests.support.single_file import write_single_file
from tests.support.tiny_models import (
    write_answerer,
    write_captioner,
    write_florence2,
    write_generator,
    write_git,
    write_matcher,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
TEXTS = "text_encoder/model.safetensors"
CHECKER = "safety_checker/model.safetensors"

WRITTEN: dict[str, tuple[Callable[[Path], Path], Any]] = {
    "captioner": (write_captioner, transformers.BlipForConditionalGeneration),
    "answers": (write_answerer, transformers.BlipForQuestionAnswering),
    "matches": (write_matcher, transformers.BlipForImageTextRetrieval),
    "git": (write_git, transformers.GitForCausalLM),
    "florence-2": (write_florence2, transformers.Florence2ForConditionalGeneration),
}


def without(file: Path, count: int = 1) -> list[str]:
    """Leaves the last tensors out of a file, by name; which."""
    tensors = load_file(file)
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    left_out = sorted(tensors)[-count:]
    save_file({name: tensor for name, tensor in tensors.items() if name not in left_out}, file, metadata)
    return left_out


def draw(model: Path, **keys: Any) -> Outcome:
    settings = GenerateSettings(model=str(model), **keys)
    session = Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=settings))
    return run_alone(session, GenerateRequest(prompt="a red circle", seed=7, steps=1))


def refused(outcome: Outcome) -> str:
    assert isinstance(outcome, Failure), outcome
    assert outcome.kind is FailureKind.MODEL_UNAVAILABLE
    assert outcome.mend.startswith("fetch the model anew")
    return outcome.message


@pytest.mark.parametrize("name", WRITTEN)
def test_a_model_of_transformers_is_loaded_whole_or_not_at_all(name: str, tmp_path: Path) -> None:
    write, kind = WRITTEN[name]
    folder = write(tmp_path / "model")
    load_whole(kind, folder, model="mine")  # what is tied to another tensor, or computed, is not in the file
    without(folder / "model.safetensors", 3)
    with pytest.raises(UnfitModel, match=r"^model mine: its files lack \d tensors? that it has, the first: [a-z_.]+"):
        load_whole(kind, folder, model="mine")


def test_a_captioner_that_lacks_tensors_describes_nothing(
    captioner_folder: Path, tmp_path: Path, png_of_noise: bytes
) -> None:
    folder = Path(shutil.copytree(captioner_folder, tmp_path / "model"))
    (left_out,) = without(folder / "model.safetensors")
    settings = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=CaptionSettings(model=str(folder)))
    message = refused(run_alone(Session(settings), CaptionRequest(), png_of_noise))
    assert message == f"model {folder}: its files lack 1 tensor that it has, the first: {left_out}"


@pytest.mark.parametrize("file", [UNET, VAE, TEXTS])
def test_a_generator_that_lacks_tensors_draws_nothing(generator_folder: Path, tmp_path: Path, file: str) -> None:
    folder = Path(shutil.copytree(generator_folder, tmp_path / "model"))
    without(folder / file, 2)
    part = Path(file).parent.name
    assert f"its files lack 2 tensors that its {part} has, the first: " in refused(draw(folder))


def test_a_safety_checker_that_lacks_tensors_checks_nothing(tmp_path: Path) -> None:
    folder = write_generator(tmp_path / "model", safety_checker=True, variant="fp16")
    assert isinstance(draw(folder, safety=Safety.BLOCK), Produced)
    without(folder / "safety_checker/model.fp16.safetensors")
    assert "that its safety_checker has" in refused(draw(folder, safety=Safety.BLOCK))
    assert isinstance(draw(folder, safety=Safety.OFF), Produced)


@pytest.mark.parametrize("part", ["model.diffusion_model.out", "first_stage_model.decoder", "cond_stage_model"])
def test_a_single_file_that_lacks_tensors_draws_nothing(generator_folder: Path, tmp_path: Path, part: str) -> None:
    file = write_single_file(generator_folder, tmp_path / "model.safetensors")
    shutil.copytree(generator_folder, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    tensors = load_file(file)
    left_out = max(name for name in tensors if name.startswith(part))
    save_file({name: tensor for name, tensor in tensors.items() if name != left_out}, file)
    assert f"model {file}: its file" in refused(draw(file))
