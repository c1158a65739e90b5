"""The published schema of job files and the parser: what one takes the other takes."""

import json
import math
import re
import sys
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aura_daemon.file_names import MOST_NAME_BYTES
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS
from aura_daemon.formats.plain_text import NOT_TEXT
from aura_daemon.jobfile.keys.caption import CaptionJob
from aura_daemon.jobfile.keys.types import image_path
from aura_daemon.jobfile.parser import ParsedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.schema import job_schema
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.sampling import NATIVE_512, Scheduler
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.text_patterns import CONTROL, SPACE
from tests.support.examples import examples

CHECKER = jsonschema.Draft202012Validator(job_schema())

CHOICES = re.compile(r"[{\\#<]|__")
"""What may be more than a pattern can say."""

CHARACTERS = st.characters(exclude_categories=["Cs"])  # no file holds half a surrogate pair
TEXTS = st.text(CHARACTERS, max_size=8) | st.text("aB1. \t\n\x07\x85\xa0\u2028/\\:x_-+{|}", max_size=8)
PADDING = st.sampled_from(["", " ", "\n", "\t ", "\u3000", "_"])
RATIOS = st.builds(
    "".join,
    st.tuples(
        PADDING,
        st.sampled_from(["16", "9", "1", "4", "3", "21", "10"]),
        st.sampled_from([":", "x", "X", "/", " : ", "\u00d7", ""]),
        st.sampled_from(["16", "9", "1", "4", "3", "21", "10"]),
        PADDING,
    ),
) | st.sampled_from([*NATIVE_512, "auto", "AUTO", "aut\u03bf"])
SCHEDULERS = st.builds(
    lambda name, old, new, start, end, shape: start + shape(name.replace(old, new)) + end,
    st.sampled_from([str(scheduler) for scheduler in Scheduler]),
    st.sampled_from(["_", "++", "k", "s"]),
    st.sampled_from(["_", " ", "-", " - ", "", "pp", "\u212a", "\u017f"]),
    PADDING,
    PADDING,
    st.sampled_from([str.lower, str.upper, str.title]),
)
PARTS = st.text("a.\u00fc \\\n\x07", max_size=4) | st.sampled_from(
    ["", "..", "a", ".a", "sub", "a" * 251, "\u00fc" * 252]
)
IMAGES = st.builds(
    lambda start, here, slash, parts, ending, end: start + here + slash.join(parts) + ending + end,
    PADDING,
    st.sampled_from(["", "", "./", ".\\", "././", ".//", "/", "C:/", "./c:\\", "C:", "\\\\"]),
    st.sampled_from(["/", "/", "\\", "//", "/./", "\\.//", "/../"]),
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from([*IMAGE_EXTENSIONS, ".PNG", ".Jpeg", ".txt", "", "png", ".t\u0131f"]),
    PADDING,
)
LONG = st.builds(
    lambda length, padding: "x" * length + padding, st.sampled_from([499, 500, 999, 9_999, 10_000]), PADDING
)
WHOLES = st.sampled_from([0, 1, 63, 64, 150, 151, 200, 201, 2048, 2049, 2**63 - 1, 2**63, 10**390, -1])
NUMBERS = WHOLES | WHOLES.filter(lambda number: number < 2**64).map(float) | st.floats(allow_nan=False)
JUNK = st.sampled_from([[], ["a"], {}, {"a": 1}])
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    TEXTS,
    RATIOS,
    SCHEDULERS,
    IMAGES,
    LONG,
    JUNK,
    st.sampled_from(["generate", "caption", "regenerate"]),
)


