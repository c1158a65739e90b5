"""What jobs may name now: the configured models, the LoRAs and word lists in their folders. Asked at each admission."""

from __future__ import annotations

from aura_daemon.config.settings import GenerateConfig
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.wordlists import WordLists, files_below


class Cataloguing:
    """Of one configuration; folders that are not there hold nothing."""

    def __init__(self, configured: GenerateConfig) -> None:
        self._models = tuple(dict.fromkeys((configured.model, *configured.models)))
        self._loras = configured.loras
        self._word_lists = WordLists(configured.wildcards) if configured.wildcards is not None else None

    def now(self) -> Catalogue:
        """Everything there is; raises OSError where a folder falters."""
        lists, unusable = self._word_lists.now() if self._word_lists is not None else ({}, {})
        loras = tuple(name for name, _ in files_below(self._loras, ".safetensors")) if self._loras is not None else ()
        return Catalogue(models=self._models, loras=loras, wildcards=lists, unusable=unusable)
