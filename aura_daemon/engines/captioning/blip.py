"""BLIP: images to captions. In: RGB images and requests of one batch key. Out: Produced.

The phases are those of `BlipForConditionalGeneration.generate`, run one by one so that each is timed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
import transformers
from PIL import Image

from aura_daemon.config.engine import EMBEDDED, CaptionSettings
from aura_daemon.engines.captioning.loading import load_model
from aura_daemon.engines.defaults import resolve_caption
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.images.thumbnail import thumbnail
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import EngineTiming, Payload, Produced, ResolvedCaption
from aura_daemon.system.library_versions import versions

EXTENSION: Final = ".txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedPicture:
    """What is left of a picture once the captioner's part of it is made: a large one is given up early."""

    pixels: torch.Tensor
    """`[3, H, W]`, as the model sees it."""
    thumbnail: bytes
    warnings: tuple[str, ...]
    image: Image.Image | None
    """Kept for the embedded model, which is asked whether it knows such pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Caption:
    """A caption, and the mean probability of its tokens, 0 to 1."""

    text: str
    confidence: float
    warnings: tuple[str, ...]


class Captioner:
    """A loaded captioner."""

    def __init__(self, files: ModelFiles, placement: Placement, configured: CaptionSettings) -> None:
        """Loads; raises what transformers raises."""
        self.files = files
        self.placement = placement
        self._configured = configured
        self._processor: Any = transformers.BlipProcessor.from_pretrained(str(files.folder), local_files_only=True)
        self._model = load_model(transformers.BlipForConditionalGeneration, files, placement)

    def move_to(self, placement: Placement) -> None:
        """No two rungs of a captioner take the same weights in the same place: there is nothing to change."""
        self.placement = placement

    def prepare(self, read: ReadPicture, *, with_thumbnail: bool) -> PreparedPicture:
        """A picture at the model's size."""
        processor, image = self._processor.image_processor, read.image
        size = processor.size
        if processor.do_resize and {"height", "width"} <= set(size):
            # The processor would take a third of the time to resize, the rest to copy all the pixels to and fro.
            image = image.resize((size["width"], size["height"]), Image.Resampling(processor.resample))
        return PreparedPicture(
            pixels=processor([image], return_tensors="pt").pixel_values[0],
            thumbnail=thumbnail(read.image, wanted=with_thumbnail),
            warnings=read.warnings,
            image=read.image if self.files.carried_name == EMBEDDED else None,
        )

    @torch.no_grad()
    def describe(
        self, pictures: Sequence[PreparedPicture], requests: Sequence[CaptionRequest], peak: PeakMemory
    ) -> list[Produced]:
        """A caption of each picture; the requests differ in their image alone. Raises what torch raises.

        What all of them took is shared among their timings.
        """
        resolved = [resolve_caption(request, self._configured, self.files.own) for request in requests]
        began = time.monotonic()
        embedded = self._encode(pictures)
        encoded_at = time.monotonic()
        captions = self._decode(embedded, resolved[0])
        count = len(captions)
        timing = EngineTiming(encoded_s=(encoded_at - began) / count, decoded_s=(time.monotonic() - encoded_at) / count)
        return [
            Produced(
                payloads=(Payload(extension=EXTENSION, content=f"{caption.text}\n".encode()),),
                resolved=one,
                model=self.files.name,
                model_sha256=self.files.sha256,
                device=self.placement.device,
                dtype=self.placement.dtype,
                rung=self.placement.rung,
                variant=self.placement.variant,
                batch_size=count,
                timing=timing,
                peak_bytes=peak.highest_bytes(),
                text=caption.text,
                warnings=(*picture.warnings, *caption.warnings, *_doubts(picture, caption)),
                thumbnail=picture.thumbnail,
                versions=versions(),
            )
            for picture, one, caption in zip(pictures, resolved, captions, strict=True)
        ]

    def _encode(self, pictures: Sequence[PreparedPicture]) -> torch.Tensor:
        """Images to embeddings `[B, patches + 1, D]`."""
        pixels = torch.stack([picture.pixels for picture in pictures])
        embedded: torch.Tensor = self._model.vision_model(
            pixel_values=pixels.to(self.placement.device, self.placement.torch_dtype)
        )[0]
        return embedded

    def _decode(self, embedded: torch.Tensor, resolved: ResolvedCaption) -> list[_Caption]:
        """Embeddings to words; each step takes the most likely token. All captions begin with the same words."""
        text_config = self._model.config.text_config
        start, warnings = self._start(resolved)
        start = start.expand(len(embedded), -1)
        room = text_config.max_position_embeddings - start.shape[1]
        if resolved.max_new_tokens > room:
            warnings += (f"max_new_tokens {resolved.max_new_tokens} is more than this model has room for: {room}",)
        written = self._model.text_decoder.generate(
            input_ids=start,
            attention_mask=torch.ones_like(start),
            encoder_hidden_states=embedded,
            encoder_attention_mask=torch.ones(embedded.shape[:2], dtype=torch.long, device=embedded.device),
            eos_token_id=text_config.sep_token_id,
            pad_token_id=text_config.pad_token_id,
            max_new_tokens=min(resolved.max_new_tokens, room),
            do_sample=False,
            num_beams=1,
            output_scores=True,
            return_dict_in_generate=True,
        )
        captions = []
        for row, tokens in enumerate(written.sequences):
            new = _without_padding(tokens[start.shape[1] :], text_config.sep_token_id)
            text = self._processor.decode(tokens[: start.shape[1] + len(new)], skip_special_tokens=True).strip()
            none = () if text else ("the model found no words for this picture",)
            chance = _confidence([score[row] for score in written.scores[: len(new)]], new)
            captions.append(_Caption(text=text, confidence=chance, warnings=warnings + none))
        return captions

    def _start(self, resolved: ResolvedCaption) -> tuple[torch.Tensor, tuple[str, ...]]:
        """Token ids `[1, n]` that the caption begins with: the begin mark, then the user's words."""
        text_config = self._model.config.text_config
        words = self._processor.tokenizer(resolved.prompt, add_special_tokens=False, verbose=False).input_ids
        most = text_config.max_position_embeddings // 2
        warnings: tuple[str, ...] = ()
        if len(words) > most:
            warnings = (f"the prompt has {len(words)} tokens; only the first {most} begin the caption",)
        ids = [text_config.bos_token_id, *words[:most]]
        return torch.tensor([ids], dtype=torch.long, device=self.placement.device), warnings


def _doubts(picture: PreparedPicture, caption: _Caption) -> tuple[str, ...]:
    """What the embedded model says of pictures that it was not made for."""
    if picture.image is None:
        return ()
    from aura_daemon.mini.knowledge import image_warnings

    return image_warnings(picture.image, caption.text, caption.confidence)


def _without_padding(tokens: torch.Tensor, end: int) -> torch.Tensor:
    """The new tokens of one caption up to its end mark; after that come those that fill up the batch."""
    ends = (tokens == end).nonzero()
    return tokens[: int(ends[0]) + 1] if len(ends) else tokens


def _confidence(scores: Sequence[torch.Tensor], tokens: torch.Tensor) -> float:
    """Mean probability of the chosen tokens, the end mark included."""
    chances = [torch.softmax(score.float(), dim=-1)[token] for score, token in zip(scores, tokens, strict=True)]
    return float(torch.stack(chances).mean()) if chances else 0.0
