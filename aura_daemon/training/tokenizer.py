"""The two tokenizers: CLIP's byte-level BPE for the generator, BERT's word pieces for the captioner.

Every word of the grammar is one token of its own. Other words are spelled in bytes (CLIP) or become [UNK] (BERT), so
any prompt goes through.
"""

import itertools
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from tokenizers.pre_tokenizers import ByteLevel
from transformers import BertTokenizer, CLIPTokenizer

from aura_daemon.mini.grammar import WORDS

CLIP_MAX_LENGTH: Final = 77
END_OF_WORD: Final = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"

CAPTION_START: Final = "[DEC]"  # BLIP starts every caption with it
SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", CAPTION_START)

Pair: TypeAlias = tuple[str, str]


@cache
def clip_tokenizer() -> CLIPTokenizer:
    vocabulary, merges = _byte_pairs()
    return CLIPTokenizer(vocab=vocabulary, merges=list(merges), model_max_length=CLIP_MAX_LENGTH)


def save_clip_tokenizer(folder: Path) -> None:
    """Write today's tokenizer.json and, for older readers, vocab.json and merges.txt."""
    vocabulary, merges = _byte_pairs()
    clip_tokenizer().save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


@cache
def caption_tokenizer() -> BertTokenizer:
    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *WORDS))}
    return BertTokenizer(vocab=vocabulary, bos_token=CAPTION_START, model_max_length=64)


def _byte_pairs() -> tuple[dict[str, int], list[Pair]]:
    """The vocabulary in CLIP's order (bytes, bytes that end a word, merges, the two marks) and the merges."""
    bytes_ = sorted(ByteLevel.alphabet())
    merges = _merges_for(WORDS)
    tokens = [*bytes_, *(byte + END_OF_WORD for byte in bytes_), *map("".join, merges), START, END]
    return {token: index for index, token in enumerate(tokens)}, merges


def _merges_for(words: tuple[str, ...]) -> list[Pair]:
    """Byte-pair encoding learnt until every word is one token: the commonest pair first, ties by the alphabet."""
    spelled = [[*word[:-1], word[-1] + END_OF_WORD] for word in words]
    merges: list[Pair] = []
    while pairs := Counter(pair for word in spelled for pair in itertools.pairwise(word)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelled = [_merged(word, best) for word in spelled]
    return merges


def _merged(word: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged
