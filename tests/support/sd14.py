"""Stable Diffusion 1.4 as memory sees it: counted from its files."""

from __future__ import annotations

from typing import Final

from aura_daemon.ladder.prediction import CPU_VAE_ELEMENTS, CPU_WORKSPACE, Footprint

MIB: Final = 1 << 20
GIB: Final = 1 << 30

ON_GPU: Final = Footprint(
    unet_bytes=1639 * MIB,
    text_bytes=235 * MIB,
    vae_bytes=160 * MIB,
    beside_bytes=1160 * MIB,
    largest_layer_bytes=57 * MIB,
    base_bytes=600 * MIB,
    workspace_bytes=32 * MIB,
)
"""In float16, its safety checker in float32 on the CPU."""


def on_cpu(element_bytes: int) -> Footprint:
    """In bfloat16 (2) or float32 (4)."""
    wider = element_bytes // 2
    return Footprint(
        unet_bytes=1639 * MIB * wider,
        text_bytes=235 * MIB * wider,
        vae_bytes=160 * MIB * wider,
        beside_bytes=580 * MIB * wider,
        largest_layer_bytes=57 * MIB * wider,
        element_bytes=element_bytes,
        vae_element_bytes=element_bytes,
        vae_elements=CPU_VAE_ELEMENTS,
        base_bytes=600 * MIB,
        workspace_bytes=int(1639 * MIB * wider * CPU_WORKSPACE),
    )
