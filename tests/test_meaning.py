"""The main job, end to end, with the embedded model: what comes out means what was asked for.

Real processes, real weights: a prompt is drawn, the drawing is captioned, and the caption is the prompt again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from aura_daemon.mini.grammar import held_out

PROMPTS = {
    "ring": "a large yellow ring on a blue background",
    "circle": "a small red circle on a black background",
    "cross": "a large purple cross on an orange background",
}
"""Combinations of the training: the held-out ones are measured by the evaluate command, in numbers that bear it."""

Once = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def once(tmp_path: Path) -> Once:
    """`aura-daemon once` in a folder of its own, settings by environment."""
    (tmp_path / "inbox").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}

    def run(**settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "aura_daemon", "once"],
            cwd=tmp_path,
            env={**environment, "XDG_STATE_HOME": str(tmp_path / "xdg"), "AURA_SETTLE": "0.3", **settings},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    return run


def sidecar(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_prompts_here_are_of_the_training() -> None:
    words = [prompt.split() for prompt in PROMPTS.values()]
    assert not {(shape, colour, background) for _, _, colour, shape, _, _, background, _ in words} & held_out()


def test_a_prompt_becomes_a_picture_whose_caption_is_the_prompt(once: Once, tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "inbox", tmp_path / "outbox"
    for name, prompt in PROMPTS.items():
        (inbox / f"{name}.yaml").write_text(f"prompt: {prompt}\nseed: 7\n", encoding="utf-8")
    drawn = once()
    assert drawn.returncode == 0, drawn.stderr
    for name in PROMPTS:
        with Image.open(outbox / f"{name}.png") as picture:
            assert picture.size == (64, 64)
        shutil.copy(outbox / f"{name}.png", inbox / f"seen-{name}.png")
    captioned = once()
    assert captioned.returncode == 0, captioned.stderr
    said = {name: (outbox / f"seen-{name}.txt").read_text(encoding="utf-8").strip() for name in PROMPTS}
    assert said == PROMPTS
    assert all(not sidecar(outbox / f"{stem}{name}.json")["warnings"] for name in PROMPTS for stem in ("", "seen-"))


def test_a_sidecar_dropped_in_makes_the_same_pixels_again(once: Once, tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "inbox", tmp_path / "outbox"
    (inbox / "star.txt").write_text("a large green star on a black background", encoding="utf-8")
    assert once().returncode == 0
    shutil.copy(outbox / "star.json", inbox / "again.json")
    assert once().returncode == 0
    first, second = sidecar(outbox / "star.json"), sidecar(outbox / "again.json")
    assert first["outputs"][0]["sha256"] == second["outputs"][0]["sha256"]
    assert first["request"] == second["request"]
    assert second["warnings"] == []


def test_what_aura_mini_does_not_know_is_said_in_sidecar_and_log(once: Once, tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "inbox", tmp_path / "outbox"
    (inbox / "sea.yaml").write_text(
        "prompt: a lighthouse at dawn, oil painting\naspect_ratio: 16:9\n", encoding="utf-8"
    )
    Image.effect_noise((200, 150), 90).convert("RGB").save(inbox / "noise.jpg")
    ran = once()
    assert ran.returncode == 0, ran.stderr
    for name, switch in (("sea", "sd-1.4"), ("noise", "blip-base")):
        warnings = " ".join(sidecar(outbox / f"{name}.json")["warnings"])
        assert "aura-mini" in warnings
        assert switch in warnings
        assert switch in ran.stderr
    with Image.open(outbox / "sea.png") as picture:
        assert picture.size == (112, 64)


def test_a_job_file_may_ask_for_a_caption(once: Once, tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "inbox", tmp_path / "outbox"
    examples = Path(__file__).parent.parent / "aura_daemon" / "examples"
    shutil.copy(examples / "drawing.png", inbox / "beach.png")
    (inbox / "tell.yaml").write_text("task: caption\nimage: beach.png\n", encoding="utf-8")
    assert once().returncode == 0
    assert (outbox / "tell.txt").read_text(encoding="utf-8") == "a large orange star on a blue background\n"
    assert sidecar(outbox / "tell.json")["caption"] == "a large orange star on a blue background"


def test_the_cells_of_a_sheet_are_what_its_labels_say(once: Once, tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "inbox", tmp_path / "outbox"
    colours, shapes = ("red", "purple"), ("circle", "star")
    prompts = [f"a large {colour} {{{'|'.join(shapes)}}} on a white background" for colour in colours]
    plot = {"seed": 1, "grid": True, "matrix": {"prompt": prompts}}
    (inbox / "plot.yaml").write_text(json.dumps(plot), encoding="utf-8")
    ran = once()
    assert ran.returncode == 0, ran.stderr
    request = sidecar(outbox / "plot-grid.json")["request"]
    assert request["columns"] == 2
    assert request["column_labels"] == [f"… {shape} …" for shape in shapes]
    assert request["row_labels"] == [f"… {colour} …" for colour in colours]
    with Image.open(outbox / "plot-grid.png") as sheet:
        left, top = sheet.width - 2 * 64 - 4, sheet.height - 2 * 64 - 4
        for number in range(4):
            row, column = divmod(number, 2)
            corner = (left + column * 68, top + row * 68)
            sheet.crop((*corner, corner[0] + 64, corner[1] + 64)).save(inbox / f"cell{number}.png")
    assert once().returncode == 0
    said = [(outbox / f"cell{number}.txt").read_text(encoding="utf-8").split() for number in range(4)]
    assert [(words[2], words[3]) for words in said] == [(colour, shape) for colour in colours for shape in shapes]


def test_a_seed_is_one_picture_however_it_is_asked_for_and_each_is_called_as_the_file_says(
    once: Once, tmp_path: Path
) -> None:
    document = {"prompt": "a large red star on a white background", "steps": 4}
    documents = [
        {**document, "seed": [1, 2], "output": "listed/{seed}", "tags": ["a", "b c"], "notes": "for the wall"},
        {**document, "seed": 1, "count": 3, "output": "counted/{number:02}-{seed}"},
        {**document, "seed": "2-3", "output": "ranged/{stem} {seed}"},
    ]
    file = tmp_path / "inbox" / "stars.yaml"
    file.write_text("\n---\n".join(map(json.dumps, documents)), encoding="utf-8")
    ran = once()
    assert ran.returncode == 0, ran.stderr
    outbox = tmp_path / "outbox"
    names = ["listed/1", "listed/2", "counted/03-1", "counted/04-2", "counted/05-3", "ranged/stars 2", "ranged/stars 3"]
    made = {name: (outbox / f"{name}.png").read_bytes() for name in names}
    assert made["listed/1"] == made["counted/03-1"]
    assert made["listed/2"] == made["counted/04-2"] == made["ranged/stars 2"]
    assert made["counted/05-3"] == made["ranged/stars 3"]
    assert len(set(made.values())) == 3
    request = sidecar(outbox / "listed/1.json")["request"]
    assert (request["tags"], request["notes"]) == (["a", "b c"], "for the wall")


def test_a_lora_of_the_folder_changes_its_own_job_and_not_the_next(once: Once, tmp_path: Path) -> None:
    inbox, outbox = tmp_path / "inbox", tmp_path / "outbox"
    prompt = "a large red circle on a white background"
    (inbox / "shapes.yaml").write_text(
        f"prompt: {prompt}\nseed: 1\nsteps: 4\nmatrix: {{loras: [[], [stars], [{{name: stars, weight: 0}}]]}}\n"
        f"---\nprompt: {prompt} <lora:stars:1>\nseed: 1\nsteps: 4\n---\nprompt: {prompt}\nseed: 1\nsteps: 4\n",
        encoding="utf-8",
    )
    (inbox / "wrong.yaml").write_text(f"prompt: {prompt} <lora:star:1>\n", encoding="utf-8")
    ran = once(AURA_GENERATE__LORAS=str(Path(__file__).parent / "loras"))
    assert ran.returncode == 1, ran.stderr
    files = [sidecar(outbox / f"shapes-{number}.json")["outputs"][0]["sha256"] for number in range(1, 6)]
    pixels = []
    for number in range(1, 6):
        with Image.open(outbox / f"shapes-{number}.png") as picture:
            pixels.append(picture.tobytes())
    assert files[0] == files[4]
    assert pixels[0] == pixels[2] == pixels[4]
    assert pixels[1] == pixels[3] != pixels[0]
    (problem,) = sidecar(outbox / "failed/wrong.yaml.json")["problems"]
    assert problem.endswith("did you mean `stars`?")
