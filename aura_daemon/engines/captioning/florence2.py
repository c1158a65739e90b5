"""Florence-2: images to captions, long or short, and to tags. In: RGB images and requests of one batch key.

A question stands for each task (Xiao et al. 2023, Florence-2); the phases are those of
`Florence2ForConditionalGeneration.generate`: picture and question are encoded, then the words are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
import transformers
from transformers.modeling_outputs import BaseModelOutput

from aura_daemon.config.engine import CaptionSettings
from aura_daemon.engines.captioning.blip import Captioner, PreparedPicture
from aura_daemon.engines.captioning.ranking import WrittenCaption
from aura_daemon.engines.captioning.shortening import shortened
from aura_daemon.engines.captioning.writing import WrittenTokens
from aura_daemon.engines.failures import UnfitModel
from aura_daemon.engines.model_files.configurations import read_json
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.weights import unavailable
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.requests import Describe
from aura_daemon.jobs.resolved import ResolvedCaption

TASKS: Final = {
    Describe.SENTENCE: "<CAPTION>",
    Describe.DETAILED: "<DETAILED_CAPTION>",
    Describe.PARAGRAPH: "<MORE_DETAILED_CAPTION>",
    Describe.TAGS: "<OD>",
}
"""The names that the processor has for them."""

_TAG: Final = re.compile(r"([^<>]+)(?:<loc_\d+>){4}")
"""What is seen, and the corners of where."""


class Florence2Captioner(Captioner):
    """A loaded Florence-2."""

    kinds = (transformers.Florence2Processor, transformers.Florence2ForConditionalGeneration)
    writes = frozenset(TASKS)
    fills_up = False  # the decoder counts positions from the first token, hidden or not

    def __init__(self, files: ModelFiles, placement: Placement, configured: CaptionSettings) -> None:
        """Loads; raises what transformers raises, and UnfitModel for the layout that takes code from the hub."""
        if read_json(files.folder / "config.json").get("auto_map"):
            cause, mend = "it has the layout of its first release", "name florence-community/Florence-2-base or its kin"
            raise UnfitModel(unavailable(files.name, cause, mend))
        super().__init__(files, placement, configured)

    def _encode(self, pictures: Sequence[PreparedPicture], resolved: Sequence[ResolvedCaption]) -> torch.Tensor:
        """Images, and the question of the task, to embeddings `[B, patches + tokens, D]`."""
        model = self._model.model
        seen = model.get_image_features(self._pixels(pictures)).pooler_output
        tokens = self._question(resolved[0].describe)
        told = model.get_input_embeddings()(tokens.to(seen.device)).to(seen.dtype)
        both = torch.cat([seen, told.expand(len(pictures), -1, -1)], dim=1)
        embedded: torch.Tensor = model.language_model.encoder(inputs_embeds=both)[0]
        return embedded

    def _question(self, describe: Describe) -> torch.Tensor:
        """Tokens `[1, n]` of the question for a task, as the processor words it, without those of a picture."""
        tokenizer, text = self._processor.tokenizer, self._processor.task_prompts_without_inputs[TASKS[describe]]
        words = f"{tokenizer.bos_token}{text}{tokenizer.eos_token}"
        return torch.tensor([tokenizer(words, add_special_tokens=False).input_ids], dtype=torch.long)

    @property
    def _end(self) -> int:
        return int(self._words.eos_token_id)

    def _decoder(self, embedded: torch.Tensor, rows: int) -> tuple[Callable[..., Any], dict[str, Any]]:
        def generate(seen: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor, **told: Any) -> Any:
            return self._model.generate(
                encoder_outputs=BaseModelOutput(last_hidden_state=seen),
                attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=seen.device),
                decoder_input_ids=input_ids,
                **told,
            )

        return generate, {"seen": embedded}

    def _start(self, resolved: ResolvedCaption) -> list[int]:
        """The begin marks, then the user's words."""
        forced = self._model.generation_config.forced_bos_token_id
        marks = [self._words.decoder_start_token_id, *([] if forced is None else [forced])]
        return [*marks, *self._prompt(resolved)[: self._most_prompt]]

    def _in_words(self, tokens: Sequence[int], written: WrittenTokens, most_words: int) -> WrittenCaption:
        """Tags, where it says what lies where; else the caption."""
        caption = super()._in_words(tokens, written, most_words)
        raw = self._processor.tokenizer.decode(tokens, skip_special_tokens=False)
        tags = dict.fromkeys(tag for name in _TAG.findall(raw) if (tag := name.strip()))
        if not tags:
            return caption
        whole = ", ".join(tags)
        return WrittenCaption(
            text=shortened(whole, most_words),
            whole=whole,
            log_probability=written.log_probability,
            probability=written.probability,
        )
