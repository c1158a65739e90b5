"""Names of results as a job wants them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.file_names import MOST_NAME_BYTES, is_out_of_bounds
from aura_daemon.jobfile.keys.output_name import FIELDS, TEMPLATE, filled

VALUES = {
    "stem": "cat",
    "number": 7,
    "seed": 42,
    "prompt": 'a "red" circle/on: blue',
    "model": "CompVis/stable-diffusion-v1-4",
    "date": "2026-11-24",
    "time": "173005",
}


@pytest.mark.parametrize(
    ("template", "folder", "stem"),
    [
        ("{stem}", "", "cat"),
        ("{stem}-{seed}", "", "cat-42"),
        ("{number:03}", "", "007"),
        ("{date}/{time} {stem}", "2026-11-24", "173005 cat"),
        ("{model}/{prompt}", "CompVis-stable-diffusion-v1-4", "a-red-circle-on-blue"),
        (" a/b/c ", "a/b", "c"),
        ("failed/x", "failed-", "x"),
        ("pets/Aura-Gallery/x", "pets/Aura-Gallery-", "x"),
        ("x/failed/y", "x/failed", "y"),
        ("aux/{stem}", "aux_", "cat"),
    ],
)
def test_fields_stand_for_what_is_known(template: str, folder: str, stem: str) -> None:
    assert re.match(TEMPLATE, template)
    assert filled(template, VALUES) == (folder, stem)


@pytest.mark.parametrize(
    ("template", "prompt", "stem"),
    [
        ("{prompt}", "a\u200bb \u202egnp.exe", "ab-gnp.exe"),  # or it would be shown as `ab exe.png`
        ("\u202e{prompt}", "cat", "cat"),
        ('a:b*c?"<|>d', "", "a-b-c-d"),
        ("a\tb\u2028c", "", "a b c"),
        ("x. ", "", "x"),
        ("{prompt} . .x", "", "x"),
        ("{prompt}", "\u202e", "-"),
        ("{prompt}", "猫" * 200, "猫" * 60),
        ("{prompt}", "🦊" * 200, "🦊" * 53),  # 215 bytes: the rest is for numbers and extensions
        ("{prompt}", "./../..", "-"),
        ("con", "", "con_"),
        ("{prompt}", "NUL.a circle", "NUL_.a-circle"),
    ],
)
def test_a_name_is_fit_for_any_file_system_and_shows_what_it_is(template: str, prompt: str, stem: str) -> None:
    assert filled(template, {**VALUES, "prompt": prompt}) == ("", stem)


@pytest.mark.parametrize(
    "template",
    ["", " ", "..", "../x", "/x", "x/", "a//b", ".x", "a/.b", "a\\b", "{seeds}", "{", "a}", "{seed:x}", "a\0"],
)
def test_what_leads_elsewhere_or_means_nothing_is_no_template(template: str) -> None:
    assert not re.match(TEMPLATE, template)


TEMPLATES = st.lists(
    st.lists(st.sampled_from([*(f"{{{field}}}" for field in FIELDS), "{number:05}", "a", "ü", ".", " ", "failed"])),
    min_size=1,
    max_size=4,
).map(lambda parts: "/".join(map("".join, parts)))


@given(
    TEMPLATES, st.fixed_dictionaries({name: st.text(max_size=300) for name in FIELDS if name not in ("number", "seed")})
)
def test_no_value_leads_out_of_the_outbox_or_to_a_hidden_name(template: str, texts: dict[str, str]) -> None:
    if not re.match(TEMPLATE, template):
        return
    folder, stem = filled(template, {**texts, "number": 1, "seed": 2})
    path = f"{folder}/{stem}" if folder else stem
    assert not is_out_of_bounds(f"{path}.png")
    assert all(part and part not in (".", "..") for part in path.split("/"))
    assert all(len(part.encode("utf-8", "replace")) <= MOST_NAME_BYTES for part in path.split("/"))
    assert path.isprintable()
    assert not any(part.endswith((".", " ")) for part in path.split("/"))
