"""Prompts -> embeddings: windows chained and weights as A1111 has them, textual inversions, layers left out.

In: texts. Out: embeddings that Stable Diffusion 1.x attends to, kept for the next job that says the same.

compel, which diffusers recommends, knows neither `BREAK` nor A1111's preference for commas at the end of a window, and
weighs otherwise: `(red:0.5)` differs by 29 % from A1111's embeddings, `(red:1.3)` by 3 % (aura-mini, relative norm).
The same prompt would draw another picture than people know it to.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from aura_daemon.core.job import Failure, FailureKind, Ingredient, IngredientKind
from aura_daemon.core.names import escaped
from aura_daemon.core.promptsyntax import Break, Piece, pieces_of

COMMA_REACH: Final = 20
"""Tokens at the end of a full window among which the last comma is where the next one begins; A1111's."""

KEPT: Final = 64
"""Texts whose embeddings are kept: 0.2 MiB each in half precision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """Embeddings, `[1, 77 * windows, D]`; no negative ones where guidance is off."""

    prompt: torch.Tensor
    negative: torch.Tensor | None
    windows: int = 1
    inversions: tuple[Inversion, ...] = ()
    """Those that the texts name."""

    def ingredients(self) -> Iterator[Ingredient]:
        """For the sidecar."""
        for inversion in self.inversions:
            yield Ingredient(kind=IngredientKind.EMBEDDING, name=inversion.name, sha256=inversion.sha256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inversion:
    """A word of a model's own that somebody trained: `[n, D]` in the place of its tokens."""

    name: str
    vectors: torch.Tensor = field(repr=False, compare=False)
    stamp: tuple[int, int]
    """Size and time of its file."""
    sha256: str


@dataclass(slots=True)
class _Window:
    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    places: list[tuple[int, Inversion]] = field(default_factory=list)
    """Where vectors stand in for tokens."""


