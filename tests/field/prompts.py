"""Texts: what people write, paste and export as prompts."""

from __future__ import annotations

from typing import Final

from tests.field.report import Report

CIRCLE: Final = "a small red circle on a white background"
STAR: Final = "a large blue star on a black background"

INSPIRE: Final = f"""positive:{CIRCLE},
oil painting

negative:text, watermark
-----------------
positive:{STAR}

negative:blurry
----
positive:a large green ring on a white background
"""

EASY_DIFFUSION: Final = f"""Prompt: {CIRCLE}
Negative Prompt: blurry
Seed: 42
Stable Diffusion model: sd-v1-5
Clip Skip: False
VAE model: None
Sampler: euler_a
Width: 64
Height: 64
Steps: 3
Guidance Scale: 7.5
"""

LANGUAGE_MODEL: Final = f"""Sure! Here are two prompts for you:

1. **{CIRCLE}**
2. {STAR}

Let me know if you would like more!
"""

REPORTS: Final = (
    Report(
        name="powershell-utf16",
        files={"prompts.txt": f"\ufeff{CIRCLE}\r\n{STAR}\r\n".encode("utf-16-le")},
        drawn=({"prompt": CIRCLE}, {"prompt": STAR}),
        warned="the text was read as 2 prompts",
    ),
    Report(
        name="cp1252-apostrophe",
        files={"fox.txt": b"a fox\x92s den in the snow\n"},
        failed={"fox.txt": "UTF-8"},
    ),
    Report(
        name="inspire-pack",
        files={"prompt2.txt": INSPIRE.encode()},
        drawn=(
            {"prompt": f"{CIRCLE},\noil painting", "negative_prompt": "text, watermark"},
            {"prompt": STAR, "negative_prompt": "blurry"},
            {"prompt": "a large green ring on a white background", "negative_prompt": ""},
        ),
    ),
    Report(
        name="a1111-apostrophe",
        files={"cat.txt": b"--prompt a cat's eye, close-up --steps 3 --seed 5\n"},
        drawn=({"prompt": "a cat's eye, close-up", "steps": 3, "seed": 5},),
    ),
    Report(
        name="a1111-flags-last",
        files={"stars.txt": f"--prompt {STAR} --negative_prompt text, watermark --cfg_scale 5\n".encode()},
        drawn=({"prompt": STAR, "negative_prompt": "text, watermark", "guidance_scale": 5.0},),
    ),
    Report(
        name="horde-hashes",
        files={"woman.txt": b"woman, full body ### face, limbs\n"},
        drawn=({"prompt": "woman, full body"},),
        warned="### face, limbs",
    ),
    Report(
        name="swarm-pipes",
        files={"grid.txt": f"{CIRCLE}||\n{STAR}||\n".encode()},
        drawn=({"prompt": CIRCLE}, {"prompt": STAR}),
        warned="`||` at the end of the lines",
    ),
    Report(
        name="easy-diffusion",
        files={"circle_0.txt": EASY_DIFFUSION.encode()},
        failed={"circle_0.txt": "Easy Diffusion"},
    ),
    Report(
        name="one-line-infotext",
        files={
            "line.txt": f"{CIRCLE}. Negative prompt: blurry. "
            "Steps: 3, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x64\n".encode()
        },
        drawn=({"prompt": CIRCLE, "negative_prompt": "blurry", "steps": 3, "seed": 5},),
    ),
    Report(
        name="midjourney",
        files={
            "lair.txt": b"/imagine prompt: evil lair, purple sky --ar 16:9 --style raw --v 5\n"
            b"/imagine prompt: a girl in white shorts --ar 1:2 --niji 5\n"
        },
        failed={"lair.txt": "--style"},
    ),
    Report(
        name="midjourney-imagine",
        files={"circle.txt": f"/imagine prompt: {CIRCLE}\n".encode()},
        drawn=({"prompt": CIRCLE},),
        warned="/imagine",
    ),
    Report(
        name="language-model",
        files={"answer.txt": LANGUAGE_MODEL.encode()},
        drawn=({"prompt": CIRCLE}, {"prompt": STAR}),
        warned="Sure! Here are two prompts for you:",
    ),
    Report(
        name="code-fence",
        files={"fence.txt": f"```\n{CIRCLE}\n```\n".encode()},
        drawn=({"prompt": CIRCLE},),
        warned="fences",
    ),
    Report(
        name="dashes-in-prose",
        files={"knight.txt": b"a knight -- oil painting, dim light\n"},
        drawn=({"prompt": "a knight -- oil painting, dim light"},),
    ),
    Report(
        name="danbooru-faces",
        files={"tags.txt": b"1girl, :3, >_<, <3, :d, hatsune_miku_\\(vocaloid\\), @_@, ;)\n"},
        drawn=({"prompt": "1girl, :3, >_<, <3, :d, hatsune_miku_\\(vocaloid\\), @_@, ;)"},),
    ),
    Report(
        name="novelai-braces",
        files={"girl.txt": b"{{{masterpiece}}}, 1girl, {sparkle}\n"},
        drawn=({"prompt": "{{{masterpiece}}}, 1girl, {sparkle}"},),
        warned="{",
    ),
    Report(
        name="choice-over-lines",
        files={"prompt.txt": b"a large {\n  red circle|\n  blue star\n} on a white background\n"},
        drawn=(
            {"prompt": "a large \nred circle on a white background"},
            {"prompt": "a large \nblue star\n on a white background"},
        ),
        warned="read as one prompt, as each goes on in the next",
    ),
    Report(
        name="word-list-with-licence",
        files={"shades.txt": b"a small __shades__ circle\n"},
        drawn=({"prompt": "a small red circle"}, {"prompt": "a small blue circle"}),
    ),
    Report(
        name="word-list-dropped",
        files={"animal.txt": b"# cc0. derived from a corpus\n# excluded due to issues: gnu\naardvark\n\nalligator\n"},
        drawn=({"prompt": "aardvark"}, {"prompt": "alligator"}),
        warned="the text was read as 2 prompts",
    ),
    Report(
        name="kohya-japanese",
        files={
            "sample_prompts.txt": "\ufeff# サンプル\r\n"
            "赤い円、白い背景 --n 低品質 --w 64 --h 64 --d 7 --l 3 --s 3\r\n".encode()
        },
        drawn=(
            {
                "prompt": "赤い円、白い背景",
                "negative_prompt": "低品質",
                "seed": 7,
                "guidance_scale": 3.0,
                "steps": 3,
                "width": 64,
            },
        ),
    ),
)
