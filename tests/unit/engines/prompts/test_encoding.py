"""Prompts to embeddings: diffusers' own where nothing is special, A1111's where something is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.placement.offload import OffloadedModule
from aura_daemon.engines.prompts.encoding import LEAST_MEAN, MOST_KEPT, MOST_WINDOWS, EncodedPrompt, PromptEncoder
from aura_daemon.engines.session import Session
from aura_daemon.formats.prompts.prompt_schedule import PassSteps
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Lora
from aura_daemon.jobs.results import Failure, FailureKind, Produced
from aura_daemon.mini import GENERATOR
from tests.support.listening import Listener
from tests.support.running import run_alone

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

SENTENCE = "a small red circle on a blue background"
LONG = "a " * 75 + SENTENCE


@pytest.fixture(scope="module")
def pipe() -> Any:
    return diffusers.StableDiffusionPipeline.from_pretrained(GENERATOR, dtype=torch.float32, local_files_only=True)


def prompting(pipe: Any, folder: Path | None = None) -> PromptEncoder:
    embeddings = str(folder) if folder is not None else None
    return PromptEncoder(pipe.tokenizer, OffloadedModule(pipe.text_encoder, "cpu"), device="cpu", embeddings=embeddings)


def encoded(found: EncodedPrompt | Failure) -> EncodedPrompt:
    assert isinstance(found, EncodedPrompt), found
    return found


def said(of: EncodedPrompt, step: int = 1) -> torch.Tensor:
    return of.of_pass(0).part(0, step)


def unsaid(of: EncodedPrompt, step: int = 1) -> torch.Tensor:
    return of.of_pass(0).negative(step)


def embedded(pipe: Any, prompt: str, **asked: Any) -> torch.Tensor:
    """The prompt's side, read by a fresh reader."""
    return said(encoded(prompting(pipe).encode(prompt, "", **asked)))


def refusal(found: EncodedPrompt | Failure) -> str:
    assert isinstance(found, Failure), found
    assert found.kind is FailureKind.BAD_INPUT
    return found.message


@contextmanager
def reads_of(pipe: Any) -> Iterator[list[int]]:
    """Counts the calls of the text encoder."""
    calls: list[int] = []
    hook = pipe.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    try:
        yield calls
    finally:
        hook.remove()


def vectors_of(pipe: Any, words: str) -> torch.Tensor:
    """What the text encoder knows of words, `[n, D]`."""
    numbers = pipe.tokenizer(words, add_special_tokens=False).input_ids
    rows: torch.Tensor = pipe.text_encoder.get_input_embeddings().weight[numbers].detach().clone()
    return rows


@pytest.mark.parametrize("negative", ["", "green, square"])
@pytest.mark.parametrize("prompt", [SENTENCE, "", "Émile's 1984, a cat 🦊 <b>?!", "a " * 75, "x  y\n z"])
def test_a_short_prompt_without_signs_gives_the_bits_of_diffusers(pipe: Any, prompt: str, negative: str) -> None:
    ours = encoded(prompting(pipe).encode(prompt, negative))
    theirs, theirs_negative = pipe.encode_prompt(prompt, "cpu", 1, True, negative_prompt=negative)
    assert torch.equal(said(ours), theirs)
    assert torch.equal(unsaid(ours), theirs_negative)
    assert (ours.windows, ours.warnings) == (1, ())


def test_without_guidance_nothing_is_read_for_the_negative_prompt(pipe: Any) -> None:
    with reads_of(pipe) as calls:
        ours = encoded(prompting(pipe).encode("a circle", "a " * 100, guided=False))
    assert (ours.texts.unsaid, ours.windows, len(calls)) == ((), 1, 1)


def test_of_a_long_prompt_every_window_is_read_and_the_shorter_side_is_filled_up(pipe: Any) -> None:
    ours = encoded(prompting(pipe).encode(LONG, "green"))
    assert said(ours).shape == unsaid(ours).shape == (1, 154, 64)
    assert torch.equal(said(ours)[:, :77], embedded(pipe, "a " * 75))
    assert torch.equal(said(ours)[:, 77:], embedded(pipe, SENTENCE))
    assert torch.equal(unsaid(ours)[:, :77], embedded(pipe, "green"))
    assert torch.equal(unsaid(ours)[:, 77:], embedded(pipe, ""))
    assert ours.windows == 2


def test_break_starts_a_window(pipe: Any) -> None:
    ours = embedded(pipe, "a red circle BREAK a blue background")
    assert torch.equal(ours, torch.cat([embedded(pipe, "a red circle"), embedded(pipe, "a blue background")], dim=1))