class Unusable(Exception):
    """A text that this model cannot be given, and why."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.failure = Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)


class Prompts:
    """The text side of one pipeline."""

    def __init__(self, tokenizer: Any, text_encoder: Any, device: str, folder: str | None) -> None:
        """`folder`: of textual inversions."""
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder
        self._device = device
        self._folder = Path(folder) if folder is not None else None
        self._room = tokenizer.model_max_length - 2
        """Tokens of a window between those that mark its begin and end."""
        self._commas = set(tokenizer(",", add_special_tokens=False).input_ids[-1:])
        self._known: OrderedDict[Hashable, torch.Tensor] = OrderedDict()
        self._inversions: dict[str, Inversion] = {}

    def encode(
        self, prompt: str, negative_prompt: str, *, clip_skip: int, guided: bool, under: Hashable = ()
    ) -> Encoded:
        """Both texts, the shorter one filled up with empty windows; raises Unusable.

        `under`: what else the text encoder's answer depends on, a LoRA that is on.
        """
        words = self._words()
        windows = self._windows(prompt, words)
        others = self._windows(negative_prompt, words) if guided else []
        count = max(len(windows), len(others))
        used = tuple(dict.fromkeys(inversion for window in (*windows, *others) for _, inversion in window.places))
        return Encoded(
            prompt=self._embeddings(windows, count, clip_skip, under),
            negative=self._embeddings(others, count, clip_skip, under) if guided else None,
            windows=count,
            inversions=used,
        )

    # -- windows ---------------------------------------------------------------------------------------------------

    def _windows(self, text: str, words: dict[tuple[int, ...], str]) -> list[_Window]:
        """The tokens of a text in windows of 75, at least one."""
        full: list[_Window] = []
        window, last_comma = _Window(), -1
        for piece in pieces_of(text):
            if isinstance(piece, Break):
                full.append(window)
                window, last_comma = _Window(), -1
                continue
            for token, inversion in self._tokens(piece, words):
                size = len(inversion.vectors) if inversion is not None else 1
                if inversion is None and token in self._commas:
                    last_comma = len(window.tokens)
                elif last_comma >= 0 and len(window.tokens) == self._room <= last_comma + COMMA_REACH:
                    window, rest = _split(window, last_comma + 1)
                    full.append(window)
                    window, last_comma = rest, -1
                if len(window.tokens) + size > self._room:
                    full.append(window)
                    window, last_comma = _Window(), -1
                if inversion is not None:
                    window.places.append((len(window.tokens), inversion))
                window.tokens += [token] * size
                window.weights += [piece.weight] * size
        return [*full, window] if window.tokens or not full else full

    def _tokens(self, piece: Piece, words: dict[tuple[int, ...], str]) -> Iterator[tuple[int, Inversion | None]]:
        """The tokens of a piece; of a textual inversion's name only the first, with what stands for all of them."""
        tokens = self._tokenizer(piece.text, add_special_tokens=False, verbose=False).input_ids
        longest = max(map(len, words), default=0)
        position = 0
        while position < len(tokens):
            for length in range(min(longest, len(tokens) - position), 0, -1):
                name = words.get(tuple(tokens[position : position + length]))
                if name is not None:
                    yield tokens[position], self._inversion(name)
                    position += length
                    break
            else:
                yield tokens[position], None
                position += 1

    # -- embeddings ------------------------------------------------------------------------------------------------

    def _embeddings(self, windows: list[_Window], count: int, clip_skip: int, under: Hashable) -> torch.Tensor:
        """`[1, 77 * count, D]`."""
        filled = [*windows, *(_Window() for _ in range(count - len(windows)))]
        return torch.cat([self._embedding(window, clip_skip, under) for window in filled], dim=1)

    def _embedding(self, window: _Window, clip_skip: int, under: Hashable) -> torch.Tensor:
        """One window, `[1, 77, D]`."""
        places = tuple((place, inversion.name, inversion.stamp) for place, inversion in window.places)
        key = (tuple(window.tokens), tuple(window.weights), places, clip_skip, under)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        hidden = self._known[key] = self._encoded(window, clip_skip)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return hidden

    def _encoded(self, window: _Window, clip_skip: int) -> torch.Tensor:
        begin, end, fill = (
            self._tokenizer.bos_token_id,
            self._tokenizer.eos_token_id,
            self._tokenizer.pad_token_id,
        )
        blank = self._room - len(window.tokens)
        tokens = torch.tensor([[begin, *window.tokens, end, *[fill] * blank]], device=self._device)
        with self._standing_in(window.places):
            if clip_skip == 1:
                hidden = self._text_encoder(tokens)[0]
            else:
                layers = self._text_encoder(tokens, output_hidden_states=True).hidden_states
                hidden = _final_norm(self._text_encoder)(layers[-min(clip_skip, len(layers))])
        hidden = hidden.to(self._text_encoder.dtype)
        if any(weight != 1.0 for weight in window.weights):
            weights = torch.tensor([1.0, *window.weights, *[1.0] * (blank + 1)], device=self._device)
            mean = hidden.float().mean()
            weighed = hidden.float() * weights[None, :, None]
            hidden = (weighed * (mean / weighed.mean())).to(hidden.dtype)
        embedding: torch.Tensor = hidden
        return embedding

    @contextmanager
    def _standing_in(self, places: list[tuple[int, Inversion]]) -> Iterator[None]:
        """Puts vectors in the place of tokens for one call of the text encoder."""
        if not places:
            yield
            return

        def stand_in(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
            output = output.clone()
            for place, inversion in places:
                start = place + 1  # after the token that marks the begin
                output[0, start : start + len(inversion.vectors)] = inversion.vectors.to(output)
            return output

        hook = self._text_encoder.get_input_embeddings().register_forward_hook(stand_in)
        try:
            yield
        finally:
            hook.remove()

    # -- textual inversions ----------------------------------------------------------------------------------------

    def _words(self) -> dict[tuple[int, ...], str]:
        """The tokens of every name in the folder -> the name, as A1111 recognises them: letter case does not count."""
        if self._folder is None:
            return {}
        names = sorted(file.stem for file in self._folder.glob("*.safetensors"))
        found = {tuple(self._tokenizer(name, add_special_tokens=False).input_ids): name for name in names}
        return {tokens: name for tokens, name in found.items() if tokens}

    def _inversion(self, name: str) -> Inversion:
        assert self._folder is not None
        file = self._folder / f"{name}.safetensors"
        shown = escaped(name)
        try:
            status = file.stat()
            stamp = status.st_size, status.st_mtime_ns
            known = self._inversions.get(name)
            if known is not None and known.stamp == stamp:
                return known
            content = file.read_bytes()
            vectors = _vectors(load(content))
        except (OSError, SafetensorError) as error:
            message = f"the textual inversion {shown} cannot be read: {error}"
            raise Unusable(message, "copy its file again, or take its name out of the prompt") from None
        width = self._text_encoder.get_input_embeddings().weight.shape[1]
        if vectors is None or vectors.shape[1] != width or not 1 <= len(vectors) <= self._room:
            found = (
                "holds no vectors" if vectors is None else f"holds {len(vectors)} vectors of {vectors.shape[1]} numbers"
            )
            message = f"the textual inversion {shown} is for another model: it {found}, this one has {width}"
            raise Unusable(message, "take one that was trained for this model, or take its name out of the prompt")
        sha256 = hashlib.sha256(content).hexdigest()
        self._inversions[name] = Inversion(name=name, vectors=vectors, stamp=stamp, sha256=sha256)
        return self._inversions[name]


def _vectors(tensors: dict[str, torch.Tensor]) -> torch.Tensor | None:
    """`[n, D]` of a file as A1111 (`emb_params`) or diffusers (its word) writes it; None of any other."""
    vectors = tensors.get("emb_params", next(iter(tensors.values()), None) if len(tensors) == 1 else None)
    if vectors is None or vectors.ndim not in (1, 2):
        return None
    return vectors[None] if vectors.ndim == 1 else vectors


def _split(window: _Window, at: int) -> tuple[_Window, _Window]:
    """A window cut in two."""
    first = _Window(window.tokens[:at], window.weights[:at], [one for one in window.places if one[0] < at])
    later = [(place - at, inversion) for place, inversion in window.places if place >= at]
    return first, _Window(window.tokens[at:], window.weights[at:], later)


def _final_norm(text_encoder: Any) -> Any:
    """The layer norm after the last layer; transformers has moved it."""
    inner = getattr(text_encoder, "text_model", text_encoder)
    return inner.final_layer_norm
