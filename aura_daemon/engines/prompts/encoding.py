"""Prompts to embeddings, as A1111 encodes them. In: both prompts. Out: one tensor each, windows of 77 tokens in a row.

compel 2.5.1 is not used: on aura-mini its `(red:0.5)` is 25 % (of the norm) away from A1111's, four times the whole
effect of that weight, because compel blends with a prompt that lacks the word; and it cuts long prompts at sentences.

A plain prompt of one window gives the exact bits of `StableDiffusionPipeline.encode_prompt`. Encoded windows are kept,
so that a job with the same prompt as an earlier job does not run the text encoder.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch

from aura_daemon.engines.placement.offload import OffloadedModule
from aura_daemon.engines.prompts.textual_inversion import TextualInversion, TextualInversions
from aura_daemon.engines.prompts.windows import Token, Unit, Vector, Window, windows
from aura_daemon.formats.prompt_syntax import Section, not_understood, parse
from aura_daemon.formats.prompt_tags import extract_loras
from aura_daemon.jobs.results import Failure, FailureKind, Ingredient, IngredientKind

MOST_KEPT: Final = 64
"""Encoded windows; in float32 a window of SD 1.x takes 231 KiB."""

LEAST_MEAN: Final = 0.01
"""Of the standard deviation: a mean nearer to 0 is noise and is not restored. aura-mini: 0.006, CLIP: about 0.1."""

Key: TypeAlias = tuple[Window, int, Hashable]


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedPrompt:
    """Embeddings, `[1, 77 * windows, D]`, equally many windows on both sides."""

    prompt: torch.Tensor
    negative: torch.Tensor | None
    """None where guidance is off."""
    windows: int
    """Of 77 tokens each."""
    inversions: tuple[Ingredient, ...] = ()
    """The textual inversions that the prompts name."""
    warnings: tuple[str, ...] = ()


class PromptEncoder:
    """Tokenizer and text encoder of a loaded model, the user's textual inversions, and recently encoded windows."""

    def __init__(self, tokenizer: Any, offloaded: OffloadedModule, *, device: str, embeddings: str | None) -> None:
        """`offloaded`: the text encoder; `embeddings`: the folder of textual inversions."""
        self._tokenizer = tokenizer
        self._offloaded = offloaded
        encoder: Any = offloaded.module
        self._encoder = encoder
        self._device = device
        self._room = encoder.config.max_position_embeddings - 2
        self._comma = tokenizer.get_vocab().get(",</w>")
        self._inversions = TextualInversions(embeddings, tokenizer, encoder.config.hidden_size, self._room)
        self._kept: OrderedDict[Key, torch.Tensor] = OrderedDict()

    @torch.no_grad()
    def encode(
        self, prompt: str, negative_prompt: str, *, clip_skip: int = 1, guided: bool = True, adapted: Hashable = ()
    ) -> EncodedPrompt | Failure:
        """Encodes both prompts; a Failure for a clip_skip or a textual inversion that this model cannot use.

        `adapted`: what else the encoder's output depends on at present: its LoRAs with their weights.
        """
        layers = self._encoder.config.num_hidden_layers
        if clip_skip > layers:
            message = f"clip_skip {clip_skip} leaves nothing of this model's text encoder: it has {layers} layers"
            mend = f"set clip_skip to a whole number from 1 to {layers}"
            return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
        texts = [prompt, negative_prompt] if guided else [prompt]
        fault = self._inversions.look()
        used: dict[str, TextualInversion] = {}
        sides: list[tuple[Window, ...]] = []
        for text in texts:
            if isinstance(found := self._windows(extract_loras(text).rest, used), Failure):
                return found
            sides.append(found)
        most = max(map(len, sides))
        tensors = []
        for side in sides:
            padded = (*side, *[()] * (most - len(side)))
            tensors.append(torch.cat([self._encoded(window, clip_skip, adapted, used) for window in padded], dim=1))
        remarks = [fault] if fault else []
        remarks += dict.fromkeys(remark for text in texts for remark in not_understood(text))
        return EncodedPrompt(
            prompt=tensors[0],
            negative=tensors[1] if guided else None,
            windows=most,
            inversions=tuple(
                Ingredient(kind=IngredientKind.EMBEDDING, name=name, sha256=one.sha256)
                for name, one in sorted(used.items())
            ),
            warnings=tuple(remarks),
        )

    def _windows(self, text: str, used: dict[str, TextualInversion]) -> tuple[Window, ...] | Failure:
        """A prompt's windows; adds to `used`."""
        sections: list[list[Unit]] = []
        for section in parse(text):
            if isinstance(units := self._units(section, used), Failure):
                return units
            sections.append(units)
        return windows(sections, comma=self._comma, room=self._room)

    def _units(self, section: Section, used: dict[str, TextualInversion]) -> list[Unit] | Failure:
        """Tokens, and the vectors of textual inversions where the prompt names one."""
        units: list[Unit] = []
        for piece in section:
            numbers = list(self._tokenizer(piece.text, add_special_tokens=False, verbose=False).input_ids)
            start = 0
            while start < len(numbers):
                if (named := self._inversions.at(numbers, start)) is None:
                    units.append((Token(number=numbers[start], weight=piece.weight),))
                    start += 1
                    continue
                name, length = named
                if isinstance(inversion := used.get(name) or self._inversions.load(name), Failure):
                    return inversion
                used[name] = inversion
                rows = [Vector(name=name, version=inversion.version, row=row) for row in range(len(inversion.vectors))]
                units.append(tuple(Token(number=0, weight=piece.weight, vector=row) for row in rows))
                start += length
        return units

    def _encoded(
        self, window: Window, clip_skip: int, adapted: Hashable, used: dict[str, TextualInversion]
    ) -> torch.Tensor:
        """One window's embeddings, `[1, 77, D]`."""
        key = (window, clip_skip, adapted)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        padding = [self._tokenizer.pad_token_id] * (self._room - len(window))
        marks = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        numbers = [marks[0], *(token.number for token in window), marks[1], *padding]
        with self._offloaded.onloaded(), _standing_in(self._encoder.get_input_embeddings(), _rows(window, used)):
            hidden = self._hidden(torch.tensor([numbers], device=self._device), clip_skip)
        weighted = _weighted(hidden, [1.0, *(token.weight for token in window), 1.0, *[1.0] * len(padding)])
        self._kept[key] = weighted
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    def _hidden(self, numbers: torch.Tensor, clip_skip: int) -> torch.Tensor:
        """The output of the encoder's last layer, or of an earlier layer with the same normalisation."""
        if clip_skip == 1:
            last: torch.Tensor = self._encoder(numbers)[0]
            return last
        states = self._encoder(numbers, output_hidden_states=True).hidden_states
        normed: torch.Tensor = self._encoder.final_layer_norm(states[-clip_skip])
        return normed


