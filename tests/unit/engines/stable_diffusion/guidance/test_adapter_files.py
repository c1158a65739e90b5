"""The adapter with a short name comes from the hub, pinned, with its image encoder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aura_daemon.config.engine import EngineSettings, ModelSettings
from aura_daemon.config.workers.services import ModelRole, WantedModel, configured
from aura_daemon.jobs.guidance.picture_prompts import ADAPTER_ON_HUB
from tests.support.hub import running_hub
from tests.support.tiny_models import write_adapter

ROOT = Path(__file__).parents[5]

FINDING = """
import json
from aura_daemon.config.engine import GenerateSettings
from aura_daemon.engines.model_files.beside.further_models import FurtherModels
from aura_daemon.engines.model_files.companions import would_fetch
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts import adapter_files
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from tests.support.listening import Listener

like, settings = (PicturePrompt(image="a.png"),), GenerateSettings(model="sd-1.4")
wanted = adapter_files.adapters_wanted(like, settings, "sd-1.4")
lacking = [would_fetch(one.settings, one.model_format, False) for one in wanted]
files = FurtherModels(None).of(wanted, half=False, reporter=Listener())
assert isinstance(files, tuple), files
found = adapter_files.adapters_found(adapter_files.with_adapters(like, settings), files)["ip-adapter"]
places = [str(found.adapter_file), str(found.encoder_folder)]
print(json.dumps([lacking, *places, [one.name for one in files], [one.sha256 for one in files]]))
"""


def test_it_is_fetched_once_at_its_revision_and_nothing_else_of_its_repository_is(tmp_path: Path) -> None:
    published = tmp_path / "published"
    adapter = published / ADAPTER_ON_HUB.adapter
    write_adapter(adapter.parent, adapter.stem)
    write_adapter(published / "sdxl_models", "other")
    found = []
    with running_hub() as hub:
        hub.add(ADAPTER_ON_HUB.repository, published, pinned=ADAPTER_ON_HUB.revision)
        for _ in range(2):
            ran = subprocess.run(
                [sys.executable, "-c", FINDING],
                cwd=ROOT,
                env={**os.environ, **hub.environment(tmp_path / "hf")},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
            found.append(json.loads(ran.stdout.splitlines()[-1]))
        asked = [line for line in hub.requests if line.endswith(".safetensors") and line.startswith("GET")]
    (first_lacking, *first), (second_lacking, *second) = found
    assert first == second
    file, encoder, names, hashes = first
    assert Path(file).read_bytes() == adapter.read_bytes()
    assert {"config.json", "model.safetensors"} <= {path.name for path in Path(encoder).iterdir()}
    assert names == ["ip-adapter", "ip-adapter/image_encoder"]
    assert len(set(hashes)) == 2
    assert (first_lacking, second_lacking) == ([True, True], [False, False])
    assert not any("sdxl_models" in line for line in asked)


@pytest.mark.parametrize(
    ("role", "file"), [(ModelRole.ADAPTER, ADAPTER_ON_HUB.adapter), (ModelRole.IMAGE_ENCODER, ADAPTER_ON_HUB.encoder)]
)
def test_the_process_that_fetches_takes_no_other(role: ModelRole, file: str) -> None:
    name = f"{ADAPTER_ON_HUB.repository}/{file}"
    allowed, other = (
        configured(EngineSettings(), WantedModel(role=role, model=model, at_turbo=False, half=True))
        for model in (name, f"{name}.bin")
    )
    assert allowed == ModelSettings(model=name, revision=ADAPTER_ON_HUB.revision)
    assert other is None
