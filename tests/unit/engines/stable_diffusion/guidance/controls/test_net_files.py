"""ControlNets with a short name come from the hub, pinned: a folder each, or one file of a repository of several."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aura_daemon.config.engine import EngineSettings, ModelSettings
from aura_daemon.config.workers.services import ModelRole, WantedModel, configured
from aura_daemon.jobs.guidance.controls import CONTROLNETS, NetOnHub
from tests.support.hub import running_hub
from tests.support.tiny_models import write_controlnet

ROOT = Path(__file__).parents[6]

FINDING = """
import json
from aura_daemon.config.engine import GenerateSettings
from aura_daemon.engines.model_files.beside.further_models import FurtherModels
from aura_daemon.engines.stable_diffusion.guidance.controls.net_files import nets_wanted
from aura_daemon.jobs.guidance.controls import Control
from tests.support.listening import Listener

controls = [Control(image="a.png", model=name) for name in ("canny", "tile")]
wanted = nets_wanted(controls, GenerateSettings(model="sd-1.4"), "sd-1.4")
files = FurtherModels(None).of(wanted, half=False, reporter=Listener())
assert isinstance(files, tuple), files
print(json.dumps([[one.name, str(one.folder / one.weights.names[0])] for one in files]))
"""


def test_each_is_fetched_at_its_revision_and_nothing_else_of_its_repository_is(tmp_path: Path) -> None:
    folder, single = CONTROLNETS["canny"], CONTROLNETS["tile"]
    net = write_controlnet(tmp_path / "canny")
    shelf = tmp_path / "several"
    shelf.mkdir()
    for name in (single.file, "control_v11p_sd15_other_fp16.safetensors"):
        (shelf / name).write_bytes(next(net.glob("*.safetensors")).read_bytes())
    with running_hub() as hub:
        for one, published in ((folder, net), (single, shelf)):
            hub.add(one.repository, published, pinned=one.revision)
        ran = subprocess.run(
            [sys.executable, "-c", FINDING],
            cwd=ROOT,
            env={**os.environ, **hub.environment(tmp_path / "hf")},
            capture_output=True,
            text=True,
            check=False,
        )
        asked = "\n".join(hub.requests)
    assert ran.returncode == 0, ran.stderr
    (canny, canny_file), (tile, tile_file) = json.loads(ran.stdout.splitlines()[-1])
    assert (canny, tile) == ("canny", "tile")
    assert (Path(canny_file).name, Path(tile_file).name) == ("diffusion_pytorch_model.safetensors", single.file)
    assert {Path(file).parent.name for file in (canny_file, tile_file)} == {folder.revision, single.revision}
    assert "other" not in asked


@pytest.mark.parametrize("net", CONTROLNETS.values(), ids=CONTROLNETS)
def test_the_process_that_fetches_takes_them_at_that_revision_alone(net: NetOnHub) -> None:
    allowed, other = (
        configured(EngineSettings(), WantedModel(role=ModelRole.CONTROLNET, model=model))
        for model in (net.model, f"{net.repository}/diffusion_pytorch_model.bin")
    )
    assert allowed == ModelSettings(model=net.model, revision=net.revision)
    assert other is None
    assert re.fullmatch("[0-9a-f]{40}", net.revision)
    assert not net.file or net.file.endswith(".safetensors")
