"""Prompts to embeddings, as A1111 encodes them. In: both prompts, the passes. Out: a tensor for every text of them.

A tensor holds windows of 77 tokens in a row. A prompt is one text, or several: in turn, or joined by `AND`.

compel 2.5.1 is not used: on aura-mini its `(red:0.5)` is 25 % (of the norm) away from A1111's, four times the whole
effect of that weight, because compel blends with a prompt that lacks the word; and it cuts long prompts at sentences.

A plain prompt of one window gives the exact bits of `StableDiffusionPipeline.encode_prompt`. As in A1111, the mean of a
window is restored after weights, but not where it is nearly 0, as in aura-mini. Encoded windows are kept, so that a job
with the same prompt as an earlier job does not run the text encoder.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import torch

from aura_daemon.engines.placement.offload import OffloadedModule
from aura_daemon.engines.prompts.textual_inversion import TextualInversion, TextualInversions
from aura_daemon.engines.prompts.windows import Token, Unit, Vector, Window, windows
from aura_daemon.formats.prompts.prompt_passes import PassTexts, PromptTexts, read
from aura_daemon.formats.prompts.prompt_schedule import PassSteps
from aura_daemon.formats.prompts.prompt_syntax import Section, parse
from aura_daemon.formats.prompts.prompt_tags import extract_loras
from aura_daemon.jobs.results import Failure, FailureKind, Ingredient, IngredientKind

MOST_KEPT: Final = 64
"""Encoded windows; in float32 a window of SD 1.x takes 231 KiB."""

MOST_WINDOWS: Final = 500
"""Windows of all texts in turn together: 113 MiB in float32. A picture keeps them all while it is drawn."""

LEAST_MEAN: Final = 0.01
"""Of the standard deviation: a mean nearer to 0 is noise and is not restored. aura-mini: 0.006, CLIP: about 0.1."""

Key: TypeAlias = tuple[Window, int, Hashable]


ONE_STEP: Final = PassSteps(steps=1, taken=1)


class PassPrompt(Protocol):
    """What a picture is told in one pass: parts that noise is predicted for, and how these are put together."""

    @property
    def is_plain(self) -> bool:
        """Whether both prompts are one text each, the same at all steps, and everywhere in the picture."""

    @property
    def count(self) -> int:
        """How many parts there are."""

    @property
    def is_opposed(self) -> bool:
        """Whether parts pull away from the negative prompt without guidance too."""

    def part(self, number: int, step: int) -> torch.Tensor:
        """The embeddings of a part at a step, from 1."""

    def negative(self, step: int) -> torch.Tensor:
        """Those of the negative prompt."""

    def composed(self, parts: Sequence[torch.Tensor], negative: torch.Tensor | None) -> torch.Tensor:
        """The noise of all parts together, `[1, 4, H / 8, W / 8]` as each; `negative`: where guided, or opposed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedPass:
    """The embeddings of one pass, `[1, 77 * windows, D]` for each of its texts."""

    texts: PassTexts
    embeddings: Mapping[str, torch.Tensor]

    @property
    def is_plain(self) -> bool:
        """Whether both prompts are one text each, the same at all steps."""
        return self.texts.is_constant

    @property
    def count(self) -> int:
        """The texts that `AND` joins."""
        return len(self.texts.parts)

    @property
    def is_opposed(self) -> bool:
        """Whether texts are joined, or one does not count once."""
        return self.texts.composes

    def part(self, number: int, step: int) -> torch.Tensor:
        """Those of a part at a step, from 1."""
        return self.embeddings[self.texts.parts[number].at(step)]

    def negative(self, step: int) -> torch.Tensor:
        """Those of the negative prompt at a step, from 1; only where guidance is on or parts are composed."""
        assert self.texts.negative is not None
        return self.embeddings[self.texts.negative.at(step)]

    def composed(self, parts: Sequence[torch.Tensor], negative: torch.Tensor | None) -> torch.Tensor:
        """Liu et al. 2022, eq. 11: u + sum of w_i * (c_i - u).

        u is the noise of the negative prompt, c_i that of part i with weight w_i.
        """
        if not self.is_opposed:
            return parts[0]
        assert negative is not None
        away = negative.float()
        pulls = [part.weight * (noise.float() - away) for part, noise in zip(self.texts.parts, parts, strict=True)]
        return (away + sum(pulls)).to(parts[0].dtype)


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedPrompt:
    """Both prompts of a picture; all texts of all passes have equally many windows."""

    texts: PromptTexts
    embeddings: Mapping[str, torch.Tensor]
    windows: int
    """Of 77 tokens each."""
    inversions: tuple[Ingredient, ...] = ()
    """The textual inversions that the prompts name."""
    warnings: tuple[str, ...] = ()

    @property
    def said(self) -> tuple[str, ...]:
        """The different texts of the prompt, in turn."""
        return self.texts.said

    def of_pass(self, number: int) -> EncodedPass:
        """The embeddings of a pass, from 0."""
        return EncodedPass(texts=self.texts.passes[number], embeddings=self.embeddings)


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

    def forget(self) -> None:
        """Has every prompt encoded anew."""
        self._kept.clear()

    @torch.no_grad()
    def encode(
        self,
        prompt: str,
        negative_prompt: str,
        *,
        passes: Sequence[PassSteps] = (ONE_STEP,),
        clip_skip: int = 1,
        guided: bool = True,
        adapted: Hashable = (),
        least_windows: int = 1,
    ) -> EncodedPrompt | Failure:
        """Encodes both prompts; a Failure for a clip_skip or a textual inversion that this model cannot use.

        `adapted`: what else the encoder's output depends on at present: its LoRAs with their weights. `least_windows`:
        shorter prompts are filled up with empty windows.
        """
        layers = self._encoder.config.num_hidden_layers
        if clip_skip > layers:
            message = f"clip_skip {clip_skip} leaves nothing of this model's text encoder: it has {layers} layers"
            mend = f"set clip_skip to a whole number from 1 to {layers}"
            return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
        texts = read(extract_loras(prompt).rest, extract_loras(negative_prompt).rest, passes, guided=guided)
        fault = self._inversions.look()
        used: dict[str, TextualInversion] = {}
        cut: dict[str, tuple[Window, ...]] = {}
        for text in dict.fromkeys((*texts.said, *texts.unsaid)):
            if isinstance(found := self._windows(text, used), Failure):
                return found
            cut[text] = found
        most = max(least_windows, *map(len, cut.values()))
        if len(cut) * most > MOST_WINDOWS and len(cut) > 2:
            message = f"the prompts are {len(cut)} texts in turn, of {most} windows: more than {MOST_WINDOWS} windows"
            mend = "shorten the prompts, or let fewer words take turns in `[one|other]`"
            return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
        embeddings = {}
        for text, own in cut.items():
            padded = (*own, *[()] * (most - len(own)))
            embeddings[text] = torch.cat([self._encoded(window, clip_skip, adapted, used) for window in padded], dim=1)
        return EncodedPrompt(
            texts=texts,
            embeddings=embeddings,
            windows=most,
            inversions=tuple(
                Ingredient(kind=IngredientKind.EMBEDDING, name=name, sha256=one.sha256)
                for name, one in sorted(used.items())
            ),
            warnings=(*([fault] if fault else []), *texts.remarks),
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
