"""`images`: what patterns match, and what is no pattern."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.errors import Problem
from aura_daemon.jobfile.image_names import image_names, image_sets
from aura_daemon.jobfile.keys import image_patterns
from aura_daemon.jobfile.keys.caption import CaptionJob
from aura_daemon.jobfile.keys.image_patterns import MOST_PATTERNS, PatternsBelow, begins_with_a_name, normalized
from aura_daemon.jobfile.schema import job_schema
from aura_daemon.jobfile.validation import JobSpec, validated

PATHS = (
    "top.png",
    "set/a.png",
    "set/B.JPG",
    "set/caf\u00e9.png",
    "set/in/a.png",
    "set/in/deep/c.webp",
    "set [x]/d.png",
    "settle/e.png",
)


def matched(*patterns: str, folder: str = "") -> list[str]:
    below = PatternsBelow(folder=folder, patterns=tuple(map(normalized, patterns)))
    return [path for path in PATHS if any(True for _ in below.matched_by(path))]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("set/**", ["set/a.png", "set/B.JPG", "set/caf\u00e9.png", "set/in/a.png", "set/in/deep/c.webp"]),
        ("set", ["set/a.png", "set/B.JPG", "set/caf\u00e9.png", "set/in/a.png", "set/in/deep/c.webp"]),
        (".\\set//*", ["set/a.png", "set/B.JPG", "set/caf\u00e9.png"]),
        ("set/*.jpg", ["set/B.JPG"]),
        ("SET/A.png", ["set/a.png"]),
        ("set/cafe\u0301.png", ["set/caf\u00e9.png"]),
        ("**/a.png", ["set/a.png", "set/in/a.png"]),
        ("set/**/c.*", ["set/in/deep/c.webp"]),
        ("*/?.png", ["set/a.png", "set [x]/d.png", "settle/e.png"]),
        ("set*/[ad].png", ["set/a.png", "set [x]/d.png"]),
        ("set*/[!a].png", ["set [x]/d.png", "settle/e.png"]),
        ("set*/[a-d].png", ["set/a.png", "set [x]/d.png"]),
        ("set [[]x]/*", ["set [x]/d.png"]),
        ("set [x/d.png", []),
        ("set/[z-a].png", []),
        ("**", list(PATHS)),
        ("set/*a*.*g", ["set/a.png", "set/caf\u00e9.png"]),
        ("**/**/a.png", ["set/a.png", "set/in/a.png"]),
        ("**/in/**/*.*", ["set/in/a.png", "set/in/deep/c.webp"]),
        ("set[+-0]a.png", []),
    ],
)
def test_a_pattern_matches_as_shells_do_in_any_case(pattern: str, paths: list[str]) -> None:
    assert matched(pattern) == paths


NAMES = st.text("ab", min_size=1, max_size=6)


@given(st.text("ab*?", min_size=1, max_size=6), NAMES)
def test_one_name_matches_as_fnmatch_has_it(pattern: str, name: str) -> None:
    below = PatternsBelow(folder="", patterns=(f"x/{pattern.replace('**', '*')}",))
    assert bool(below.matched_by(f"x/{name}")) == fnmatchcase(name, pattern.replace("**", "*"))


@given(
    st.lists(st.sampled_from(["**", "a", "b", "*"]), min_size=1, max_size=6),
    st.lists(st.sampled_from("ab"), min_size=1, max_size=6),
)
def test_folders_match_as_they_do_one_by_one(parts: list[str], names: list[str]) -> None:
    below = PatternsBelow(folder="", patterns=("/".join(parts),))
    assert bool(below.matched_by("/".join(names))) == matches(parts, names)


def matches(parts: list[str], names: list[str]) -> bool:
    if not parts or not names:
        return not parts and not names
    if parts[0] == "**":
        rest = [matches(parts[1:], names[at:]) for at in range(len(names) + 1)] if parts[1:] else [True]
        return any(rest)
    return parts[0] in ("*", names[0]) and matches(parts[1:], names[1:])


@pytest.mark.parametrize("pattern", ["*a" * 12 + "*b.png", "**/a/" * 12 + "b.png", "**/*a*a*a*a*a*b/" * 3 + "b"])
@pytest.mark.timeout(60)
def test_no_pattern_takes_longer_than_a_name_is_long(pattern: str) -> None:
    for path in ("a" * 200, "a/" * 60 + "a", "/".join(["a" * 60] * 30)):
        assert not PatternsBelow(folder="", patterns=(pattern,)).matched_by(path)


@pytest.mark.parametrize(("pattern", "may"), [("set/**", True), ("a.png", True), ("**", False), ("s*t/a.png", False)])
def test_only_a_pattern_that_begins_with_a_name_may_count_from_the_top(pattern: str, may: bool) -> None:
    assert begins_with_a_name(pattern) is may


def test_a_pattern_counts_from_a_folder() -> None:
    assert matched("**", folder="set/in") == ["set/in/a.png", "set/in/deep/c.webp"]
    assert matched("*.png", folder="set/in") == ["set/in/a.png"]


@pytest.mark.parametrize(
    ("patterns", "folder", "base", "starts"),
    [
        (["set/**"], "", "set", ("set",)),
        (["**"], "jobs", "jobs", ("jobs",)),
        (["a/b/*.png", "a/c/d.png"], "", "a", ("a/b", "a/c")),
        (["a.png", "b/*"], "jobs", "jobs", ("jobs",)),
        (["a/*/c.png", "a/b/**"], "", "a", ("a",)),
        (["a/**", "b/**"], "", "", ("a", "b")),
    ],
)
def test_the_folders_of_a_set_are_those_before_the_first_sign(
    patterns: list[str], folder: str, base: str, starts: tuple[str, ...]
) -> None:
    below = PatternsBelow(folder=folder, patterns=tuple(map(normalized, patterns)))
    assert (below.base, below.starts) == (base, starts)


NO_PATTERNS: list[object] = ["../x/*", "/etc/*", "a/../b", ".git/*", "a/.hidden/*", "C:/pictures/*", "  ", "x" * 1001]
NO_PATTERNS += [[], ["a", 3], {"a": 1}, ["a"] * (MOST_PATTERNS + 1)]


@pytest.mark.parametrize("images", NO_PATTERNS)
def test_what_leads_out_of_the_inbox_or_names_nothing_is_refused(images: object) -> None:
    problems = validated({"task": "caption", "images": images}, file="a.yaml")
    assert isinstance(problems, tuple)
    assert [problem.key for problem in problems] == ["images"]
    schema = next(one for one in job_schema()["anyOf"] if one["title"] == "CaptionJob")["properties"]["images"]
    assert not jsonschema.Draft202012Validator(schema).is_valid(images)


@pytest.mark.parametrize(("pattern", "is_name"), [("set/**", True), ("a.png", True), ("**", False), ("s?t/a", False)])
def test_only_what_begins_with_a_name_may_count_from_the_top(pattern: str, is_name: bool) -> None:
    assert image_patterns.begins_with_a_name(pattern) is is_name


def test_patterns_are_a_text_or_a_list_and_each_counts_once() -> None:
    for images, expected in (("set/", ("set/**",)), (["a.png", ".//a.png", "b*"], ("a.png", "b*"))):
        spec = validated({"images": images}, file="a.yaml")
        assert isinstance(spec, JobSpec)
        assert spec.images == expected
    assert CaptionJob(task="caption", images=None).images == ()  # type: ignore[arg-type]
    assert validated({"task": "caption", "images": None}, file="a.yaml") == validated({"task": "caption"}, file="a")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"task": "caption", "image": "a.png", "images": "*"}, "list it among `images`"),
        ({"prompt": "a photo of", "images": "set"}, "write `task: caption`, as without it a `prompt` is drawn"),
        ({"task": "generate", "prompt": "a cat", "images": "set"}, "captions of a set are `task: caption`"),
        ({"prompt": "a cat", "images": 4}, "so many pictures are asked for with `count`"),
    ],
)
def test_what_does_not_go_together_is_said(keys: dict[str, object], words: str) -> None:
    problems = validated(keys, file="a.yaml")
    assert isinstance(problems, tuple)
    assert any(isinstance(problem, Problem) and re.search(re.escape(words), str(problem)) for problem in problems)


def test_a_job_file_names_its_sets_apart_from_its_images() -> None:
    content = b"images: set/**\n---\nimage: a.png\n---\ntask: caption\nimages: [b.png, c]\n"
    assert image_sets(content, file="a.yaml") == (("set/**",), ("b.png", "c/**"))
    assert image_names(content, file="a.yaml") == ("a.png",)
    assert image_sets(b"images: ../x\n", file="a.yaml") == ()
    assert image_sets(b"image: x.png\n", file="a.yaml") == ()
    assert image_sets(b"prompt,images\na cat,4\n", file="a.csv") == ()
