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
from aura_daemon.jobs.results import ResolvedCaption


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

    def _decode(
        self, embedded: torch.Tensor, resolved: Sequence[ResolvedCaption]
    ) -> tuple[list[list[WrittenCaption]], tuple[str, ...]]:
        """Embeddings to answers, for questions of one length together; and warnings."""
        groups: dict[int, list[int]] = {}
        for number, one in enumerate(resolved):
            groups.setdefault(min(self._length(one), embedded.shape[1]), []).append(number)
        answers: dict[int, list[WrittenCaption]] = {}
        warnings: tuple[str, ...] = ()
        for length, rows in groups.items():
            written, warnings = super()._decode(embedded[rows, :length], [resolved[row] for row in rows])
            answers.update(zip(rows, written, strict=True))
        return [answers[number] for number in range(len(resolved))], warnings

    def _remarks(self, resolved: ResolvedCaption) -> tuple[str, ...]:
        length, most = self._length(resolved), self._words.max_position_embeddings
        return (f"the question has {length} tokens; only the first {most} are read",) if length > most else ()

    def _length(self, resolved: ResolvedCaption) -> int:
        """Tokens of a question, with the marks around it."""
        return len(self._processor.tokenizer(resolved.question, verbose=False).input_ids)