def mostly(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | values | values | st.none() | ANYTHING


def some_of(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


TEMPLATES = st.lists(
    st.sampled_from(["{seed}", "{stem:03}", "{x}", "a", "/", ".", " ", "\u3000", "}"]), max_size=5
).map("".join)
RANGES = st.builds(
    lambda first, sign, last, end: f"{first}{sign}{last}{end}",
    st.sampled_from([0, 1, 5, 2**63 - 2]),
    st.sampled_from(["-", "..", " - ", "\t.. ", ".", "to", ""]),
    st.sampled_from([0, 4, 504, 505, 2**63 - 1, 2**63]),
    PADDING,
)
SEEDS = st.integers(0, 2**63 - 1) | st.lists(st.integers(0, 2**63 - 1) | NUMBERS, max_size=3) | RANGES
SIZES = st.builds(
    lambda start, width, sign, height, end: f"{start}{width}{sign}{height}{end}",
    PADDING,
    st.sampled_from([63, 64, 99, 100, 512, 999, 1000, 2048, 2049, "0512", "\u0665\u0661\u0662"]),
    st.sampled_from(["x", "X", " x ", "\u00d7", "*", ":", "xx", "\n x"]),
    st.sampled_from([64, 768, 2048, 4096]),
    PADDING,
)


def one_or_more(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, max_size=3) | values.map(lambda value: [value] * 9)


CONTROLS = some_of(
    image=mostly(IMAGES),
    model=mostly(TEXTS),
    weight=mostly(st.floats(0, 2)),
    start=st.floats(0, 0.4) | st.sampled_from([-0.1, "0.1", None]),
    end=st.floats(0.5, 1) | st.sampled_from([1.1, "0.9", None]),
    mode=mostly(st.sampled_from(["balanced", "prompt", "Control"])),
    prepare=mostly(st.sampled_from(["none", "canny", "lines"])),
    hires=mostly(st.sampled_from(["first", "both", "third"])),
)
BOXES = st.tuples(*(st.floats(0, 0.4),) * 2, *(st.floats(0.5, 1.1),) * 2).map(list) | st.just([0, 0, 1])
REGIONS = some_of(prompt=mostly(TEXTS | LONG), weight=mostly(st.floats(0, 2)), box=mostly(BOXES), mask=mostly(IMAGES))
LORAS = some_of(name=mostly(TEXTS | LONG), weight=mostly(st.floats(-4, 4)))

VALUES = {
    "task": mostly(st.sampled_from(["generate", "caption", "regenerate", "benchmark"])),
    "prompt": mostly(TEXTS | LONG),
    "negative_prompt": mostly(TEXTS | LONG),
    "aspect_ratio": mostly(RATIOS),
    "width": mostly(st.integers(64, 2048)),
    "height": mostly(st.integers(64, 2048)),
    "steps": mostly(st.integers(1, 150)),
    "guidance_scale": mostly(st.floats(0, 30)),
    "scheduler": mostly(SCHEDULERS),
    "seed": mostly(SEEDS | st.just([7] * 501)),
    "count": mostly(st.integers(1, 500)),
    "grid": mostly(st.booleans()),
    "image": mostly(IMAGES),
    "max_new_tokens": mostly(st.integers(1, 200)),
    "beams": mostly(st.integers(1, 16)),
    "sampling": mostly(
        st.booleans() | some_of(temperature=mostly(st.floats(0.1, 2)), top_p=mostly(st.floats(0.01, 1)), seed=ANYTHING)
    ),
    "candidates": mostly(st.integers(1, 10)),
    "max_words": mostly(st.integers(0, 200)),
    "priority": mostly(st.integers(-1000, 1000)),
    "model": mostly(TEXTS | LONG),
    "speed": mostly(st.sampled_from(["exact", "turbo", "Fast", "quick"])),
    "loras": mostly(st.lists(TEXTS | LORAS, max_size=3) | st.just(["ink"] * 11)),
    "mask": mostly(IMAGES),
    "strength": mostly(st.floats(0, 1)),
    "hires": mostly(some_of(scale=mostly(st.floats(1, 4)), strength=mostly(st.floats(0, 1)), steps=ANYTHING)),
    "control": mostly(one_or_more(CONTROLS)),
    "like": mostly(one_or_more(some_of(image=mostly(IMAGES), weight=mostly(st.floats(0, 2)), model=mostly(TEXTS)))),
    "regions": mostly(one_or_more(REGIONS)),
    "upscale": mostly(
        TEXTS
        | st.integers(0, 9)
        | st.floats(1, 8)
        | some_of(model=mostly(TEXTS), scale=mostly(st.floats(1, 8)), tile=mostly(WHOLES))
    ),
    "clip_skip": mostly(st.integers(1, 12)),
    "format": mostly(st.sampled_from(["png", "JPEG", " jpg\n", "wepb", "Webp", "avif", "av\u0131f", "", " "])),
    "quality": mostly(st.integers(1, 100)),
    "metadata": mostly(st.sampled_from(["full", "minimal", "none", "None"])),
    "preview": mostly(st.integers(0, 150)),
    "output": mostly(TEXTS | TEMPLATES | LONG),
    "tags": mostly(st.lists(TEXTS | LONG, max_size=3) | st.just(["ink"] * 51)),
    "notes": mostly(TEXTS | LONG),
    "of": mostly(st.sampled_from(["generate", "caption", "Caption", "pictures"])),
    "sizes": mostly(SIZES | st.integers(64, 2048) | st.lists(SIZES | st.integers(60, 2050), max_size=9)),
    "repeats": mostly(st.integers(1, 20)),
    "batch": mostly(st.integers(1, 8)),
    "question": mostly(TEXTS | LONG),
    "embed": mostly(st.booleans()),
    "verify": mostly(st.booleans() | st.floats(0, 1) | st.sampled_from([1.5, -0.1, 1, "0.8", "true"])),
    "tries": mostly(st.integers(1, 20)),
    "best_of": mostly(st.integers(1, 20)),
    "caption": mostly(
        some_of(
            extension=mostly(st.sampled_from([".txt", "TXT", " caption\n", "..txt", ".md", ""])),
            place=mostly(st.sampled_from(["outbox", "beside", "Beside"])),
            prefix=mostly(TEXTS | LONG),
            existing=mostly(st.sampled_from(["keep", "append", "skip", "add"])),
        )
    ),
    "stepz": ANYTHING,
}
VALUES["matrix"] = mostly(
    st.lists(st.sampled_from([*VALUES, "matrix"]), unique=True, max_size=2).flatmap(
        lambda names: st.fixed_dictionaries(
            {name: mostly(st.lists(VALUES.get(name, ANYTHING), max_size=3)) for name in names}
        )
    )
    | st.just({"steps": [7] * 501})
)


def test_no_image_at_all_is_an_image_that_is_not_named() -> None:
    assert CaptionJob.model_validate({"task": "caption", "image": None}).request() == CaptionRequest()


def some(*keys: str) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings with a few of these keys: with many, one of them is always wrong."""
    chosen = st.lists(st.sampled_from(keys), unique=True, max_size=3)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: VALUES[name] for name in names}))


DOCUMENTS = st.one_of(
    some(*VALUES),
    some(*VALUES).map(lambda rest: {**rest, "task": "regenerate"}),
    some(*VALUES).map(lambda rest: {**rest, "task": "benchmark"}),
    some("prompt", "max_new_tokens", "beams", "sampling", "candidates", "repeats", "priority", "sizes").map(
        lambda rest: {**rest, "task": "benchmark", "of": "caption"}
    ),
    st.builds(lambda prompt, rest: {"prompt": prompt, **rest}, VALUES["prompt"], some(*list(VALUES)[:10])),
    st.builds(
        lambda image, rest: {"image": image, **rest},
        VALUES["image"],
        some(
            "task",
            "prompt",
            "max_new_tokens",
            "beams",
            "sampling",
            "candidates",
            "max_words",
            "priority",
            "question",
            "embed",
            "caption",
        ),
    ),
)


OFTEN_WELL = {
    "prompt": ["x", 7, " "],
    "negative_prompt": ["", "no", 7],
    "steps": [7, 8.0, 0],
    "scheduler": ["euler", "ddim", "fast"],
    "seed": [7, -1, [7, 8], "1-2"],
    "count": [1, 7.0, 0],
    "image": ["a.png", "b.png", "b.txt"],
    "mask": ["a.png", "b.png"],
    "strength": [0.5, 1, 2],
    "loras": [["ink"], [], "ink"],
    "hires": [{}, {"scale": 2}, {"scale": 9}],
    "tags": [["a"]],
    "max_new_tokens": [7],
}


def few_of(most: int, values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    chosen = st.lists(st.sampled_from(list(values)), unique=True, max_size=most)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: values[name] for name in names}))


VARIED = st.builds(
    lambda prompt, keys, matrix: {**prompt, **keys, "matrix": matrix},
    st.sampled_from([{"prompt": "x"}, {}]),
    few_of(2, {key: st.sampled_from([*values[:2], None]) for key, values in OFTEN_WELL.items()}),
    few_of(
        3,
        {
            key: st.lists(st.sampled_from(values[:2] * 4 + [None, values[-1]]), max_size=3)
            for key, values in OFTEN_WELL.items()
        },
    ),
)


def written(value: Any) -> str:
    """As YAML, every unusual character escaped, so that the reader folds no line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, float) and math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    if isinstance(value, str):
        return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in value) + '"'
    return json.dumps(value)


