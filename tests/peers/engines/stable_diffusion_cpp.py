"""stable-diffusion.cpp through its Python package.

`python -m tests.peers.engines.stable_diffusion_cpp FOLDER SIZE TYPE`, after `… MODEL FOLDER --convert`. It draws whole
pictures only, and says when each of their steps ends.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from aura_daemon.bench.children.served import serve


class StableDiffusionCpp:
    """A loaded model."""

    def __init__(self, model: Path, size_px: int, number_type: str) -> None:
        import stable_diffusion_cpp

        threads = len(os.sched_getaffinity(0))
        self._engine = stable_diffusion_cpp.StableDiffusion(
            model_path=str(model), wtype=number_type, n_threads=threads, diffusion_flash_attn=True, verbose=False
        )
        if not self._engine.model:
            raise RuntimeError(f"it refuses the model in {model}")
        self._size_px = size_px
        self.facts = {
            "calls": 1,
            "dtype": number_type,
            "versions": {"stable-diffusion-cpp-python": stable_diffusion_cpp.__version__},
        }

    def picture(self, steps: int) -> dict[str, Any]:
        """A picture of so many steps: seconds of each step, and of what comes after the last one."""
        marks = [time.perf_counter()]

        def stepped(_step: int, _steps: int, _seconds: float) -> None:
            marks.append(time.perf_counter())

        self._draw(steps, stepped)
        steps_s = [later - earlier for earlier, later in zip(marks[-steps - 1 :], marks[-steps:], strict=False)]
        return {"steps_s": steps_s, "decode_s": time.perf_counter() - marks[-1]}

    def _draw(self, steps: int, stepped: Any) -> None:
        self._engine.generate_image(
            prompt="a photo of an astronaut riding a horse on mars",
            width=self._size_px,
            height=self._size_px,
            cfg_scale=7.5,
            sample_method="dpm++2m",
            scheduler="karras",
            sample_steps=steps,
            seed=1,
            progress_callback=stepped,
        )


def convert(model: Path, folder: Path) -> None:
    """Links the model's parts; the text encoder gets the names that transformers gave its weights until release 5."""
    from safetensors.torch import load_file, save_file

    if folder.is_dir():
        return
    unfinished = folder.with_name(f"{folder.name}-unfinished")
    (unfinished / "text_encoder").mkdir(parents=True, exist_ok=True)
    for part in ("unet", "vae"):
        (unfinished / part).unlink(missing_ok=True)
        (unfinished / part).symlink_to((model / part).resolve())
    weights = load_file(model / "text_encoder" / "model.safetensors")
    old = {key if key.startswith("text_model.") else f"text_model.{key}": tensor for key, tensor in weights.items()}
    save_file(old, unfinished / "text_encoder" / "model.safetensors")
    unfinished.rename(folder)


if __name__ == "__main__":
    if "--convert" in sys.argv:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
        sys.exit()
    serve(lambda: StableDiffusionCpp(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
