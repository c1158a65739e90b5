"""Pictures that hold settings: what other programs write, dropped to be made again."""

from __future__ import annotations

import json
from typing import Final

from tests.field.pictures import jpeg_with_comment, png_with
from tests.field.prompts import CIRCLE
from tests.field.report import Report

_AGAIN: Final = {"_defaults.yaml": b"task: regenerate\n"}

SWARM: Final = json.dumps(
    {
        "sui_image_params": {
            "prompt": CIRCLE,
            "negativeprompt": "blurry",
            "images": 1,
            "seed": 581626448,
            "steps": 3,
            "cfgscale": 4.0,
            "width": 64,
            "height": 64,
            "model": "SDXL/x.safetensors",
            "swarm_version": "0.5.9.0",
        }
    }
)

FOOOCUS: Final = json.dumps(
    {
        "adm_guidance": "(1.5, 0.8, 0.3)",
        "base_model": "juggernautXL",
        "metadata_scheme": "fooocus",
        "negative_prompt": "blurry",
        "performance": "Speed",
        "prompt": CIRCLE,
        "resolution": "(64, 64)",
        "seed": "5",
        "steps": 3,
        "version": "Fooocus v2.3.0",
    }
)

HORDE: Final = (
    f"{CIRCLE}\nSteps: 3, Sampler: k_euler, CFG scale: 9, Seed: 1415104642, Size: 64x64, model: stable_diffusion"
)
A1111: Final = f"{CIRCLE}\nNegative prompt: blurry\nSteps: 3, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x64"
ONE_LINE: Final = A1111.replace("\n", ".")
SWARM_EXPORT: Final = (
    f"{CIRCLE}\nSteps: 3, CFG scale: 3, Sampler: DPM++ 2S a_ddim_uniform, Seed: 124263196777517, "
    "VAE: ae.safetensors, Size: 64x64, Model: flux1, Model hash: b0b64b4b6a"
)

REPORTS: Final = (
    Report(
        name="swarm-ui",
        files={**_AGAIN, "again.png": png_with(parameters=SWARM)},
        failed={"again.png": "SwarmUI"},
        left={"_defaults.yaml": ""},
    ),
    Report(
        name="fooocus",
        files={**_AGAIN, "again.png": png_with(parameters=FOOOCUS, fooocus_scheme="fooocus")},
        failed={"again.png": "Fooocus"},
        left={"_defaults.yaml": ""},
    ),
    Report(
        name="horde-sampler",
        files={**_AGAIN, "robot.jpg": jpeg_with_comment(HORDE, "ascii")},
        drawn=({"prompt": CIRCLE, "scheduler": "euler", "seed": 1415104642},),
        left={"_defaults.yaml": ""},
        warned="another program",
    ),
    Report(
        name="comment-byte-orders",
        files={
            **_AGAIN,
            "little.jpg": jpeg_with_comment(A1111, "utf-16-le"),
            "big.jpg": jpeg_with_comment(A1111, "utf-16-be"),
        },
        drawn=2 * ({"prompt": CIRCLE, "negative_prompt": "blurry", "seed": 5},),
        left={"_defaults.yaml": ""},
        warned="another program",
    ),
    Report(
        name="one-line-comment",
        files={**_AGAIN, "line.jpg": jpeg_with_comment(ONE_LINE, "utf-16-be")},
        drawn=({"prompt": CIRCLE, "negative_prompt": "blurry", "seed": 5},),
        left={"_defaults.yaml": ""},
        warned="another program",
    ),
    Report(
        name="unknown-sampler",
        files={**_AGAIN, "export.png": png_with(parameters=SWARM_EXPORT)},
        failed={"export.png": "DPM++ 2S a"},
        left={"_defaults.yaml": ""},
    ),
)