def parses(mapping: dict[str, Any]) -> bool:
    return isinstance(parse(SourceKind.JOB_FILE, written(mapping).encode(), file="x.yaml"), ParsedFile)


def said_of(mapping: dict[str, Any], key: str) -> list[Any]:
    """A key's value, and those its list in the matrix has."""
    matrix = mapping.get("matrix")
    values = matrix.get(key) if isinstance(matrix, dict) else None
    return [mapping.get(key), *(values if isinstance(values, list) else [])]


def cannot_be_said(mapping: dict[str, Any]) -> bool:
    """What JSON Schema has no words for: the length of a name in bytes, and of a number in digits; what choices mean,
    how far a range or a count goes, and how many jobs it is in all."""
    texts = [text for key in ("prompt", "negative_prompt") for text in said_of(mapping, key) if isinstance(text, str)]
    images = [image for image in said_of(mapping, "image") + said_of(mapping, "mask") if isinstance(image, str)]
    parts = [part for image in images for part in image_path(image).split("/")]
    long_name = any(len(part) <= MOST_NAME_BYTES < len(part.encode("utf-8", "replace")) for part in parts)
    values = [value for key in VALUES for value in said_of(mapping, key)]
    has_range = isinstance(mapping.get("seed"), str)
    is_far = mapping.get("count") is not None and isinstance(mapping.get("seed"), int | float)
    matrix = mapping.get("matrix")
    lists = [len(values) for values in matrix.values() if isinstance(values, list)] if isinstance(matrix, dict) else []
    seeds = mapping.get("seed")
    count = mapping.get("count")
    each = count if isinstance(count, int) else len(seeds) if isinstance(seeds, list) else 1
    return (
        long_name
        or any(map(CHOICES.search, texts))
        or any(isinstance(value, int) and value > 10**300 for value in values)
        or has_range
        or is_far
        or math.prod(lists) * each > 500
    )


