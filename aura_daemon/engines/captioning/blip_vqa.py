"""BLIP that answers questions. In: RGB images and requests with a question. Out: Produced, its text the answer.

The phases are those of `BlipForQuestionAnswering.generate`: the picture is encoded, the question is read beside it, the
answer is written from what was read. The decoder of transformers 5.23 attends to what fills up short questions,
whatever its mask says: so questions are read together, and answers written for those of one length at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import transformers

from aura_daemon.engines.captioning.blip import Captioner, PreparedPicture
from aura_daemon.engines.captioning.ranking import WrittenCaption
from aura_daemon.jobs.resolved import ResolvedCaption


class BlipAnswerer(Captioner):
    """A loaded BLIP for questions."""

    kinds = (transformers.BlipProcessor, transformers.BlipForQuestionAnswering)

    def _encode(self, pictures: Sequence[PreparedPicture], resolved: Sequence[ResolvedCaption]) -> torch.Tensor:
        """Images and questions to embeddings of the questions `[B, tokens, D]`, the short ones filled up."""
        seen = super()._encode(pictures, resolved)
        words = self._processor.tokenizer(
            [one.question for one in resolved],
            padding=True,
            truncation=True,
            max_length=self._words.max_position_embeddings,
            return_tensors="pt",
        )
        embedded: torch.Tensor = self._model.text_encoder(
            input_ids=words.input_ids.to(seen.device),
            attention_mask=words.attention_mask.to(seen.device),
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=seen.device),
            return_dict=False,
        )[0]
        return embedded

    def _shape(self, resolved: ResolvedCaption) -> tuple[int, ...]:
        return (*super()._shape(resolved), min(self._length(resolved), self._words.max_position_embeddings))

    def _write(self, embedded: torch.Tensor, resolved: Sequence[ResolvedCaption]) -> list[list[WrittenCaption]]:
        """Without what fills up their questions."""
        return super()._write(embedded[:, : self._length(resolved[0])], resolved)

    def _remarks(self, resolved: ResolvedCaption) -> tuple[str, ...]:
        length, most = self._length(resolved), self._words.max_position_embeddings
        cut = (f"the question has {length} tokens; only the first {most} are read",) if length > most else ()
        return (*cut, *super()._remarks(resolved))

    def _length(self, resolved: ResolvedCaption) -> int:
        """Tokens of a question, with the marks around it."""
        return len(self._processor.tokenizer(resolved.question, verbose=False).input_ids)
