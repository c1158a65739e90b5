"""Prompts to embeddings: plain ones as diffusers has them, long and weighed ones as A1111 has them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from aura_daemon.core.job import Failure, GenerateRequest, IngredientKind, Produced
from aura_daemon.core.settings import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.prompting import Encoded, Prompts, Unusable
from aura_daemon.engines.session import Session
from aura_daemon.mini import GENERATOR
from tests.engines.listening import Listener
from tests.engines.test_pipelines import picture_of, pixels

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

RED = "a large red circle on a blue background"


@pytest.fixture(scope="module")
def pipe() -> Any:
    return diffusers.StableDiffusionPipeline.from_pretrained(GENERATOR, dtype=torch.float32)


@pytest.fixture
def prompts(pipe: Any, tmp_path: Path) -> Prompts:
    return Prompts(pipe.tokenizer, pipe.text_encoder, "cpu", str(tmp_path))


@pytest.fixture
def calls(pipe: Any) -> Iterator[list[int]]:
    """One entry a call of the text encoder."""
    made: list[int] = []
    hook = pipe.text_encoder.register_forward_hook(lambda *_: made.append(1))
    yield made
    hook.remove()


@torch.no_grad()
def encode(prompts: Prompts, text: str, negative: str = "", *, clip_skip: int = 1, guided: bool = True) -> Encoded:
    return prompts.encode(text, negative, clip_skip=clip_skip, guided=guided)


def vectors_of(pipe: Any, word: str) -> torch.Tensor:
    (token,) = pipe.tokenizer(word, add_special_tokens=False).input_ids
    return pipe.text_encoder.get_input_embeddings().weight[token].detach().clone()[None]


@pytest.mark.parametrize("text", [RED, "", "a", "a, b. c!", " ".join(["a"] * 75)])
@torch.no_grad()
def test_a_plain_prompt_is_encoded_as_diffusers_does(prompts: Prompts, pipe: Any, text: str) -> None:
    expected = pipe.encode_prompt(text, "cpu", 1, True, negative_prompt="blue")
    found = encode(prompts, text, "blue")
    assert torch.equal(found.prompt, expected[0])
    assert found.negative is not None
    assert torch.equal(found.negative, expected[1])
    assert found.windows == 1


def test_without_guidance_there_is_no_negative_prompt(prompts: Prompts) -> None:
    assert encode(prompts, RED, " ".join(["blue"] * 100), guided=False).negative is None
    assert encode(prompts, RED, " ".join(["blue"] * 100), guided=False).windows == 1


def test_a_long_prompt_takes_further_windows_and_the_other_is_filled_up(prompts: Prompts) -> None:
    long = " ".join(["a"] * 80)
    found = encode(prompts, long, "blue")
    assert found.negative is not None
    assert found.prompt.shape == found.negative.shape == (1, 154, found.prompt.shape[2])
    assert torch.equal(found.prompt[:, :77], encode(prompts, " ".join(["a"] * 75)).prompt)
    assert torch.equal(found.prompt[:, 77:], encode(prompts, " ".join(["a"] * 5)).prompt)
    assert torch.equal(found.negative[:, 77:], encode(prompts, "").prompt)


def test_a_comma_near_the_end_of_a_window_is_where_the_next_begins(prompts: Prompts) -> None:
    near = encode(prompts, f"{' '.join(['a'] * 64)}, {' '.join(['b'] * 20)}").prompt
    assert torch.equal(near[:, :77], encode(prompts, f"{' '.join(['a'] * 64)},").prompt)
    assert torch.equal(near[:, 77:], encode(prompts, " ".join(["b"] * 20)).prompt)
    far = encode(prompts, f"{' '.join(['a'] * 30)}, {' '.join(['b'] * 60)}").prompt
    assert torch.equal(far[:, 77:], encode(prompts, " ".join(["b"] * 16)).prompt)


def test_break_begins_a_window(prompts: Prompts) -> None:
    found = encode(prompts, "red circle BREAK blue background")
    assert found.windows == 2
    assert torch.equal(found.prompt[:, 77:], encode(prompts, "blue background").prompt)


def test_a_weight_multiplies_its_words_and_keeps_the_mean(prompts: Prompts) -> None:
    plain, weighed = (
        encode(prompts, RED).prompt,
        encode(prompts, "a large (red:1.5) circle on a blue background").prompt,
    )
    assert torch.allclose(plain.mean(), weighed.mean(), rtol=1e-4)
    ratio = (weighed / plain).mean(dim=2)[0]
    assert ratio[3] / ratio[4] == pytest.approx(1.5, rel=1e-3)  # begin, a, large, red
    assert torch.equal(encode(prompts, "a large (red:1.0) circle on a blue background").prompt, plain)
    two = encode(prompts, f"{' '.join(['a'] * 75)} (red:1.5)").prompt
    assert torch.equal(two[:, :77], encode(prompts, " ".join(["a"] * 75)).prompt)


@torch.no_grad()
def test_layers_are_left_out_as_a1111_counts_them(prompts: Prompts, pipe: Any) -> None:
    tokens = pipe.tokenizer(RED, padding="max_length", return_tensors="pt").input_ids
    layers = pipe.text_encoder(tokens, output_hidden_states=True).hidden_states
    norm = getattr(pipe.text_encoder, "text_model", pipe.text_encoder).final_layer_norm
    assert torch.equal(encode(prompts, RED, clip_skip=2).prompt, norm(layers[-2]))
    assert torch.equal(encode(prompts, RED, clip_skip=1).prompt, encode(prompts, RED).prompt)
    assert encode(prompts, RED, clip_skip=12).prompt.shape == encode(prompts, RED).prompt.shape


def test_what_was_said_before_is_not_encoded_again(prompts: Prompts, calls: list[int]) -> None:
    first = encode(prompts, RED, "blue")
    assert len(calls) == 2
    assert torch.equal(encode(prompts, RED, "blue").prompt, first.prompt)
    assert len(calls) == 2
    encode(prompts, RED, "green")
    assert len(calls) == 3
    for number in range(100):
        encode(prompts, f"a{number}", guided=False)
    encode(prompts, RED, guided=False)
    assert len(calls) == 104


@pytest.mark.parametrize("layout", ["a1111", "diffusers", "flat"])
@torch.no_grad()
def test_a_textual_inversion_stands_for_its_vectors(prompts: Prompts, pipe: Any, tmp_path: Path, layout: str) -> None:
    red = vectors_of(pipe, "red")
    content = {"a1111": {"emb_params": red}, "diffusers": {"<crimsonx>": red}, "flat": {"<crimsonx>": red[0]}}[layout]
    save_file(content, tmp_path / "crimsonx.safetensors")
    found = encode(prompts, RED.replace("red", "CrimsonX"), guided=False)
    assert torch.equal(found.prompt, encode(prompts, RED).prompt)
    assert [(one.kind, one.name) for one in found.ingredients()] == [(IngredientKind.EMBEDDING, "crimsonx")]
    assert list(encode(prompts, RED).ingredients()) == []  # it does not leak into the next job


@torch.no_grad()
def test_several_vectors_take_several_places_and_a_changed_file_is_read_again(
    prompts: Prompts, pipe: Any, tmp_path: Path
) -> None:
    both = torch.cat([vectors_of(pipe, "red"), vectors_of(pipe, "circle")])
    place = tmp_path / "thing.safetensors"
    save_file({"emb_params": both}, place)
    assert torch.equal(encode(prompts, "a thing on blue").prompt, encode(prompts, "a red circle on blue").prompt)
    save_file({"emb_params": vectors_of(pipe, "ring")}, place)
    os.utime(place, ns=(1, 1))
    assert torch.equal(encode(prompts, "a thing on blue").prompt, encode(prompts, "a ring on blue").prompt)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"emb_params": torch.zeros(2, 5)}, "for another model: it holds 2 vectors of 5 numbers"),
        ({"a": torch.zeros(1, 5), "b": torch.zeros(1, 5)}, "it holds no vectors"),
        ({"emb_params": torch.zeros(80, 64)}, "for another model: it holds 80 vectors"),
        (None, "cannot be read"),
    ],
)
def test_an_inversion_that_does_not_fit_is_refused_in_words(
    prompts: Prompts, tmp_path: Path, content: dict[str, torch.Tensor] | None, words: str
) -> None:
    place = tmp_path / "thing.safetensors"
    if content is None:
        place.write_bytes(b"no tensors")
    else:
        save_file(content, place)
    with pytest.raises(Unusable) as refused:
        encode(prompts, "a thing")
    assert words in refused.value.failure.message
    assert "thing" in refused.value.failure.message
    assert encode(prompts, "a ring").windows == 1


def test_the_drawing_follows_the_inversion_and_the_sidecar_names_it(pipe: Any, tmp_path: Path) -> None:
    save_file({"emb_params": vectors_of(pipe, "red")}, tmp_path / "crimsonx.safetensors")
    settings = GenerateSettings(model=str(GENERATOR), embeddings=str(tmp_path))
    session = Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=settings))
    named = session.run(GenerateRequest(prompt=RED.replace("red", "crimsonx"), seed=3), None, "", Listener())
    said = session.run(GenerateRequest(prompt=RED, seed=3), None, "", Listener())
    assert isinstance(named, Produced)
    assert (pixels(picture_of(named)) == pixels(picture_of(said))).all()
    assert [(one.kind, one.name, len(one.sha256)) for one in named.ingredients] == [("embedding", "crimsonx", 64)]
    (tmp_path / "crimsonx.safetensors").write_bytes(b"")
    outcome = session.run(GenerateRequest(prompt="crimsonx", seed=3), None, "", Listener())
    assert isinstance(outcome, Failure)
    assert "crimsonx cannot be read" in outcome.message