@example({"output": "x" * 999 + "\t "})
@example({"prompt": "x" * 9_999 + "  "})
@example({"prompt": "a", "notes": "x" * 1_999 + "  "})
@example({"prompt": "a", "tags": ["x" * 99 + "  "]})
@example({"prompt": "a", "model": "x" * 999 + "  "})
@example({"task": "caption", "image": "a.png", "prompt": "x" * 499 + "  "})
@example({"prompt": "a", "loras": ["x" * 999 + "  "]})
@given(DOCUMENTS | VARIED)
@settings(max_examples=examples(400), deadline=None)
@example({"prompt": "x", "aspect_ratio": " 16 x 9\n"})
@example({"prompt": "x", "aspect_ratio": "1 6:9"})
@example({"prompt": "x", "scheduler": "DPM++ 2M Karras"})
@example({"prompt": "x", "scheduler": "dpmpp-2m"})
@example({"prompt": "x", "scheduler": "dpm++_2m_\u212aarras"})
@example({"prompt": "x", "steps": 3.0, "seed": -0.0})
@example({"prompt": "x", "steps": 3.5})
@example({"prompt": "x", "steps": True})
@example({"prompt": True, "negative_prompt": 1e30})
@example({"prompt": "x", "seed": 2.0**63})
@example({"prompt": None})
@example({"prompt": "x", "negative_prompt": None, "aspect_ratio": None, "task": None, "seed": None})
@example({"prompt": "x", "image": None})
@example({"prompt": None, "image": "a.png"})
@example({"prompt": "x", "image": "a.png"})
@example({"prompt": "x", "image": "a.png", "task": "caption", "max_new_tokens": 9.0})
@example({"task": "caption", "beams": 4, "sampling": True})
@example({"task": "caption", "beams": 4.0, "sampling": False, "candidates": 10})
@example({"task": "caption", "beams": None, "sampling": {"temperature": 1, "top_p": 1, "seed": -1}})
@example({"task": "benchmark", "of": "caption", "beams": 1, "sampling": {}})
@example({"task": "regenerate"})
@example({"task": "regenerate", "image": "a.png", "prompt": "x", "seed": 1})
@example({"task": "regenerate", "prompt": " "})
@example({"task": "regenerate", "output": "{"})
@example({"task": "regenerate", "mask": "a.png"})
@example({"prompt": "x", "priority": None})
@example({"image": "../x.png"})
@example({"image": "/x.png"})
@example({"image": " sub/ x.PNG\n"})
@example({"image": " .x.png"})
@example({"image": "./a\\\\b/./x.png"})
@example({"image": "c:/x.png"})
@example({"image": "./c:\\x.png"})
@example({"image": "x.png/"})
@example({"image": "a/" * 498 + "a.png"})
@example({"image": "a/" * 498 + "a.png "})
@example({"image": "a" * 251 + ".png"})
@example({"image": "a" * 252 + ".png"})
@example({"image": "a" * 250 + ".webp"})
@example({"image": "a" * 251 + ".webp"})
@example({"image": "a" * 256 + "/a.png"})
@example({"prompt": " " + "x" * 9_999})
@example({"prompt": " " + "x" * 10_000})
def test_the_schema_and_the_parser_take_the_same(mapping: dict[str, Any]) -> None:
    is_valid = CHECKER.is_valid(mapping)
    if cannot_be_said(mapping):
        assert is_valid or not parses(mapping)  # never stricter than the parser
    else:
        assert is_valid is parses(mapping)


