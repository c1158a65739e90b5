"""Which ControlNets jobs may name."""

from __future__ import annotations

from pathlib import Path

from aura_daemon.config.guidance.controlnets import controlnets_below, controlnets_named
from aura_daemon.jobs.guidance.controls import CONTROLNETS, EMBEDDED_READS


def test_folders_and_files_are_named_by_their_path(tmp_path: Path) -> None:
    for name in ("pose/config.json", "pose/diffusion_pytorch_model.safetensors", "sub/Depth.SAFETENSORS"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("sub/notes.txt", "sub/.hidden.safetensors", "canny.safetensors"):
        (tmp_path / name).touch()
    found = dict(controlnets_below(tmp_path))
    assert found == {
        "canny": tmp_path / "canny.safetensors",
        "pose": tmp_path / "pose",
        "sub/Depth": tmp_path / "sub" / "Depth.SAFETENSORS",
    }
    assert controlnets_named(tmp_path, ["sd-1.4"])[:3] == ("canny", "pose", "sub/Depth")


def test_short_names_are_those_that_fit_the_models(tmp_path: Path) -> None:
    assert controlnets_named(None, ["aura-mini"]) == (*EMBEDDED_READS, "aura-mini")
    assert controlnets_named(tmp_path / "absent", ["aura-mini", "sd-1.4"]) == (*CONTROLNETS, "aura-mini")
