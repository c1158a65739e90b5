"""What captioners have in common that write word by word: how a text begins and ends, and the result it is part of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from aura_daemon.engines.captioning.blip import EXTENSION, PreparedPicture
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.results import EngineTiming, Payload, Produced, ResolvedCaption
from aura_daemon.system.library_versions import versions


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A text, and what there is to say about it."""

    text: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """The tokens that a text begins with, and how many may follow."""

    tokens: tuple[int, ...]
    room: int
    warnings: tuple[str, ...]

    def ids(self, rows: int, device: str) -> torch.Tensor:
        """Token ids `[rows, n]`, the same in each row."""
        return torch.tensor([self.tokens] * rows, dtype=torch.long, device=device)


def beginning(tokenizer: Any, resolved: ResolvedCaption, *, mark: int, positions: int) -> Beginning:
    """The begin mark, then the user's words, which take at most half of the model's positions."""
    words = tokenizer(resolved.prompt, add_special_tokens=False, verbose=False).input_ids
    most = positions // 2
    warnings: tuple[str, ...] = ()
    if len(words) > most:
        warnings = (f"the prompt has {len(words)} tokens; only the first {most} begin the caption",)
    tokens = (mark, *words[:most])
    room = positions - len(tokens)
    if resolved.max_new_tokens > room:
        warnings += (f"max_new_tokens {resolved.max_new_tokens} is more than this model has room for: {room}",)
    return Beginning(tokens=tokens, room=min(resolved.max_new_tokens, room), warnings=warnings)


def finished(tokenizer: Any, tokens: torch.Tensor, beginning: Beginning, end: int) -> Written:
    """The text of one row `[n]` up to its end mark; after that come tokens that fill up the batch."""
    first = len(beginning.tokens)
    ends = (tokens[first:] == end).nonzero()
    whole = tokens[: first + int(ends[0]) + 1] if len(ends) else tokens
    text = tokenizer.decode(whole, skip_special_tokens=True).strip()
    none = () if text else ("the model found no words for this picture",)
    return Written(text=text, warnings=beginning.warnings + none)


def produced(
    *,
    written: Written,
    picture: PreparedPicture,
    resolved: ResolvedCaption,
    files: ModelFiles,
    placement: Placement,
    timing: EngineTiming,
    batch_size: int,
    peak_bytes: int,
) -> Produced:
    """The result of one job. `timing`: its share of what the batch took."""
    return Produced(
        payloads=(Payload(extension=EXTENSION, content=f"{written.text}\n".encode()),),
        resolved=resolved,
        model=files.name,
        model_sha256=files.sha256,
        device=placement.device,
        dtype=placement.dtype,
        rung=placement.rung,
        variant=placement.variant,
        batch_size=batch_size,
        timing=timing,
        peak_bytes=peak_bytes,
        text=written.text,
        warnings=(*picture.warnings, *written.warnings),
        thumbnail=picture.thumbnail,
        versions=versions(),
    )


def prepared(processor: Any, image: Any, thumbnail: bytes, warnings: tuple[str, ...]) -> PreparedPicture:
    """A picture as an image processor makes it."""
    return PreparedPicture(
        pixels=processor([image], return_tensors="pt").pixel_values[0],
        thumbnail=thumbnail,
        warnings=warnings,
        image=None,
    )
