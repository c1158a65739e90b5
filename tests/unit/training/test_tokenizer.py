"""The tokenizers: one token a word, and no prompt they cannot take."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from aura_daemon.mini.grammar import WORDS, every_sentence
from aura_daemon.training.tokenizer import END, START, caption_tokenizer, clip_tokenizer, save_clip_tokenizer


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_grammar_is_one_token(word: str) -> None:
    assert len(clip_tokenizer()(word)["input_ids"]) == 3  # with the marks of start and end
    assert caption_tokenizer().tokenize(word) == [word]


@given(st.text(max_size=300))
def test_any_prompt_fits_into_77_known_tokens(prompt: str) -> None:
    tokenizer = clip_tokenizer()
    tokens = tokenizer(prompt, padding="max_length", truncation=True)["input_ids"]
    assert len(tokens) == 77
    assert max(tokens) < len(tokenizer)


@pytest.mark.parametrize("prompt", ["", "an astronaut riding a horse", "Café 漢字 😀", "a" * 500, START, END, "\n"])
def test_odd_prompts_do_not_break_either_tokenizer(prompt: str) -> None:
    assert clip_tokenizer()(prompt, truncation=True)["input_ids"]
    assert caption_tokenizer()(prompt, truncation=True)["input_ids"]


def test_captions_come_back_as_they_were_written() -> None:
    tokenizer = caption_tokenizer()
    for sentence in every_sentence():
        assert tokenizer.decode(tokenizer(str(sentence))["input_ids"], skip_special_tokens=True) == str(sentence)


def test_the_old_files_say_the_same_as_the_new_one(tmp_path: Path) -> None:
    save_clip_tokenizer(tmp_path)
    prompt = "a small red circle, unlike an astronaut"
    new = CLIPTokenizer.from_pretrained(tmp_path)(prompt)["input_ids"]
    (tmp_path / "tokenizer.json").unlink()
    old = CLIPTokenizer.from_pretrained(tmp_path)(prompt)["input_ids"]
    assert old == new == clip_tokenizer()(prompt)["input_ids"]