@pytest.mark.parametrize(
    "mapping",
    [
        {"image": "\u00fc" * 130 + ".png"},
        {"prompt": int("9" * 501), "task": "caption", "image": "a.png"},
        {"prompt": "x", "guidance_scale": math.nan},
        {"prompt": "x", "seed": "4-1"},
        {"prompt": "x", "seed": "1-501"},
        {"prompt": "x", "seed": f"{2**63 - 1}-{2**63}"},
        {"prompt": "x", "seed": 2**63 - 1, "count": 2},
        {"prompt": "x {a|b"},
        {"prompt": "x", "seed": [1, 2], "matrix": {"steps": [7] * 251}},
    ],
)
def test_what_json_schema_cannot_say_the_parser_says(mapping: dict[str, Any]) -> None:
    assert CHECKER.is_valid(mapping)
    assert not parses(mapping)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("prompt: x\naspect_ratio: '16:9'", True),
        ("prompt: 1984", True),
        ("image: a.png", True),
        ("task: caption\nimage: a.png\nprompt: a photo of", True),
        ("prompt: x\nsteps: 0", False),
        ("promt: x", False),
        ("prompt: x\nimage: a.png", True),
        ("prompt: x\nimage: a.png\nmask: b.png\nstrength: 0.5", True),
        ("prompt: x\nverify: 0.8\ntries: 6\nbest_of: 4", True),
        ("prompt: x\nverify: true\nbest_of: 4", True),
        ("prompt: x\nverify: true\ntries: 6", False),
        ("prompt: x\ntries: 6", False),
        ("prompt: x\nverify: 80", False),
        ("prompt: x\nbest_of: 21", False),
        ("prompt: x\ntries: 6\nmatrix: {verify: [0.5, 0.9]}", True),
        ("prompt: x\ntries: 6\nmatrix: {verify: [0.5, false]}", False),
        ("prompt: x\nverify: 0\ntries: 6", False),
        ("prompt: x\nverify: 0", True),
        ("prompt: x\nmask: b.png", False),
        ("prompt: x\nloras: [ink, {name: grain, weight: 0.5}]\nhires: {scale: 1.5}\ntags: [a]", True),
        ("prompt: x\nloras: ink", False),
        ("prompt: x\ntags: [' ']", False),
        ("prompt: x\nseed: [1, 2.0]", True),
        ("prompt: x\nseed: 1-4\ngrid: true", True),
        ("prompt: x\nseed: ' 1 .. 4 '", True),
        ("prompt: x\nseed: '7'", False),
        ("prompt: x\nseed: []", False),
        ("prompt: x\nseed: 7\ncount: 4", True),
        ("prompt: x\nseed: [7]\ncount: 4", False),
        ("prompt: x\nseed: 1-4\ncount: 4", False),
        ("prompt: x\ncount: 501", False),
        ("prompt: x\ngrid: 1", False),
        ("prompt: x\nmatrix: {steps: [10, 20], scheduler: [euler, ddim]}", True),
        ("prompt: x\nmatrix: {steps: [10, 0]}", False),
        ("prompt: x\nmatrix: {steps: [10, null]}", True),
        ("prompt: x\nmatrix: {steps: 10}", False),
        ("prompt: x\nmatrix: {steps: []}", False),
        ("prompt: x\nmatrix: {steps: null}\nsteps: 7", True),
        ("prompt: x\nmatrix: {}", True),
        ("prompt: x\nmatrix: [steps]", False),
        ("prompt: x\nmatrix: {tags: [[a]]}", False),
        ("prompt: x\nsteps: 7\nmatrix: {steps: [10]}", False),
        ("prompt: x\nmatrix: {seed: [1, 2]}", True),
        ("prompt: x\nmatrix: {seed: [[1, 2]]}", False),
        ("prompt: x\ncount: 2\nmatrix: {seed: [1, 2]}", False),
        ("matrix: {prompt: [x, 1984, no]}", True),
        ("matrix: {prompt: [x, null]}", False),
        ("prompt: ~\nmatrix: {prompt: [x]}", True),
        ("matrix: {image: [a.png]}", False),
        ("prompt: x\nmatrix: {image: [a.png, b.png], strength: [0.5, 0.7]}", True),
        ("prompt: x\nmatrix: {image: [a.png, null]}\nstrength: 0.5", False),
        ("prompt: x\nmatrix: {image: [a.png, null], mask: [null]}", True),
        ("prompt: x\nmatrix: {mask: [a.png]}", False),
        ("image: a.png\nmatrix: {max_new_tokens: [7]}", False),
        ("prompt: null", False),
        ("prompt: ~", False),
        ("prompt:", False),
        ("prompt: x\nnegative_prompt: ~\naspect_ratio: null\nscheduler:", True),
    ],
)
def test_a_file_as_people_write_it_is_the_same_to_an_editor(text: str, valid: bool) -> None:
    assert CHECKER.is_valid(yaml.safe_load(text)) is valid
    assert isinstance(parse(SourceKind.JOB_FILE, text.encode(), file="a"), ParsedFile) is valid


def test_the_patterns_know_the_same_characters_as_python() -> None:
    space, control = re.compile(f"[{SPACE}]"), re.compile(f"[{CONTROL}]")
    characters = "".join(map(chr, (*range(0xD800), *range(0xE000, sys.maxunicode + 1))))  # all but halves of them
    assert control.findall(characters) == NOT_TEXT.findall(characters)
    texts = control.sub("", characters)
    assert space.findall(texts) == [character for character in texts if not character.strip()]


def test_an_editor_has_names_to_offer() -> None:
    schema = job_schema()
    assert schema["$defs"]["Scheduler"]["anyOf"][0] == {"enum": [str(scheduler) for scheduler in Scheduler]}
    assert schema["anyOf"][0]["properties"]["aspect_ratio"]["anyOf"][0] == {"enum": list(NATIVE_512)}
