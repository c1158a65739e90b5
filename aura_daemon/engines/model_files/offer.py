"""What fetching a model means, before anything of it but its configuration is fetched. In: a name. Out: an offer.

The licence is what the hub's page of the model says; nobody but its reader can judge it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from huggingface_hub import HfApi, constants, get_cached_repo_tree

from aura_daemon.config.engine import ModelSettings
from aura_daemon.engines.model_files.downloads import bytes_here
from aura_daemon.engines.model_files.fetching.faults import EXPECTED, explain
from aura_daemon.engines.model_files.find import chosen_by, hub_name
from aura_daemon.engines.model_files.hub import DEFAULT_REVISION, missing_files, small_files
from aura_daemon.engines.model_files.hub_guard import guarded
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.weights import unavailable
from aura_daemon.jobs.results import Failure

TITLES: Final = {
    "creativeml-openrail-m": "CreativeML Open RAIL-M",
    "openrail": "Open RAIL",
    "openrail++": "CreativeML Open RAIL++-M",
    "bsd-3-clause": "BSD 3-Clause",
    "apache-2.0": "Apache 2.0",
    "mit": "MIT",
}
LINKS: Final = {
    "creativeml-openrail-m": "https://huggingface.co/spaces/CompVis/stable-diffusion-license",
    "openrail++": "https://huggingface.co/stabilityai/stable-diffusion-2/blob/main/LICENSE-MODEL",
    "bsd-3-clause": "https://opensource.org/license/bsd-3-clause",
    "apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "mit": "https://opensource.org/license/mit",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Licence:
    """The terms of a model, as its page on the hub names them."""

    title: str
    """Empty where the page names none."""
    link: str
    terms: str
    """What the page wants its readers to agree to; empty for most models."""
    page: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A model that can be fetched, and what that takes."""

    repository: str
    commit: str
    licence: Licence
    files: tuple[str, ...]
    """The weights, and no other weights, that this machine would load."""
    is_half: bool
    """Whether they are in half precision."""
    total_bytes: int
    missing_bytes: int
    free_bytes: int
    """On the disk of `cache`."""
    cache: Path


def licence_of(settings: ModelSettings) -> Licence | Failure:
    """The licence of a model on the hub."""
    repository, revision = hub_name(settings)
    try:
        with guarded():
            info = HfApi().model_info(repository, revision=revision or DEFAULT_REVISION)
    except EXPECTED as error:
        return unavailable(settings.model, *explain(error, repository, revision or DEFAULT_REVISION))
    card = info.card_data.to_dict() if info.card_data is not None else {}
    tags = [tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")]
    name = str(card.get("license") or next(iter(tags), ""))
    title = str(card.get("license_name") or TITLES.get(name, name))
    return Licence(
        title=title,
        link=str(card.get("license_link") or LINKS.get(name, "")),
        terms=str(card.get("extra_gated_prompt") or "").strip(),
        page=f"{constants.ENDPOINT}/{repository}",
    )


def offer_of(settings: ModelSettings, model_format: ModelFormat, half: bool, licence: Licence) -> Offer | Failure:
    """What the daemon would fetch of a model on the hub; fetches its configuration and tokenizer."""
    repository, revision = hub_name(settings)
    try:
        with guarded():
            folder = small_files(repository, revision)
        tree = get_cached_repo_tree(repository, revision=revision or DEFAULT_REVISION)
    except EXPECTED as error:
        return unavailable(settings.model, *explain(error, repository, revision or DEFAULT_REVISION))
    sizes = {file.path: file.size for file in tree}
    chosen = chosen_by(settings, model_format, half)(folder, tuple(sizes))
    if isinstance(chosen, Failure):
        return chosen
    absent = sum(sizes[name] for name in chosen.names if not (folder / name).exists())
    try:
        with guarded():
            begun = sum(bytes_here(repository, file) for file in missing_files(repository, folder, chosen.names))
    except EXPECTED as error:
        return unavailable(settings.model, *explain(error, repository, revision or DEFAULT_REVISION))
    cache = Path(constants.HF_HUB_CACHE)
    return Offer(
        repository=repository,
        commit=folder.name,
        licence=licence,
        files=chosen.names,
        is_half=chosen.variant is not None,
        total_bytes=sum(sizes[name] for name in chosen.names),
        missing_bytes=max(0, absent - begun),
        free_bytes=shutil.disk_usage(cache).free,
        cache=cache,
    )