def _rows(window: Window, used: dict[str, TextualInversion]) -> dict[int, torch.Tensor]:
    """Position in the 77 tokens -> the vector that replaces the token's own."""
    return {
        place: used[token.vector.name].vectors[token.vector.row]
        for place, token in enumerate(window, start=1)
        if token.vector is not None
    }


@contextmanager
def _standing_in(embedding: torch.nn.Module, rows: dict[int, torch.Tensor]) -> Iterator[None]:
    """Replaces the embeddings of tokens by vectors while one window is encoded."""

    def replaced(_module: torch.nn.Module, _given: Any, looked_up: torch.Tensor) -> torch.Tensor:
        changed = looked_up.clone()
        for place, vector in rows.items():
            changed[:, place] = vector.to(changed)
        return changed

    hook = embedding.register_forward_hook(replaced) if rows else None
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()


def _weighted(hidden: torch.Tensor, weights: Sequence[float]) -> torch.Tensor:
    """Multiplies every token's vector by its weight, then all vectors by one factor that restores the window's mean."""
    if all(weight == 1.0 for weight in weights):
        return hidden
    before = hidden.float()
    after = before * torch.tensor(weights, device=before.device)[None, :, None]
    least = LEAST_MEAN * before.std()
    if bool(before.mean().abs() > least) and bool(after.mean().abs() > least):
        after *= before.mean() / after.mean()
    return after.to(hidden.dtype)
