"""What pictures as prompts take of memory, and which engines cannot see them. In: files. Out: a footprint, a note."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from aura_daemon.engines.compiled.variants import VARIANTS
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.footprints import all_numbers
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapter_files import AdapterFiles
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.results import EAGER
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.ladder.prediction import Footprint, stays_in_files


def with_readers(footprint: Footprint, adapters: Iterable[AdapterFiles], placement: Placement) -> Footprint:
    """The footprint of a generator beside which adapters are kept, and whose image encoder looks before it draws."""
    files = list(adapters)
    if not files:
        return footprint
    size = placement.torch_dtype.itemsize
    looking = max(all_numbers(one.encoder) for one in files) * size
    kept = sum(all_numbers(one.adapter) for one in files) * size
    with_kept = replace(footprint, workspace_bytes=footprint.workspace_bytes + kept)
    if placement.on_cpu and not stays_in_files(placement.measures.storage, footprint.file_bytes):
        return replace(with_kept, visiting_bytes=max(footprint.visiting_bytes, looking))
    return replace(with_kept, text_bytes=max(footprint.text_bytes, looking))


def pictures_unseen(engine: EngineChoice, like: Sequence[PicturePrompt], placement: Placement) -> str:
    """What is told where another engine is configured than sees pictures; empty where none is.

    OpenVINO, whose reasons differ, is told of by the family.
    """
    if not like or engine not in VARIANTS or placement.variant != EAGER:
        return ""
    return f"engine: {engine} is configured, but PyTorch drew this as it is: the job has `like`"