@pytest.mark.parametrize(
    "prompt", ["a small (red:1.0) circle on a blue background", "<lora:ink:0.5>a small red circle on a blue background"]
)
def test_what_weighs_nothing_more_is_as_if_it_were_not_there(pipe: Any, prompt: str) -> None:
    assert torch.equal(embedded(pipe, prompt), embedded(pipe, SENTENCE))


def test_escaped_brackets_are_text(pipe: Any) -> None:
    theirs, _ = pipe.encode_prompt("a (red) circle", "cpu", 1, False)
    assert torch.equal(embedded(pipe, r"a \(red\) circle"), theirs)


@pytest.mark.parametrize("weight", [0.5, 1.3, 0.0, -1.0])
def test_a_weight_multiplies_what_was_read_of_its_words_alone(pipe: Any, weight: float) -> None:
    plain, ours = embedded(pipe, SENTENCE), embedded(pipe, f"a small (red:{weight}) circle on a blue background")
    assert plain.mean().abs() < LEAST_MEAN * plain.std()  # aura-mini's: nothing to bring back
    expected = plain.clone()
    expected[:, 3] *= weight
    torch.testing.assert_close(ours, expected)


def test_the_mean_of_a_window_is_brought_back_where_it_says_something(pipe: Any) -> None:
    shifted = deepcopy(pipe.text_encoder)
    shifted.final_layer_norm.bias.data -= 0.2
    reader = PromptEncoder(pipe.tokenizer, OffloadedModule(shifted, "cpu"), device="cpu", embeddings=None)
    plain = said(encoded(reader.encode("a red circle", "")))
    ours = said(encoded(reader.encode("a (red:2) circle", "")))
    assert not torch.equal(ours, plain)
    torch.testing.assert_close(ours.mean(), plain.mean())
    expected = plain.clone()
    expected[:, 2] *= 2
    torch.testing.assert_close(ours, expected * plain.mean() / expected.mean())


def test_a_weight_changes_its_own_window_only(pipe: Any) -> None:
    plain, ours = embedded(pipe, "a circle BREAK red"), embedded(pipe, "a circle BREAK (red:1.4)")
    assert torch.equal(ours[:, :77], plain[:, :77])
    assert not torch.equal(ours[:, 77:], plain[:, 77:])


def test_clip_skip_2_leaves_out_the_last_layer_and_1_leaves_out_none(pipe: Any) -> None:
    shorter = deepcopy(pipe.text_encoder)
    del shorter.encoder.layers[-1]
    reader = PromptEncoder(pipe.tokenizer, OffloadedModule(shorter, "cpu"), device="cpu", embeddings=None)
    expected = said(encoded(reader.encode(SENTENCE, "")))
    torch.testing.assert_close(embedded(pipe, SENTENCE, clip_skip=2), expected)
    assert torch.equal(embedded(pipe, SENTENCE, clip_skip=1), embedded(pipe, SENTENCE))


def test_more_layers_than_there_are_cannot_be_left_out(pipe: Any) -> None:
    assert "it has 2 layers" in refusal(prompting(pipe).encode(SENTENCE, "", clip_skip=3))


def test_what_was_read_lately_is_not_read_again(pipe: Any) -> None:
    reader = prompting(pipe)
    first = encoded(reader.encode(LONG, "green"))
    expected = said(first).clone()
    said(first).zero_()  # whoever spoils his own does not spoil what is kept
    with reads_of(pipe) as calls:
        again = encoded(reader.encode(LONG, "green"))
    assert calls == []
    assert torch.equal(said(again), expected)


@pytest.mark.parametrize(
    "asked", [{"clip_skip": 2}, {"prompt": "(a circle:1.1)"}, {"adapted": (Lora(name="ink", weight=0.5),)}]
)
def test_all_that_makes_a_difference_is_read_anew(pipe: Any, asked: dict[str, Any]) -> None:
    reader = prompting(pipe)
    reader.encode("a circle", "")
    with reads_of(pipe) as calls:
        reader.encode(**{"prompt": "a circle", "negative_prompt": "", "guided": False} | asked)
    assert len(calls) == 1


def test_not_everything_that_was_ever_read_is_kept(pipe: Any) -> None:
    reader = prompting(pipe)
    reader.encode("BREAK".join(f" {number} " for number in range(MOST_KEPT + 1)), "", guided=False)
    with reads_of(pipe) as calls:
        reader.encode(f"{MOST_KEPT}", "", guided=False)
        assert len(calls) == 0
        reader.encode("0", "", guided=False)
        assert len(calls) == 1


