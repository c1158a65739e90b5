"""BLIP that answers questions. In: RGB images and requests with a question. Out: Produced, its text the answer.

The phases are those of `BlipForQuestionAnswering.generate`: the picture is encoded, the question is read beside it, the
answer is written from what was read. The decoder of transformers 5.23 attends to what fills up short questions,
whatever its mask says: so questions are read together, and answers written for those of one length at a time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from aura_daemon.config.engine import CaptionSettings
from aura_daemon.engines.captioning.blip import PreparedPicture
from aura_daemon.engines.captioning.likeliest import Written, beginning, finished, prepared, produced
from aura_daemon.engines.captioning.loading import load_model
from aura_daemon.engines.defaults import resolve_caption
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.images.thumbnail import thumbnail
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import EngineTiming, Produced, ResolvedCaption


@dataclass(frozen=True, kw_only=True, slots=True)
class _ReadQuestions:
    """Questions read beside their pictures."""

    embedded: torch.Tensor
    """`[B, tokens, D]`, the short ones filled up."""
    lengths: tuple[int, ...]
    """Tokens of each."""
    warnings: Sequence[tuple[str, ...]]

    def alike(self) -> list[list[int]]:
        """Numbers of the questions, those of one length together."""
        groups: dict[int, list[int]] = {}
        for number, length in enumerate(self.lengths):
            groups.setdefault(length, []).append(number)
        return list(groups.values())


class BlipAnswerer:
    """A loaded BLIP for questions."""

    def __init__(self, files: ModelFiles, placement: Placement, configured: CaptionSettings) -> None:
        """Loads; raises what transformers raises."""
        self.files = files
        self.placement = placement
        self._configured = configured
        self._processor: Any = transformers.BlipProcessor.from_pretrained(str(files.folder), local_files_only=True)
        self._model = load_model(transformers.BlipForQuestionAnswering, files, placement)

    def move_to(self, placement: Placement) -> None:
        """No two rungs of a captioner take the same weights in the same place: there is nothing to change."""
        self.placement = placement

    def prepare(self, read: ReadPicture, *, with_thumbnail: bool) -> PreparedPicture:
        """A picture at the model's size."""
        small = thumbnail(read.image, wanted=with_thumbnail)
        return prepared(self._processor.image_processor, read.image, small, read.warnings)

    @torch.no_grad()
    def describe(
        self, pictures: Sequence[PreparedPicture], requests: Sequence[CaptionRequest], peak: PeakMemory
    ) -> list[Produced]:
        """An answer about each picture; raises what torch raises."""
        resolved = [resolve_caption(request, self._configured, self.files.own) for request in requests]
        count = len(resolved)
        began = time.monotonic()
        questions = self._read(pictures, [one.question for one in resolved])
        read_at = time.monotonic()
        answers = self._answer(questions, resolved[0])
        timing = EngineTiming(encoded_s=(read_at - began) / count, decoded_s=(time.monotonic() - read_at) / count)
        return [
            produced(
                written=Written(text=answer.text, warnings=warnings + answer.warnings),
                picture=picture,
                resolved=asked,
                files=self.files,
                placement=self.placement,
                timing=timing,
                batch_size=count,
                peak_bytes=peak.highest_bytes(),
            )
            for answer, warnings, picture, asked in zip(answers, questions.warnings, pictures, resolved, strict=True)
        ]

    def _read(self, pictures: Sequence[PreparedPicture], questions: Sequence[str]) -> _ReadQuestions:
        device, positions = self.placement.device, self._model.config.text_config.max_position_embeddings
        pixels = torch.stack([picture.pixels for picture in pictures]).to(device, self.placement.torch_dtype)
        seen = self._model.vision_model(pixel_values=pixels)[0]
        tokenizer = self._processor.tokenizer
        lengths = [len(ids) for ids in tokenizer(list(questions), verbose=False).input_ids]
        words = tokenizer(list(questions), padding=True, truncation=True, max_length=positions, return_tensors="pt")
        embedded = self._model.text_encoder(
            input_ids=words.input_ids.to(device),
            attention_mask=words.attention_mask.to(device),
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=device),
            return_dict=False,
        )[0]
        cut = "the question has {} tokens; only the first {} are read"
        warnings = [(cut.format(length, positions),) if length > positions else () for length in lengths]
        read = tuple(min(length, positions) for length in lengths)
        return _ReadQuestions(embedded=embedded, lengths=read, warnings=warnings)

    def _answer(self, questions: _ReadQuestions, resolved: ResolvedCaption) -> list[Written]:
        """The most likely words; all answers begin with the same ones."""
        text, tokenizer = self._model.config.text_config, self._processor.tokenizer
        begun = beginning(tokenizer, resolved, mark=text.bos_token_id, positions=text.max_position_embeddings)
        answers: dict[int, Written] = {}
        for rows in questions.alike():
            embedded = questions.embedded[rows, : questions.lengths[rows[0]]]
            ids = begun.ids(len(rows), self.placement.device)
            tokens = self._model.text_decoder.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                encoder_hidden_states=embedded,
                encoder_attention_mask=torch.ones(embedded.shape[:2], dtype=torch.long, device=embedded.device),
                eos_token_id=text.sep_token_id,
                pad_token_id=text.pad_token_id,
                max_new_tokens=begun.room,
                do_sample=False,
                num_beams=1,
            )
            answers.update(
                zip(rows, (finished(tokenizer, row, begun, text.sep_token_id) for row in tokens), strict=True)
            )
        return [answers[number] for number in range(len(questions.lengths))]
