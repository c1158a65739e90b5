"""BLIP: images to captions. In: RGB images and requests of one batch key. Out: Produced.

The phases are those of `BlipForConditionalGeneration.generate`, run one by one so that each is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
import transformers
from PIL import Image

from aura_daemon.config.engine import EMBEDDED, CaptionSettings
from aura_daemon.engines.captioning.blip_pictures.picture_cache import picture_cache
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
from aura_daemon.jobs.requests import CaptionRequest, Describe, MatchRequest
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import CaptionCandidate, EngineTiming, Payload, Produced
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
    writes: frozenset[Describe] = frozenset({Describe.SENTENCE})
    """What it can say of a picture."""

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
        self._processor: Any = processor.from_pretrained(
            str(files.folder), local_files_only=True, trust_remote_code=False
        )
        self._model = load_model(model, files, placement)

    @property
    def levers(self) -> tuple[str, ...]:
        """What is done to be faster."""
        return ()

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
        written = self._decode(embedded, resolved)
        chosen = [
            ranked(picture.pixels, captions, self._ranker) if len(captions) > 1 else [(captions[0], 0.0)]
            for picture, captions in zip(pictures, written, strict=True)
        ]
        count = len(pictures)
        timing = EngineTiming(encoded_s=(encoded_at - began) / count, decoded_s=(time.monotonic() - encoded_at) / count)
        return [
            self._produced(picture, one, captions, timing, count, peak)
            for picture, one, captions in zip(pictures, resolved, chosen, strict=True)
        ]

    def _produced(
        self,
        picture: PreparedPicture,
        resolved: ResolvedCaption,
        captions: Sequence[tuple[WrittenCaption, float]],
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
            warnings=(*picture.warnings, *self._remarks(resolved), *none, *_doubts(picture, best)),
            thumbnail=picture.thumbnail,
            levers=self.levers,
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

    @property
    def _words(self) -> Any:
        """The part of the configuration that is about words."""
        return self._model.config.text_config

    @property
    def _end(self) -> int:
        """The token that ends a caption."""
        return int(self._words.sep_token_id)

    fills_up = True
    """Whether short beginnings may be filled up before their first word, to be written on together."""

    def _decoder(self, embedded: torch.Tensor, rows: int) -> tuple[Callable[..., Any], dict[str, Any]]:
        """What writes, and what it takes beside the beginnings; `rows`: captions of each picture at once."""
        inputs = {
            "encoder_hidden_states": embedded,
            "encoder_attention_mask": torch.ones(embedded.shape[:2], dtype=torch.long, device=embedded.device),
            "past_key_values": picture_cache(self._model, embedded, rows),
        }
        return self._model.text_decoder.generate, inputs

    def _decode(self, embedded: torch.Tensor, resolved: Sequence[ResolvedCaption]) -> list[list[WrittenCaption]]:
        """Embeddings to the captions of each picture, together where a decoder can."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, one in enumerate(resolved):
            groups.setdefault(self._shape(one), []).append(number)
        captions: dict[int, list[WrittenCaption]] = {}
        for rows in groups.values():
            looked = embedded[rows] if len(groups) > 1 else embedded  # which are large to copy
            captions.update(zip(rows, self._write(looked, [resolved[row] for row in rows]), strict=True))
        return [captions[number] for number in range(len(resolved))]

    def _shape(self, resolved: ResolvedCaption) -> tuple[int, ...]:
        """What is equal among captions that are written together."""
        begun = len(self._start(resolved))
        return (self._most_tokens(resolved), 0 if self.fills_up else begun)

    def _write(self, embedded: torch.Tensor, resolved: Sequence[ResolvedCaption]) -> list[list[WrittenCaption]]:
        """The captions of some pictures by requests of one shape.

        Before a short beginning stand marks that the decoder's mask hides; its words keep their positions.
        """
        starts = [self._start(one) for one in resolved]
        begun, mark = max(map(len, starts)), self._words.pad_token_id
        generate, inputs = self._decoder(embedded, resolved[0].rows)

        def rows(told: Iterable[list[int]]) -> torch.Tensor:
            return torch.tensor(list(told), dtype=torch.long, device=self.placement.device)

        inputs |= {
            "input_ids": rows([mark] * (begun - len(start)) + start for start in starts),
            "attention_mask": rows([0] * (begun - len(start)) + [1] * len(start) for start in starts),
            "eos_token_id": self._end,
            "pad_token_id": mark,
        }
        most = self._most_tokens(resolved[0])
        written = write(generate, inputs, resolved, begun=begun, end=self._end, most_tokens=most)
        return [
            [self._in_words((*start, *one.tokens), one, request.max_words) for one in ones]
            for start, request, ones in zip(starts, resolved, written, strict=True)
        ]

    def _in_words(self, tokens: Sequence[int], written: WrittenTokens, most_words: int) -> WrittenCaption:
        whole = self._processor.decode(tokens, skip_special_tokens=True).strip()
        return WrittenCaption(
            text=shortened(whole, most_words),
            whole=whole,
            log_probability=written.log_probability,
            probability=written.probability,
        )

    def _remarks(self, resolved: ResolvedCaption) -> tuple[str, ...]:
        """What there is to say of one request."""
        words, most = self._prompt(resolved), self._most_prompt
        room, wanted = self._room(resolved), resolved.max_new_tokens
        told = (
            (len(words) > most, f"the prompt has {len(words)} tokens; only the first {most} begin the caption"),
            (wanted > room, f"max_new_tokens {wanted} is more than this model has room for: {room}"),
        )
        return tuple(text for holds, text in told if holds)

    def _start(self, resolved: ResolvedCaption) -> list[int]:
        """Tokens that the caption begins with: the begin mark, then the user's words."""
        return [self._words.bos_token_id, *self._prompt(resolved)[: self._most_prompt]]

    def _prompt(self, resolved: ResolvedCaption) -> list[int]:
        tokens: list[int] = self._processor.tokenizer(
            resolved.prompt, add_special_tokens=False, verbose=False
        ).input_ids
        return tokens

    @property
    def _most_prompt(self) -> int:
        return int(self._words.max_position_embeddings) // 2

    def _room(self, resolved: ResolvedCaption) -> int:
        """Tokens that the model has positions for, after the beginning."""
        return int(self._words.max_position_embeddings) - len(self._start(resolved))

    def _most_tokens(self, resolved: ResolvedCaption) -> int:
        return min(resolved.max_new_tokens, self._room(resolved))


def _doubts(picture: PreparedPicture, caption: WrittenCaption) -> tuple[str, ...]:
    """What the embedded model says of pictures that it was not made for."""
    if picture.image is None:
        return ()
    from aura_daemon.mini.knowledge import image_warnings

    return image_warnings(picture.image, caption.whole, caption.probability)