@pytest.mark.parametrize("layout", ["emb_params", "<crimsonx>"])
def test_a_file_s_vector_stands_where_its_name_is(pipe: Any, tmp_path: Path, layout: str) -> None:
    vector = vectors_of(pipe, "red")
    save_file({layout: vector if layout == "emb_params" else vector[0]}, tmp_path / "crimsonx.safetensors")
    ours = encoded(prompting(pipe, tmp_path).encode("a small CrimsonX circle on a blue background", "crimsonx"))
    assert torch.equal(said(ours), embedded(pipe, SENTENCE))
    assert torch.equal(unsaid(ours), embedded(pipe, "red"))
    (inversion,) = ours.inversions
    name, digest = inversion.name, inversion.sha256
    assert (name, len(digest)) == ("crimsonx", 64)


def test_a_name_may_be_several_vectors_lie_in_a_folder_and_have_a_weight(pipe: Any, tmp_path: Path) -> None:
    (tmp_path / "styles").mkdir()
    save_file({"emb_params": vectors_of(pipe, "small red circle")}, tmp_path / "styles" / "bad-dot_2.safetensors")
    reader = prompting(pipe, tmp_path)
    ours = said(encoded(reader.encode("a (bad-dot_2:1.3), on a blue background", "")))
    assert torch.equal(ours, embedded(pipe, "a (small red circle:1.3), on a blue background"))


def test_a_name_is_a_whole_word_and_the_longest_counts(pipe: Any, tmp_path: Path) -> None:
    for name, word in (("dot", "circle"), ("dot-x", "star")):
        save_file({"emb_params": vectors_of(pipe, word)}, tmp_path / f"{name}.safetensors")
    reader = prompting(pipe, tmp_path)
    for prompt, meant in (("a dot", "a circle"), ("a dot-x", "a star"), ("a dots adot", "a dots adot")):
        assert torch.equal(said(encoded(reader.encode(prompt, ""))), embedded(pipe, meant))


def test_in_half_precision_weights_and_vectors_keep_the_encoder_s_number_format(pipe: Any, tmp_path: Path) -> None:
    save_file({"emb_params": vectors_of(pipe, "red")}, tmp_path / "crimsonx.safetensors")
    half = deepcopy(pipe.text_encoder).to(torch.bfloat16)
    reader = PromptEncoder(pipe.tokenizer, OffloadedModule(half, "cpu"), device="cpu", embeddings=str(tmp_path))
    ours = said(encoded(reader.encode("a (crimsonx:1.3) circle", "")))
    assert ours.dtype is torch.bfloat16
    torch.testing.assert_close(ours.float(), embedded(pipe, "a (red:1.3) circle"), atol=0.05, rtol=0.05)


def test_no_vector_leaks_into_another_prompt(pipe: Any, tmp_path: Path) -> None:
    weights = {name: tensor.clone() for name, tensor in pipe.text_encoder.state_dict().items()}
    save_file({"emb_params": vectors_of(pipe, "red")}, tmp_path / "crimsonx.safetensors")
    encoded(prompting(pipe, tmp_path).encode("a crimsonx circle", ""))
    words = len(pipe.tokenizer)
    assert not torch.equal(embedded(pipe, "a crimsonx circle"), embedded(pipe, "a red circle"))
    assert len(pipe.tokenizer) == words
    assert not pipe.text_encoder.get_input_embeddings()._forward_hooks
    assert all(torch.equal(tensor, weights[name]) for name, tensor in pipe.text_encoder.state_dict().items())


