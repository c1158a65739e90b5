"""The peers: how each is started, made ready, and said. In: where things lie. Out: a table."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from aura_daemon.bench.children.commands import PlainSettings, plain
from tests.peers.rows import ORIGIN

MODULES = "tests.peers.engines"


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """One engine that is measured against the reference."""

    name: str
    how: str
    command: tuple[str, ...]
    prepare: tuple[str, ...] = ()
    """Makes its files, once."""
    made: Path | None = None
    """The last of these files."""
    calls: int
    decodes: bool = True
    """Whether it decodes by itself; else the reference's decode counts."""
    whole_only: bool = False
    """Whether it draws nothing but whole pictures."""
    in_quick: bool = True


def peers(model: Path, cache: Path, python: str, size_px: int, reference: PlainSettings) -> list[Peer]:
    """All of them; `python`: of the environment that holds what this project does not need."""
    size, steps = str(size_px), reference.steps
    origin = PlainSettings(model=str(model), width=size_px, height=size_px, device=reference.device)
    vino, onnx, cpp = cache / "openvino-1", cache / "onnx-1", cache / "stable-diffusion-cpp-1"

    def module(name: str, *arguments: str, own: bool = False) -> tuple[str, ...]:
        return (sys.executable if own else python), "-m", f"{MODULES}.{name}", *arguments

    served = module("openvino_static", str(model), size, str(vino), own=True)
    full_float = replace(reference, dtype="float32")
    return [
        Peer(name=ORIGIN, how="composed", command=plain(origin), calls=51),
        Peer(name="plain diffusers, float32", how=f"{steps} steps", command=plain(full_float), calls=steps),
        Peer(
            name="OpenVINO, static shapes",
            how="as optimum-intel and its notebooks run it",
            command=served,
            prepare=(*served, "--convert"),
            made=vino / f"tiny-{size}.xml",
            calls=steps,
        ),
        Peer(
            name="FastSD CPU's way",
            how="OpenVINO, a few-step model in 4 steps, one row a step, tiny autoencoder",
            command=(*served, "--few"),
            prepare=(*served, "--convert"),
            made=vino / f"tiny-{size}.xml",
            calls=4,
        ),
        Peer(
            name="ONNX Runtime, float32",
            how="the UNet; decode by the reference",
            command=module("onnx_runtime", str(model), size, str(onnx)),
            prepare=module("onnx_runtime", str(model), size, str(onnx), "--convert"),
            made=onnx / f"unet-{size}.onnx",
            calls=steps,
            decodes=False,
        ),
        *(
            Peer(
                name=f"stable-diffusion.cpp, {kind}",
                how="flash attention on",
                command=module("stable_diffusion_cpp", str(cpp), size, kind),
                prepare=module("stable_diffusion_cpp", str(model), str(cpp), "--convert", own=True),
                made=cpp,
                calls=steps,
                whole_only=True,
                in_quick=kind == "q8_0",
            )
            for kind in ("f16", "q8_0")
        ),
    ]
