"""LoRAs: what is on changes the picture as it says, and what is off never was."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.config.settings import GenerateConfig
from aura_daemon.engines.session import Session
from aura_daemon.intake.catalogue import CatalogueReader
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Lora
from aura_daemon.jobs.results import Failure, IngredientKind, Produced
from aura_daemon.mini import GENERATOR
from aura_daemon.training.train_lora import train
from tests.support.listening import Listener
from tests.support.running import KeepingSession, run_alone
from tests.unit.engines.stable_diffusion.test_pipelines import made, picture_of, pixels

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

STARS = Path(__file__).parents[4] / "loras" / "stars.safetensors"
"""Draws every shape as a star: `python -m aura_daemon.training.train_lora`, seed 0."""

PROMPTS = [
    "a large red circle on a white background",
    "a large blue square on a yellow background",
    "a small green ring on a black background",
    "a large purple cross on a white background",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loras")
    (folder / "styles").mkdir()
    shutil.copy(STARS, folder / "stars.safetensors")
    shutil.copy(STARS, folder / "styles" / "again.safetensors")
    return folder


def session_with(folder: Path, dtype: Dtype = Dtype.FLOAT32) -> KeepingSession:
    settings = GenerateSettings(model=str(GENERATOR), loras=str(folder))
    return KeepingSession(EngineSettings(device=Device.CPU, dtype=dtype, generate=settings))


@pytest.fixture(scope="module")
def session(folder: Path) -> KeepingSession:
    return session_with(folder)


def draw(session: KeepingSession, prompt: str, *loras: Lora, seed: int = 1, steps: int | None = None) -> Any:
    request = GenerateRequest(prompt=prompt, seed=seed, loras=loras, steps=steps)
    return run_alone(session, request)


def said_of(session: KeepingSession, outcome: Produced) -> str:
    described = run_alone(session, CaptionRequest(), outcome.payloads[0].content, "", Listener())
    return made(described).text


def fingerprint(session: KeepingSession) -> str:
    """Over every parameter of the loaded model, names and bits."""
    digest = hashlib.sha256()
    pipe = session.loaded[-1].parts.pipe
    for part in (pipe.unet, pipe.text_encoder):
        for name, parameter in part.named_parameters():
            digest.update(name.encode() + parameter.detach().numpy().tobytes())
    return digest.hexdigest()


def test_it_changes_what_it_says_it_changes(session: KeepingSession) -> None:
    for prompt in PROMPTS:
        colour, background = prompt.split()[2], prompt.split()[-2]
        plain, with_stars = (said_of(session, draw(session, prompt, *loras, steps=12)) for loras in ((), (STAR,)))
        assert plain == prompt
        words = with_stars.split()
        assert (words[2], words[3], words[-2]) == (colour, "star", background), with_stars


STAR = Lora(name="stars")


@pytest.mark.filterwarnings("default")  # what diffusers and peft say while they train is theirs
def test_it_is_what_the_script_that_trains_it_writes(tmp_path: Path) -> None:
    train(tmp_path / "stars.safetensors", seed=0, steps=2)
    written, kept = load_file(tmp_path / "stars.safetensors"), load_file(STARS)
    assert {name: tensor.shape for name, tensor in written.items()} == {
        name: tensor.shape for name, tensor in kept.items()
    }
    picture, plain = (
        pixels(picture_of(draw(session_with(tmp_path), PROMPTS[0], *loras, steps=2))) for loras in ((STAR,), ())
    )
    assert (picture != plain).any()


def test_nothing_of_it_is_left_in_the_next_job(session: KeepingSession, folder: Path) -> None:
    fresh = session_with(folder)
    expected = pixels(picture_of(draw(fresh, PROMPTS[0], steps=4)))
    before = fingerprint(fresh)
    with_stars = pixels(picture_of(draw(fresh, PROMPTS[0], STAR, steps=4)))
    assert fingerprint(fresh) != before
    assert (pixels(picture_of(draw(fresh, PROMPTS[0], steps=4))) == expected).all()
    assert fingerprint(fresh) == before
    assert (with_stars != expected).any()
    assert (pixels(picture_of(draw(session, PROMPTS[0], STAR, steps=4))) == with_stars).all()  # whatever ran before


def test_weights_count_and_none_is_none(session: KeepingSession) -> None:
    plain, half, whole, none = (
        pixels(picture_of(draw(session, PROMPTS[0], *loras, steps=8)))
        for loras in ((), (Lora(name="stars", weight=0.5),), (STAR,), (Lora(name="stars", weight=0),))
    )
    assert (none == plain).all()
    assert (half != plain).any()
    assert (half != whole).any()


def test_several_are_on_together_each_with_its_weight(session: KeepingSession) -> None:
    halves = (Lora(name="stars", weight=0.5), Lora(name="styles/again", weight=0.5))
    both = pixels(picture_of(draw(session, PROMPTS[0], *halves, steps=8)))
    one = pixels(picture_of(draw(session, PROMPTS[0], STAR, steps=8)))
    assert abs(both - one).max() <= 3  # the same change in two parts
    outcome = made(draw(session, PROMPTS[0], *halves, steps=1))
    sha256 = hashlib.sha256(STARS.read_bytes()).hexdigest()
    assert [(one.kind, one.name, one.sha256) for one in outcome.ingredients] == [
        (IngredientKind.LORA, "stars", sha256),
        (IngredientKind.LORA, "styles/again", sha256),
    ]


def test_the_same_one_is_put_on_once_and_a_changed_file_is_read_again(tmp_path: Path) -> None:
    place = tmp_path / "stars.safetensors"
    shutil.copy(STARS, place)
    session = session_with(tmp_path)
    first = made(draw(session, PROMPTS[0], STAR, steps=4))
    loads: list[str] = []
    pipe = session.loaded[-1].parts.pipe
    load = pipe.load_lora_weights
    pipe.load_lora_weights = lambda *given, **named: (loads.append(named["adapter_name"]), load(*given, **named))[1]
    again = made(draw(session, PROMPTS[0], STAR, steps=4))
    assert loads == []
    assert again.payloads == first.payloads
    save_file({name: tensor * 0.5 for name, tensor in load_file(STARS).items()}, place)
    changed = made(draw(session, PROMPTS[0], STAR, steps=4))
    assert len(loads) == 1
    assert changed.payloads != first.payloads
    assert changed.ingredients != first.ingredients


def test_a_file_as_kohya_names_things_works(tmp_path: Path, session: KeepingSession) -> None:
    kohya = {}
    for name, tensor in load_file(STARS).items():
        path, _, rest = name.removeprefix("unet.").partition(".lora_")
        side = {"A": "lora_down", "B": "lora_up"}[rest[0]]
        kohya[f"lora_unet_{path.replace('.', '_')}.{side}.weight"] = tensor.contiguous()
    for name in [name for name in kohya if "lora_down" in name]:
        kohya[name.replace("lora_down.weight", "alpha")] = torch.tensor(float(kohya[name].shape[0]))
    save_file(kohya, tmp_path / "stars.safetensors")
    got = pixels(picture_of(draw(session_with(tmp_path), PROMPTS[0], STAR, steps=8)))
    assert (got == pixels(picture_of(draw(session, PROMPTS[0], STAR, steps=8)))).all()


def test_half_precision_takes_them_too(folder: Path) -> None:
    session = session_with(folder, Dtype.BFLOAT16)
    plain, star = (pixels(picture_of(draw(session, PROMPTS[0], *loras, steps=8))) for loras in ((), (STAR,)))
    assert abs(plain - star).mean() > 3
    assert (pixels(picture_of(draw(session, PROMPTS[0], steps=8))) == plain).all()


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> KeepingSession:
    """One whose folder holds all that cannot be put on."""
    outside = tmp_path_factory.mktemp("crowded")
    inside = outside / "loras"
    shutil.copytree(folder, inside)
    shutil.copy(STARS, outside / "outside.safetensors")
    (inside / "link.safetensors").symlink_to(outside / "outside.safetensors")
    (inside / "torn.safetensors").write_bytes(STARS.read_bytes()[:500])
    os.mkfifo(inside / "pipe.safetensors")
    with (inside / "vast.safetensors").open("wb") as vast:
        vast.write(bytes(8))
        vast.truncate((2 << 30) + 1)
    save_file({"a.weight": torch.zeros(2, 2)}, inside / "text.safetensors")
    wide = {name: torch.cat([tensor, tensor], dim=-1) for name, tensor in load_file(STARS).items()}
    save_file(wide, inside / "sdxl.safetensors")
    save_file({"lora_unet_x.hada_w1_a": torch.zeros(2, 2)}, inside / "loha.safetensors")
    flux = "transformer.single_transformer_blocks.0.attn.to_k"
    save_file({f"{flux}.lora_{part}.weight": torch.zeros(2, 2) for part in "AB"}, inside / "flux.safetensors")
    for place in ("one", "two"):
        (inside / place).mkdir()
        shutil.copy(STARS, inside / place / "twice.safetensors")
    return session_with(inside)


@pytest.mark.parametrize(
    ("name", "words", "mend"),
    [
        ("star", "LoRA star is not there; there are", "did you mean stars?"),
        (
            "nothing",
            "there are flux, link, loha, one/twice, sdxl, stars, styles/again, text, torn, two/twice, vast",
            "name one of them",
        ),
        ("../outside", "LoRA ../outside is not there", ""),
        ("link", "LoRA link is a link out of its folder, which is not followed", "put the file itself there"),
        ("torn", "LoRA torn cannot be read", "copy its file again"),
        ("pipe", "LoRA pipe is not there", "name one of them"),
        ("vast", "LoRA vast cannot be read: it has 2,147,483,649 bytes, more than any LoRA", "copy its file again"),
        ("text", "LoRA text is none for this model", "trained for Stable Diffusion 1.x"),
        ("sdxl", "LoRA sdxl is none for this model", "trained for Stable Diffusion 1.x"),
        ("twice", "LoRA twice: there are several of this name: one/twice, two/twice", "name one of these"),
        ("loha", "LoRA loha is a LoHa (LyCORIS), which is not read as a LoRA", "or leave it out"),
        ("flux", "LoRA flux holds nothing for this model: it was trained for Flux", "or leave it out"),
    ],
)
def test_what_cannot_be_put_on_is_refused_in_words_and_leaves_nothing(
    crowded: KeepingSession, name: str, words: str, mend: str
) -> None:
    expected = made(draw(crowded, PROMPTS[0], steps=2)).payloads
    before = fingerprint(crowded)
    outcome = draw(crowded, PROMPTS[0], STAR, Lora(name=name), steps=2)
    assert isinstance(outcome, Failure)
    assert words in outcome.message
    assert mend in outcome.mend
    assert made(draw(crowded, PROMPTS[0], steps=2)).payloads == expected
    assert fingerprint(crowded) == before


def test_a_name_in_capitals_at_its_end_is_found_as_the_door_finds_it(tmp_path: Path) -> None:
    (tmp_path / "styles").mkdir()
    shutil.copy(STARS, tmp_path / "styles" / "ink.SAFETENSORS")
    assert CatalogueReader(GenerateConfig(loras=tmp_path)).now().loras == ("styles/ink",)
    assert made(draw(session_with(tmp_path), PROMPTS[0], Lora(name="styles/ink"), steps=1)).ingredients


@pytest.mark.parametrize("name", ["again", "styles/again", "AGAIN", "Styles/Again", "again.safetensors"])
def test_a_name_means_the_one_file_that_is_called_so(session: KeepingSession, name: str) -> None:
    outcome = made(draw(session, PROMPTS[0], Lora(name=name), steps=1))
    assert [one.name for one in outcome.ingredients] == ["styles/again"]


def test_two_names_of_one_file_put_it_on_once(session: KeepingSession) -> None:
    one = made(draw(session, PROMPTS[0], Lora(name="styles/again", weight=0.5), steps=2))
    both = made(draw(session, PROMPTS[0], Lora(name="styles/again"), Lora(name="again", weight=0.5), steps=2))
    assert (pixels(picture_of(both)) == pixels(picture_of(one))).all()


def test_without_a_folder_there_are_none() -> None:
    settings = GenerateSettings(model=str(GENERATOR))
    outcome = draw(Session(EngineSettings(device=Device.CPU, generate=settings)), "a", STAR)
    assert isinstance(outcome, Failure)
    assert outcome.mend == "set generate.loras to a folder"


def test_a_job_that_was_cancelled_leaves_nothing_to_the_next(folder: Path) -> None:
    class Impatient(Listener):
        def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None:
            raise KeyboardInterrupt

    session = session_with(folder)
    expected = made(draw(session, PROMPTS[0], steps=2)).payloads
    with pytest.raises(KeyboardInterrupt):
        run_alone(session, GenerateRequest(prompt="a", seed=1, loras=(STAR,)), None, "", Impatient())
    assert made(draw(session, PROMPTS[0], steps=2)).payloads == expected