def test_files_come_change_and_go_while_the_model_is_loaded(pipe: Any, tmp_path: Path) -> None:
    reader = prompting(pipe, tmp_path)

    def read() -> torch.Tensor:
        return said(encoded(reader.encode("a dotx", "")))

    unknown = read()
    file = tmp_path / "dotx.safetensors"
    for word in ("circle", "star"):
        save_file({"emb_params": vectors_of(pipe, word)}, file, {"made": word * 9})
        assert torch.equal(read(), embedded(pipe, f"a {word}"))
    file.unlink()
    assert torch.equal(read(), unknown)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"emb_params": torch.zeros(1, 768)}, "has vectors of 768 numbers; this model's have 64"),
        ({"emb_params": torch.zeros(76, 64)}, "has 76 vectors; at most 75 fit"),
        ({"emb_params": torch.full((1, 64), float("nan"))}, "holds numbers that are none"),
        ({"emb_params": torch.zeros(1, 64, dtype=torch.int64)}, "not one of vectors"),
        ({"emb_params": torch.zeros(1, 1, 64)}, "not one of vectors"),
        ({"emb_params": torch.zeros(0, 64)}, "not one of vectors"),
        ({"clip_g": torch.zeros(1, 1280), "clip_l": torch.zeros(1, 768)}, "holds 2 tensors (clip_g, clip_l)"),
        ({"emb_params": torch.zeros(1, 3_000_000)}, "more than any textual inversion"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    pipe: Any, tmp_path: Path, tensors: dict[str, torch.Tensor], words: str
) -> None:
    save_file(tensors, tmp_path / "dotx.safetensors")
    reader = prompting(pipe, tmp_path)
    assert words in refusal(reader.encode("a dotx", ""))
    assert "dotx.safetensors" in refusal(reader.encode("a circle", "a dotx"))
    encoded(reader.encode("a circle", ""))


@pytest.mark.parametrize(
    ("name", "words"), [("dotx.pt", "is a pickle file"), ("dotx.safetensors", "cannot be read: Error while deser")]
)
def test_pickles_and_broken_files_are_refused_where_a_prompt_names_them(
    pipe: Any, tmp_path: Path, name: str, words: str
) -> None:
    torch.save({"string_to_param": {"*": torch.zeros(1, 64)}}, tmp_path / name)
    assert words in refusal(prompting(pipe, tmp_path).encode("a dotx", ""))
    encoded(prompting(pipe, tmp_path).encode("a circle", ""))


def test_what_is_no_file_of_the_folder_is_refused_and_not_opened(pipe: Any, tmp_path: Path) -> None:
    folder = tmp_path / "embeddings"
    folder.mkdir()
    os.mkfifo(folder / "dotx.safetensors")  # to open it would wait for ever
    save_file({"emb_params": vectors_of(pipe, "star")}, tmp_path / "outside.safetensors")
    (folder / "starx.safetensors").symlink_to(tmp_path / "outside.safetensors")
    assert "is no file" in refusal(prompting(pipe, folder).encode("a dotx", ""))
    assert "is a link out of its folder" in refusal(prompting(pipe, folder).encode("a starx", ""))


def test_beside_a_pickle_the_safe_file_is_taken_and_what_is_neither_is_not_looked_at(pipe: Any, tmp_path: Path) -> None:
    for ending in ("bin", "txt", "pt"):
        (tmp_path / f"dotx.{ending}").write_bytes(b"?")
    save_file({"emb_params": vectors_of(pipe, "star")}, tmp_path / "dotx.safetensors")
    (tmp_path / "circle.txt").write_bytes(b"?")
    (tmp_path / ".circle.safetensors").write_bytes(b"?")
    ours = said(encoded(prompting(pipe, tmp_path).encode("a dotx circle", "")))
    assert torch.equal(ours, embedded(pipe, "a star circle"))


def test_a_folder_that_is_not_there_is_said(pipe: Any, tmp_path: Path) -> None:
    (remark,) = encoded(prompting(pipe, tmp_path / "gone").encode("a dotx", "")).warnings
    assert "generate.embeddings" in remark
    assert "gone" in remark


def test_what_is_read_otherwise_than_in_a1111_is_said(pipe: Any) -> None:
    (remark,) = encoded(prompting(pipe).encode("a [cow|horse] (big:200)", "")).warnings
    assert remark == "a weight of 100 or more was read as 100"


# -- texts in turn -----------------------------------------------------------------------------------------------------

TEN = PassSteps(steps=10, taken=10)


def test_every_text_has_its_steps_on_both_sides(pipe: Any) -> None:
    ours = encoded(prompting(pipe).encode("a [red:blue:3] circle", "[star|ring]", passes=(TEN,)))
    for step in range(1, 12):
        assert torch.equal(said(ours, step), embedded(pipe, "a red circle" if step <= 3 else "a blue circle"))
        assert torch.equal(unsaid(ours, step), embedded(pipe, "star" if min(step, 10) % 2 else "ring"))
    assert ours.texts.said == ("a red circle", "a blue circle")
    assert ours.windows == 1


def test_a_text_that_comes_back_is_read_once(pipe: Any) -> None:
    reader = prompting(pipe)
    with reads_of(pipe) as calls:
        reader.encode("[red|blue]", "", passes=(TEN, replace(TEN, before=10)), guided=False)
    assert len(calls) == 2


