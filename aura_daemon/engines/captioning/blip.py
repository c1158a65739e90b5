"""BLIP: images to captions. In: RGB images and requests of one batch key. Out: Produced.

The phases are those of `BlipForConditionalGeneration.generate`, run one by one so that each is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
import transformers
from PIL import Image
from transformers import DynamicCache, EncoderDecoderCache

from aura_daemon.config.engine import EMBEDDED, CaptionSettings
from aura_daemon.engines.captioning.loading import load_model
from aura_daemon.engines.captioning.ranking import OwnLikelihood, Ranker, WrittenCaption, ranked
from aura_daemon.engines.captioning.shortening import shortened
from aura_daemon.engines.captioning.writing import WrittenTokens, write
from aura_daemon.engines.defaults import resolve_caption
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.images.thumbnail import thumbnail
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.requests import CaptionRequest, MatchRequest
from aura_daemon.jobs.results import CaptionCandidate, EngineTiming, Payload, Produced, ResolvedCaption
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


class Captioner:
    """A loaded captioner. Those of other architectures say what is different: `git`, `blip_vqa`."""

    kinds: tuple[Any, Any] = (transformers.BlipProcessor, transformers.BlipForConditionalGeneration)
    """What reads its processor and its weights."""

    def __init__(
        self,
        files: ModelFiles,
        placement: Placement,
        configured: CaptionSettings,
        ranker: Ranker = OwnLikelihood(),  # noqa: B008 - it has no state
    ) -> None:
        """Loads; raises what transformers raises. `ranker`: chooses among several captions of a picture."""
        self._ranker = ranker
        self.files = files
        self.placement = placement
        self._configured = configured
        processor, model = self.kinds
        self._processor: Any = processor.from_pretrained(str(files.folder), local_files_only=True)
        self._model = load_model(model, files, placement)

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
        self, pictures: Sequence[PreparedPicture], requests: Sequence[CaptionRequest | MatchRequest], peak: PeakMemory
    ) -> list[Produced]:
        """A caption of each picture, by requests of one batch key. Raises what torch raises.

        What all of them took is shared among their timings.
        """
        resolved = [
            resolve_caption(request, self._configured, self.files.own)
            for request in requests
            if isinstance(request, CaptionRequest)
        ]
        began = time.monotonic()
        embedded = self._encode(pictures, resolved)
        encoded_at = time.monotonic()
        written, warnings = self._decode(embedded, resolved)
        chosen = [
            ranked(picture.pixels, captions, self._ranker) if len(captions) > 1 else [(captions[0], 0.0)]
            for picture, captions in zip(pictures, written, strict=True)
        ]
        count = len(pictures)
        timing = EngineTiming(encoded_s=(encoded_at - began) / count, decoded_s=(time.monotonic() - encoded_at) / count)
        return [
            self._produced(picture, one, captions, warnings, timing, count, peak)
            for picture, one, captions in zip(pictures, resolved, chosen, strict=True)
        ]

    def _produced(
        self,
        picture: PreparedPicture,
        resolved: ResolvedCaption,
        captions: Sequence[tuple[WrittenCaption, float]],
        warnings: tuple[str, ...],
        timing: EngineTiming,
        count: int,
        peak: PeakMemory,
    ) -> Produced:
        """The result of one picture; `captions`: with their scores, the best first."""
        best = captions[0][0]
        none = () if best.text else ("the model found no words for this picture",)
        several = captions if resolved.candidates > 1 else ()
        return Produced(
            payloads=(Payload(extension=EXTENSION, content=f"{best.text}\n".encode()),),
            resolved=resolved,
            model=self.files.name,
            model_sha256=self.files.sha256,
            device=self.placement.device,
            dtype=self.placement.dtype,
            rung=self.placement.rung,
            variant=self.placement.variant,
            batch_size=count,
            timing=timing,
            peak_bytes=peak.highest_bytes(),
            text=best.text,
            candidates=tuple(CaptionCandidate(text=one.text, score=score) for one, score in several),
            ranked_by=self._ranker.by if several else "",
            warnings=(*picture.warnings, *self._remarks(resolved), *warnings, *none, *_doubts(picture, best)),
            thumbnail=picture.thumbnail,
            versions=versions(),
        )

    def _pixels(self, pictures: Sequence[PreparedPicture]) -> torch.Tensor:
        """`[B, 3, H, W]`, where and as the model computes."""
        pixels = torch.stack([picture.pixels for picture in pictures])
        return pixels.to(self.placement.device, self.placement.torch_dtype)

    def _encode(self, pictures: Sequence[PreparedPicture], resolved: Sequence[ResolvedCaption]) -> torch.Tensor:
        """Images to embeddings `[B, patches + 1, D]`."""
        embedded: torch.Tensor = self._model.vision_model(pixel_values=self._pixels(pictures))[0]
        return embedded

    def _remarks(self, resolved: ResolvedCaption) -> tuple[str, ...]:
        """What there is to say of one request, beside what there is of all of a batch."""
        return ()

    @property
    def _words(self) -> Any:
        """The part of the configuration that is about words."""
        return self._model.config.text_config

    @property
    def _end(self) -> int:
        """The token that ends a caption."""
        return int(self._words.sep_token_id)

    def _decoder(self, embedded: torch.Tensor, rows: int) -> tuple[Callable[..., Any], dict[str, Any]]:
        """What writes, and what it takes beside the beginning; `rows`: captions of each picture at once."""
        inputs = {
            "encoder_hidden_states": embedded,
            "encoder_attention_mask": torch.ones(embedded.shape[:2], dtype=torch.long, device=embedded.device),
            "past_key_values": self._seen(embedded, rows),
        }
        return self._model.text_decoder.generate, inputs

    def _decode(
        self, embedded: torch.Tensor, resolved: Sequence[ResolvedCaption]
    ) -> tuple[list[list[WrittenCaption]], tuple[str, ...]]:
        """Embeddings to the captions of each picture, all of which begin with the same words; and warnings."""
        start, warnings = self._start(resolved[0])
        begun, most = start.shape[1], resolved[0].max_new_tokens
        room = self._words.max_position_embeddings - begun
        if most > room:
            warnings += (f"max_new_tokens {most} is more than this model has room for: {room}",)
        starts = start.expand(len(embedded), -1)
        generate, inputs = self._decoder(embedded, resolved[0].rows)
        inputs |= {
            "input_ids": starts,
            "attention_mask": torch.ones_like(starts),
            "eos_token_id": self._end,
            "pad_token_id": self._words.pad_token_id,
        }
        written = write(generate, inputs, resolved, begun=begun, end=self._end, most_tokens=min(most, room))
        captions = [
            [self._in_words((*start[0].tolist(), *one.tokens), one, request.max_words) for one in ones]
            for request, ones in zip(resolved, written, strict=True)
        ]
        return captions, warnings

    def _seen(self, embedded: torch.Tensor, rows: int) -> _PictureCache:
        """Keys and values of the pictures, computed once for all captions of each.

        They lie in one piece, which is given back whole: of many, an allocator keeps the gaps between them.
        """
        text_config = self._model.config.text_config
        layers = self._model.text_decoder.bert.encoder.layer
        count, patches = embedded.shape[:2]
        heads, width = text_config.num_attention_heads, text_config.hidden_size // text_config.num_attention_heads
        kept = embedded.new_empty(len(layers), 2, count, rows, heads, patches, width)
        cache = _PictureCache(DynamicCache(config=text_config), DynamicCache(config=text_config))
        for number, layer in enumerate(layers):
            attention = layer.crossattention.self
            for place, states in zip(kept[number], (attention.key, attention.value), strict=True):
                place.copy_(states(embedded).view(count, 1, patches, heads, width).transpose(2, 3))
            keys, values = kept[number].flatten(1, 2)
            told = cache.cross_attention_cache.layers[number]
            told.lazy_initialization(keys, values)
            told.keys, told.values = keys, values
            cache.is_updated[number] = True
        return cache

    def _in_words(self, tokens: Sequence[int], written: WrittenTokens, most_words: int) -> WrittenCaption:
        whole = self._processor.decode(tokens, skip_special_tokens=True).strip()
        return WrittenCaption(
            text=shortened(whole, most_words),
            whole=whole,
            log_probability=written.log_probability,
            probability=written.probability,
        )

    def _start(self, resolved: ResolvedCaption) -> tuple[torch.Tensor, tuple[str, ...]]:
        """Token ids `[1, n]` that the caption begins with: the begin mark, then the user's words."""
        words = self._processor.tokenizer(resolved.prompt, add_special_tokens=False, verbose=False).input_ids
        most = self._words.max_position_embeddings // 2
        warnings: tuple[str, ...] = ()
        if len(words) > most:
            warnings = (f"the prompt has {len(words)} tokens; only the first {most} begin the caption",)
        ids = [self._words.bos_token_id, *words[:most]]
        return torch.tensor([ids], dtype=torch.long, device=self.placement.device), warnings


class _PictureCache(EncoderDecoderCache):  # type: ignore[misc]
    """Leaves keys and values of a picture where they are: they are the same for all its beams, and large to copy."""

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        self.self_attention_cache.reorder_cache(beam_idx)


def _doubts(picture: PreparedPicture, caption: WrittenCaption) -> tuple[str, ...]:
    """What the embedded model says of pictures that it was not made for."""
    if picture.image is None:
        return ()
    from aura_daemon.mini.knowledge import image_warnings

    return image_warnings(picture.image, caption.whole, caption.probability)
