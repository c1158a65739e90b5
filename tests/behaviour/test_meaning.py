"""The main job, end to end, with the embedded model: what comes out means what was asked for.

Real processes, real weights. The daemon drains two inboxes, one after the other, for all tests together, since each
start imports torch: in the first is what is to be drawn, in the second what is made of the first one's results. Each
test looks at its own folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw

from aura_daemon.chains.word_overlap import overlap
from aura_daemon.config.recipes_shipped import shipped
from aura_daemon.mini.grammar import held_out
from tests.support.deadline import DEADLINE_S
from tests.support.tiny_upscalers import write_compact
from tests.unit.formats.picture_metadata.test_embedded_texts import png_text

PROMPTS = {
    "ring": "a large yellow ring on a blue background",
    "circle": "a small red circle on a black background",
    "cross": "a large purple cross on an orange background",
}
"""Combinations seen in training; the evaluate command measures the held-out ones, with enough samples."""

CIRCLE = "a small red circle on a blue background"
FOREIGN = png_text(
    parameters=f"{CIRCLE}\nNegative prompt: blue\n"
    "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 5, Size: 64x64, Model: other"
)
"""A picture with the metadata that A1111 writes."""

COLOURS, SHAPES = ("red", "purple"), ("circle", "star")

DOCUMENT = {"prompt": "a large red star on a white background", "steps": 4}
SEEDS = [
    {**DOCUMENT, "seed": [1, 2], "output": "listed/{seed}", "tags": ["a", "b c"], "notes": "for the wall"},
    {**DOCUMENT, "seed": 1, "count": 3, "output": "counted/{number:02}-{seed}"},
    {**DOCUMENT, "seed": "2-3", "output": "ranged/{stem} {seed}"},
]

PLAIN = "a large red circle on a white background"
SHAPED = (
    f"prompt: {PLAIN}\nseed: 1\nsteps: 4\nmatrix: {{loras: [[], [stars], [{{name: stars, weight: 0}}]]}}\n"
    f"---\nprompt: {PLAIN} <lora:stars:1>\nseed: 1\nsteps: 4\n---\nprompt: {PLAIN}\nseed: 1\nsteps: 4\n"
)

REGIONS = ("a large red circle on a white background", "a large green star on a white background")
"""Left and right."""

APART = """\
prompt: a red circle left, a green star right
width: 128
seed: 7
regions:
- {box: [0, 0, 0.5, 1], prompt: a large red circle on a white background}
- {mask: right.png, prompt: a large green star on a white background}
"""

RESTYLE = 'task: generate\nimage: "{file}"\nprompt: "{caption}"\nstrength: 0.55\nseed: 3\n'
"""Of the recipes that are shipped, in words that aura-mini knows."""

LORAS = Path(__file__).parents[1] / "loras"
EXAMPLES = Path(__file__).parents[2] / "aura_daemon" / "examples"


def drop_first(inbox: Path) -> None:
    """What stands for itself."""
    for name, prompt in PROMPTS.items():
        put(inbox / "prompts" / f"{name}.yaml", f"prompt: {prompt}\nseed: 7\n")
    put(inbox / "star" / "star.txt", "a large green star on a black background")
    put(inbox / "again" / "_defaults.yaml", "task: regenerate\n")
    (inbox / "again" / "circle.png").write_bytes(FOREIGN)
    put(inbox / "unknown" / "sea.yaml", "prompt: a lighthouse at dawn, oil painting\naspect_ratio: 16:9\n")
    Image.effect_noise((200, 150), 90).convert("RGB").save(inbox / "unknown" / "noise.jpg")
    put(inbox / "told" / "tell.yaml", "task: caption\nimage: beach.png\n")
    shutil.copy(EXAMPLES / "drawing.png", inbox / "told" / "beach.png")
    prompts = [f"a large {colour} {{{'|'.join(SHAPES)}}} on a white background" for colour in COLOURS]
    put(inbox / "sheet" / "plot.yaml", json.dumps({"seed": 1, "grid": True, "matrix": {"prompt": prompts}}))
    put(inbox / "seeds" / "stars.yaml", "\n---\n".join(map(json.dumps, SEEDS)))
    put(inbox / "loras" / "shapes.yaml", SHAPED)
    put(inbox / "regions" / "masked.yaml", APART)
    put(inbox / "regions" / "boxed.yaml", APART.replace("mask: right.png", "box: [0.5, 0, 1, 1]"))
    right = Image.new("L", (64, 32), 0)
    right.paste(255, (32, 0, 64, 32))
    right.save(inbox / "regions" / "right.png")
    put(inbox / "checked" / "ring.yaml", f"prompt: {PROMPTS['ring']}\nseed: 7\nsteps: 4\nverify: true\nbest_of: 3\n")
    put(inbox / "loras" / "wrong.yaml", f"prompt: {PLAIN} <lora:star:1>\n")
    put(inbox / "restyled" / "_defaults.yaml", RESTYLE)
    picture = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(picture).ellipse((20, 28, 68, 76), fill="red")
    picture.save(inbox / "restyled" / "circle.png")
    for recipe in shipped():
        put(inbox / "recipes" / recipe.name / "_defaults.yaml", recipe.text)
        shutil.copy(EXAMPLES / "drawing.png", inbox / "recipes" / recipe.name / "star.png")
    (inbox / "recipes" / "regenerate" / "star.png").write_bytes(FOREIGN)
    put(inbox / "recipes" / "postcard" / "prompt.txt", CIRCLE)


def drop_then(inbox: Path, outbox: Path) -> None:
    """What is made of the results."""
    for name in PROMPTS:
        copy(outbox / "prompts" / f"{name}.png", inbox / "prompts" / f"seen-{name}.png")
    copy(outbox / "star" / "star.json", inbox / "star" / "again.json")
    copy(outbox / "checked" / "ring.json", inbox / "checked" / "again.json")
    copy(outbox / "star" / "star.png", inbox / "again" / "star.png")
    copy(outbox / "again" / "circle.png", inbox / "seen" / "circle.png")
    copy(outbox / "restyled" / "circle.json", inbox / "restyled" / "again.json")
    copy(outbox / "restyled" / "circle.png", inbox / "seen" / "restyled.png")
    copy(outbox / "regions" / "boxed.png", inbox / "again" / "boxed.png")
    copy(outbox / "regions" / "masked.json", inbox / "regions" / "again.json")
    right = Image.new("L", (64, 32), 0)
    right.paste(255, (32, 0, 64, 32))
    right.save(inbox / "regions" / "right.png")
    with Image.open(outbox / "regions" / "boxed.png") as apart:
        for number, name in enumerate(("left", "right")):
            apart.crop((number * 64, 0, number * 64 + 64, 64)).save(inbox / "seen" / f"{name}.png")
    (inbox / "sheet").mkdir(exist_ok=True)
    with Image.open(outbox / "sheet" / "plot-grid.png") as sheet:
        left, top = sheet.width - 2 * 64 - 4, sheet.height - 2 * 64 - 4
        for number in range(4):
            row, column = divmod(number, 2)
            corner = (left + column * 68, top + row * 68)
            cell = sheet.crop((*corner, corner[0] + 64, corner[1] + 64))
            cell.save(inbox / "sheet" / f"cell{number}.png")


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


@dataclass(frozen=True, kw_only=True, slots=True)
class Drained:
    """What the two runs left, and what the first one said."""

    outbox: Path
    log: str

    def sidecar(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.outbox / f"{name}.json").read_text(encoding="utf-8"))
        return found

    def text(self, name: str) -> str:
        return (self.outbox / f"{name}.txt").read_text(encoding="utf-8")

    def size(self, name: str) -> tuple[int, int]:
        with Image.open(self.outbox / f"{name}.png") as picture:
            return picture.size

    def pixels(self, name: str) -> bytes:
        with Image.open(self.outbox / f"{name}.png") as picture:
            return picture.tobytes()


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Drained:
    """`aura-daemon once`, twice, in a folder of its own, settings by environment."""
    folder = tmp_path_factory.mktemp("meaning")
    inbox, outbox = folder / "inbox", folder / "outbox"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
    environment["XDG_STATE_HOME"] = environment["XDG_CONFIG_HOME"] = str(folder / "xdg")
    environment["AURA_SETTLE"] = "0.3"
    environment["AURA_GENERATE__LORAS"] = str(LORAS)
    environment["AURA_UPSCALE__MODEL"] = str(write_compact(folder / "upscalers" / "tiny.safetensors"))
    environment["AURA_BATCH"] = "1"  # on a GPU, too, the same pixels whatever is drawn beside

    def once() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "aura_daemon", "once"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    drop_first(inbox)
    first = once()
    assert first.returncode == 1, first.stderr
    failed = sorted(path.relative_to(outbox).as_posix() for path in outbox.glob("failed/**/*") if path.is_file())
    assert failed == ["failed/loras/wrong.yaml", "failed/loras/wrong.yaml.json"], first.stderr
    drop_then(inbox, outbox)
    second = once()
    assert second.returncode == 0, second.stderr
    return Drained(outbox=outbox, log=first.stderr)


def test_the_prompts_here_are_of_the_training() -> None:
    words = [prompt.split() for prompt in PROMPTS.values()]
    assert not {(shape, colour, background) for _, _, colour, shape, _, _, background, _ in words} & held_out()


def test_a_prompt_becomes_a_picture_whose_caption_is_the_prompt(drained: Drained) -> None:
    assert {drained.size(f"prompts/{name}") for name in PROMPTS} == {(64, 64)}
    assert {name: drained.text(f"prompts/seen-{name}").strip() for name in PROMPTS} == PROMPTS
    for name in PROMPTS:
        assert drained.sidecar(f"prompts/{name}")["warnings"] == []
        assert drained.sidecar(f"prompts/seen-{name}")["warnings"] == []


def test_a_sidecar_dropped_in_makes_the_same_pixels_again(drained: Drained) -> None:
    first, second = drained.sidecar("star/star"), drained.sidecar("star/again")
    assert first["outputs"][0]["sha256"] == second["outputs"][0]["sha256"]
    assert first["request"] == second["request"]
    assert second["warnings"] == []


def test_of_several_pictures_the_best_is_kept_with_its_caption_and_its_sidecar_draws_it_alone(drained: Drained) -> None:
    document, again = drained.sidecar("checked/ring"), drained.sidecar("checked/again")
    match = document["match"]
    assert [one["seed"] for one in match["tries"]] == [7, 8, 9]
    assert [part["task"] for part in document["parts"]] == ["generate"] * 3 + ["caption"] * 3
    best = max(match["tries"], key=lambda one: one["score"])
    assert {**best, "by": "words", "tries": match["tries"]} == match
    assert best["score"] == round(overlap(PROMPTS["ring"], best["caption"]), 4)
    assert document["request"]["seed"] == best["seed"]
    assert again["outputs"][0]["sha256"] == document["outputs"][0]["sha256"]
    assert not {"match", "parts"} & again.keys()


def test_a_picture_of_ours_becomes_the_same_pixels_and_a1111s_what_its_prompt_says(drained: Drained) -> None:
    assert drained.pixels("again/star") == drained.pixels("star/star")
    document = drained.sidecar("again/star")
    assert document["warnings"] == []
    assert document["source"]["name"] == document["regenerated_from"] == "again/star.png"
    warnings = drained.sidecar("again/circle")["warnings"]
    assert any("another program" in warning for warning in warnings)
    assert any("other then, aura-mini now" in warning for warning in warnings)
    assert drained.text("seen/circle") == f"{CIRCLE}\n"


def test_regions_show_what_they_ask_for_and_sidecar_and_picture_make_the_same_pixels_again(drained: Drained) -> None:
    assert tuple(drained.text(f"seen/{name}").strip() for name in ("left", "right")) == REGIONS
    assert drained.pixels("regions/masked") == drained.pixels("regions/boxed") == drained.pixels("again/boxed")
    assert drained.pixels("regions/again") == drained.pixels("regions/masked")
    first, second = drained.sidecar("regions/masked"), drained.sidecar("regions/again")
    assert first["request"] == second["request"]
    assert first["request"]["regions"][1]["mask"] == "right.png"
    assert [file["kind"] for file in first["ingredients"]] == ["region_mask"]
    for name in ("regions/masked", "regions/again", "regions/boxed", "again/boxed"):
        assert drained.sidecar(name)["warnings"] == []


def test_what_aura_mini_does_not_know_is_said_in_sidecar_and_log(drained: Drained) -> None:
    for name, switch in (("sea", "sd-1.4"), ("noise", "blip-base")):
        document = drained.sidecar(f"unknown/{name}")
        warnings = " ".join(document["warnings"])
        assert "aura-mini" in warnings
        assert switch in warnings
        assert any(document["job_id"] in line and switch in line for line in drained.log.splitlines())
    assert drained.size("unknown/sea") == (112, 64)


def test_a_job_file_may_ask_for_a_caption(drained: Drained) -> None:
    assert drained.text("told/tell") == "a large orange star on a blue background\n"
    assert drained.sidecar("told/tell")["caption"] == "a large orange star on a blue background"


def test_the_cells_of_a_sheet_are_what_its_labels_say(drained: Drained) -> None:
    request = drained.sidecar("sheet/plot-grid")["request"]
    assert request["columns"] == 2
    assert request["column_labels"] == [f"… {shape} …" for shape in SHAPES]
    assert request["row_labels"] == [f"… {colour} …" for colour in COLOURS]
    captions = [drained.text(f"sheet/cell{number}").split() for number in range(4)]
    assert [(words[2], words[3]) for words in captions] == [(colour, shape) for colour in COLOURS for shape in SHAPES]


def test_a_seed_is_one_picture_however_it_is_asked_for_and_each_is_called_as_the_file_says(drained: Drained) -> None:
    names = ["listed/1", "listed/2", "counted/03-1", "counted/04-2", "counted/05-3", "ranged/stars 2", "ranged/stars 3"]
    made = {name: (drained.outbox / "seeds" / f"{name}.png").read_bytes() for name in names}
    assert made["listed/1"] == made["counted/03-1"]
    assert made["listed/2"] == made["counted/04-2"] == made["ranged/stars 2"]
    assert made["counted/05-3"] == made["ranged/stars 3"]
    assert len(set(made.values())) == 3
    request = drained.sidecar("seeds/listed/1")["request"]
    assert (request["tags"], request["notes"]) == (["a", "b c"], "for the wall")


def place_of_shape(file: Path) -> tuple[float, float]:
    """The middle of what differs from the upper right corner, in shares of the sides."""
    with Image.open(file) as picture:
        grey = ImageChops.difference(picture.convert("RGB"), Image.new("RGB", picture.size, picture.getpixel((-1, 0))))
    left, upper, right, lower = grey.convert("L").point(lambda value: 255 * (value > 60)).getbbox() or (0, 0, 0, 0)
    return (left + right) / 2 / picture.width, (upper + lower) / 2 / picture.height


def test_a_restyled_red_circle_keeps_its_place_and_shape(drained: Drained) -> None:
    document = drained.sidecar("restyled/circle")
    assert [part["task"] for part in document["parts"]] == ["caption", "generate"]
    assert document["parts"][0]["caption"] == document["request"]["prompt"]
    assert " red circle on a white background" in drained.text("seen/restyled")
    across, down = place_of_shape(drained.outbox / "restyled" / "circle.png")
    assert (across, down) == pytest.approx((44 / 128, 52 / 128), abs=0.06)


def test_the_sidecar_of_a_recipe_makes_the_same_pixels_again(drained: Drained) -> None:
    assert drained.pixels("restyled/again") == drained.pixels("restyled/circle")
    assert drained.sidecar("restyled/again")["request"] == drained.sidecar("restyled/circle")["request"]


def test_every_recipe_that_is_shipped_does_what_it_says(drained: Drained) -> None:
    caption = "a large orange star on a blue background"
    assert drained.sidecar("recipes/caption-for-training/star")["caption"] == caption
    beside = drained.outbox.parent / "inbox" / "recipes" / "caption-for-training" / "star.txt"
    assert beside.read_text(encoding="utf-8") == f"sks, {caption}\n"
    assert caption.encode() in (drained.outbox / "recipes" / "describe-in-metadata" / "star.png").read_bytes()
    variations = [drained.pixels(f"recipes/four-variations/star-{number}") for number in range(1, 5)]
    assert len(set(variations)) == 4
    assert (drained.outbox / "recipes" / "four-variations" / "star-grid.png").exists()
    postcard = drained.sidecar("recipes/postcard/star")["request"]
    assert postcard["prompt"] == f"postcard of {caption}"
    assert drained.sidecar("recipes/postcard/prompt")["request"]["negative_prompt"] == postcard["negative_prompt"]
    assert drained.size("recipes/postcard/star") == drained.size("recipes/postcard/prompt") == (96, 64)
    assert drained.sidecar("recipes/regenerate/star")["request"]["prompt"] == CIRCLE
    restyled = drained.sidecar("recipes/restyle/star")["request"]
    assert restyled["prompt"] == f"watercolour painting of {caption}, soft paper texture"
    posed = [drained.pixels(f"recipes/four-of-this-pose/star-{number}") for number in range(1, 5)]
    assert len(set(posed)) == 4
    assert (drained.outbox / "recipes" / "four-of-this-pose" / "star-grid.png").exists()
    coloured = drained.sidecar("recipes/colour-a-drawing/star")
    assert [one["kind"] for one in coloured["ingredients"]][-2:] == ["control_image", "controlnet"]
    assert drained.size("recipes/upscale/star") == (128, 128)
    assert drained.size("recipes/enlarge/star") == (512, 512)  # twice the drawing
    assert drained.sidecar("recipes/enlarge/star")["model"]["name"] == "tiny"


def test_a_lora_of_the_folder_changes_its_own_job_and_not_the_next(drained: Drained) -> None:
    names = [f"loras/shapes-{number}" for number in range(1, 6)]
    files = [drained.sidecar(name)["outputs"][0]["sha256"] for name in names]
    pixels = [drained.pixels(name) for name in names]
    assert files[0] == files[4]
    assert pixels[0] == pixels[2] == pixels[4]
    assert pixels[1] == pixels[3] != pixels[0]
    (problem,) = drained.sidecar("failed/loras/wrong.yaml")["problems"]
    assert problem.endswith("did you mean `stars`?")