def test_the_longest_text_decides_how_many_windows_all_have(pipe: Any) -> None:
    ours = encoded(prompting(pipe).encode(f"[red:{LONG}:5] AND blue", "green", passes=(TEN,)))
    assert ours.windows == 2
    first = ours.of_pass(0)
    assert {one.shape for one in (first.part(0, 1), first.part(0, 6), first.part(1, 1), first.negative(1))} == {
        (1, 154, 64)
    }
    assert torch.equal(first.part(0, 1), torch.cat([embedded(pipe, "red"), embedded(pipe, "")], dim=1))
    assert torch.equal(first.part(0, 6), embedded(pipe, LONG))


def test_more_texts_than_memory_should_hold_are_refused_before_one_is_read(pipe: Any) -> None:
    many = PassSteps(steps=300, taken=300)
    prompt = f"[{'|'.join(map(str, range(300)))}] {LONG}"
    with reads_of(pipe) as calls:
        message = refusal(prompting(pipe).encode(prompt, "", passes=(many,)))
    assert message == f"the prompts are 301 texts in turn, of 2 windows: more than {MOST_WINDOWS} windows"
    assert calls == []
    for allowed in ("[a|b|c]" + " BREAK a" * 70, " BREAK " * MOST_WINDOWS):
        encoded(prompting(pipe).encode(allowed, "", passes=(many,)))


def test_weights_breaks_clip_skip_and_taught_words_count_in_every_text(pipe: Any, tmp_path: Path) -> None:
    save_file({"emb_params": vectors_of(pipe, "red")}, tmp_path / "crimsonx.safetensors")
    reader = prompting(pipe, tmp_path)
    prompt = "<lora:ink:1>a [(crimsonx:1.3):blue BREAK big:5] circle"
    ours = encoded(reader.encode(prompt, "", passes=(TEN,), clip_skip=2))
    first = torch.cat([embedded(pipe, "a (red:1.3) circle", clip_skip=2), embedded(pipe, "", clip_skip=2)], dim=1)
    assert torch.equal(said(ours, 5), first)
    assert torch.equal(said(ours, 6), embedded(pipe, "a blue BREAK big circle", clip_skip=2))
    assert [one.name for one in ours.inversions] == ["crimsonx"]


def test_the_second_pass_is_told_what_comes_behind_one(pipe: Any) -> None:
    passes = (TEN, PassSteps(steps=4, taken=4, before=10))
    ours = encoded(prompting(pipe).encode("[red:blue:0.5] [:star:1.5]", "", passes=passes))
    second = ours.of_pass(1)
    assert torch.equal(said(ours, 5), embedded(pipe, "red "))
    assert torch.equal(said(ours, 6), embedded(pipe, "blue "))
    assert torch.equal(second.part(0, 2), embedded(pipe, "blue "))
    assert torch.equal(second.part(0, 3), embedded(pipe, "blue star"))


@pytest.fixture
def told(tmp_path: Path) -> Session:
    settings = GenerateSettings(embeddings=str(tmp_path))
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=settings))


def drawn(session: Session, prompt: str) -> tuple[Produced, str]:
    """A picture and what the captioner reads in it."""
    picture = run_alone(session, GenerateRequest(prompt=prompt, seed=7))
    assert isinstance(picture, Produced), picture
    caption = run_alone(session, CaptionRequest(), picture.payloads[0].content, "a.png", Listener())
    assert isinstance(caption, Produced), caption
    return picture, caption.text


def test_what_is_said_behind_75_tokens_is_drawn(told: Session) -> None:
    picture, seen = drawn(told, LONG)
    assert seen == SENTENCE
    assert picture.windows == 2
    assert not any("cut" in remark for remark in picture.warnings)


def test_a_taught_word_is_drawn_and_the_embedded_model_does_not_deny_it(
    told: Session, pipe: Any, tmp_path: Path
) -> None:
    save_file({"emb_params": vectors_of(pipe, "red")}, tmp_path / "crimsonx.safetensors")
    picture, seen = drawn(told, "a small crimsonx circle on a blue background")
    assert seen == SENTENCE
    assert picture.warnings == ()
    assert [one.name for one in picture.ingredients] == ["crimsonx"]


def test_signs_are_nothing_the_embedded_model_does_not_know(told: Session) -> None:
    picture, seen = drawn(told, "<lora:ink:0.3>a small (red:1.2) circle on a [blue] background")
    assert (seen, picture.warnings) == (SENTENCE, ())
