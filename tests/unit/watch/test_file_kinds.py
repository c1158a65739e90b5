"""What kind of file something is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.file_types import FAILURE_SCHEMA, HEALTH_SCHEMA, SIDECAR_SCHEMA, extension_of
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.watch.decisions import Leave
from aura_daemon.watch.file_kinds import Mismatch, Unfinished, named_kind, route

ALL = frozenset(Accept)
PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff\xe0"


@pytest.mark.parametrize(
    ("name", "extension"),
    [("cat.yaml", ".yaml"), ("Cat.JPG", ".jpg"), ("a.tar.gz", ".gz"), (".yaml", ""), ("README", ""), ("cat.", ".")],
)
def test_an_extension_is_lower_case_and_has_its_dot(name: str, extension: str) -> None:
    assert extension_of(name) == extension


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("cat.yaml", b"prompt: x", SourceKind.JOB_FILE),
        ("cat.YML", b"prompt: x", SourceKind.JOB_FILE),
        ("cat.txt", b"a cat", SourceKind.PROMPT_TEXT),
        ("cat.png", PNG, SourceKind.IMAGE),
        ("cat.JPG", JPEG, SourceKind.IMAGE),
        ("cat.jpg", PNG, SourceKind.IMAGE),
        ("cat.json", b'{"schema": "aura-daemon/sidecar/1"}', SourceKind.SIDECAR),
        ("cat.json", b'{"prompt": "a cat", "steps": 8}', SourceKind.PROMPT_TABLE),
        ("cat.JSONL", b'\xef\xbb\xbf{"prompt": "a cat"}', SourceKind.PROMPT_TABLE),
        ("cat.csv", b"prompt,steps\na cat,8\n", SourceKind.PROMPT_TABLE),
        ("cat.csv", b"prompt;notes\nein B\xe4r;8\n", SourceKind.PROMPT_TABLE),  # admission names the encoding
        ("cat.tsv", "prompt\tsteps\n".encode("utf-16"), SourceKind.PROMPT_TABLE),
    ],
)
def test_every_kind_of_job_is_known(name: str, head: bytes, kind: SourceKind) -> None:
    assert route(name, head, ALL) is kind


@pytest.mark.parametrize("name", ["cat.pdf", "cat", "cat.yaml.bak", ".yaml", "cat.mp4", "cat.svg"])
def test_other_files_are_left_alone(name: str) -> None:
    found = route(name, b"something", ALL)
    assert isinstance(found, Leave)
    assert (extension_of(name) or "no extension") in found.reason


@pytest.mark.parametrize(
    ("name", "missing"),
    [("a.yaml", Accept.PROMPT), ("a.txt", Accept.PROMPT), ("a.csv", Accept.PROMPT), ("a.png", Accept.IMAGE)],
)
def test_what_is_not_accepted_is_left_alone(name: str, missing: Accept) -> None:
    found = route(name, b"", ALL - {missing})
    assert isinstance(found, Leave)
    assert missing in found.reason


def test_json_is_accepted_as_what_it_is() -> None:
    sidecar, prompts = b'{"schema": "aura-daemon/sidecar/1"}', b'{"prompt": "a cat"}'
    assert route("a.json", sidecar, {Accept.SIDECAR}) is SourceKind.SIDECAR
    assert route("a.json", prompts, {Accept.PROMPT}) is SourceKind.PROMPT_TABLE
    for head, accept, missing in (
        (sidecar, {Accept.PROMPT}, Accept.SIDECAR),
        (prompts, {Accept.SIDECAR}, Accept.PROMPT),
        (b"", {Accept.IMAGE}, Accept.PROMPT),
    ):
        found = route("a.json", head, accept)
        assert isinstance(found, Leave)
        assert f"leaves out {missing} files" in found.reason


def test_tables_of_other_people_are_left_alone_with_the_reason() -> None:
    found = route("money.csv", b"date,amount\n2026-01-01,5\n", ALL)
    assert isinstance(found, Leave)
    assert str(found) == (
        "a table, but not clearly of prompts; if it is one, its first line names a column `prompt`, and none of "
        "training data (caption, completion, …)"
    )


def test_the_list_of_a_set_of_pictures_is_no_list_of_prompts() -> None:
    found = route("Metadata.jsonl", b'{"file_name": "a.png", "prompt": "a cat"}\n', ALL)
    assert isinstance(found, Leave)
    assert found.is_usual
    assert route("metadata.jsonl", b'{"prompt": "a cat"}\n', ALL) is SourceKind.PROMPT_TABLE


@pytest.mark.parametrize("name", ["a.yaml", "a.txt", "a.png", "a.json", "a.csv"])
@pytest.mark.parametrize("head", [b"", b"\0" * 4096])
def test_a_name_without_content_is_unfinished(name: str, head: bytes) -> None:
    assert isinstance(route(name, head, ALL), Unfinished)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"prompt: not an image", "text"),
        ("ü".encode() * 2048 + b"\xc3", "text"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\n <HTML lang=en>", "web page"),
        (b"%PDF-1.7", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\xff\x0a\xfa\x3f", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"PK\3\4\x14\0", "archive"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "film"),
        (b"\xff\xfe\xfd\xfc", "no image of a known format"),
        (b"\x01\0\x02", "no image of a known format"),
    ],
)
def test_what_is_named_like_an_image_and_is_none_says_what_it_is(head: bytes, words: str) -> None:
    found = route("a.png", head, ALL)
    assert isinstance(found, Mismatch)
    assert ".png" in found.reason
    assert words in found.reason


PAGE = {"job_id": "x", "source": {"name": 'a "schema": "aura-daemon/sidecar/1" b'}, "list": [1, {"schema": "no"}]}


@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", " : ")])
@pytest.mark.parametrize("last", [False, True])
def test_a_sidecar_is_known_however_another_tool_wrote_it(
    indent: int | None, separators: tuple[str, str], last: bool
) -> None:
    mark = {"schema": SIDECAR_SCHEMA}
    page = {**PAGE, **mark} if last else {**mark, **PAGE}
    assert route("a.json", json.dumps(page, indent=indent, separators=separators).encode(), ALL) is SourceKind.SIDECAR


def test_a_sidecar_is_known_by_its_beginning_and_with_escaped_slashes() -> None:
    assert route("a.json", b'{"schema": "aura-daemon/sidecar/1", "cut o', ALL) is SourceKind.SIDECAR
    assert route("a.json", b'\xef\xbb\xbf{"schema":"aura-daemon\\/sidecar\\/1"}', ALL) is SourceKind.SIDECAR


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (json.dumps({**PAGE, "schema": HEALTH_SCHEMA}), "our own"),
        (json.dumps({**PAGE, "schema": FAILURE_SCHEMA}), "our own"),
        (json.dumps({**PAGE, "schema": "aura-daemon/sidecar/2"}), "another version"),
        (json.dumps(PAGE), "not one of our sidecars"),
        (json.dumps([{"schema": SIDECAR_SCHEMA}]), "not one of our sidecars"),
        (json.dumps({"all": [{"schema": SIDECAR_SCHEMA}]}), "not one of our sidecars"),
        (json.dumps({"is": "schema", "of": SIDECAR_SCHEMA}), "not one of our sidecars"),
        ('{"schema": ', "not one of our sidecars"),
        ('{"schema": 5}', "not one of our sidecars"),
        ("no JSON at all", "not one of our sidecars"),
    ],
)
def test_other_json_is_left_alone(head: str, words: str) -> None:
    found = route("a.json", head.encode(), ALL)
    assert isinstance(found, Leave)
    assert words in found.reason


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.TXT", SourceKind.PROMPT_TEXT),
        ("a.png", SourceKind.IMAGE),
        ("a.csv", SourceKind.PROMPT_TABLE),
        ("a", SourceKind.JOB_FILE),
    ],
)
def test_a_name_stands_for_a_kind_whatever_the_file_holds(name: str, kind: SourceKind) -> None:
    assert named_kind(name) is kind


@given(st.sampled_from(["a.yaml", "a.txt", "a.png", "a.json", "a.csv", "a.pdf"]), st.binary(max_size=80))
@settings(max_examples=25)
def test_every_file_has_a_route(name: str, head: bytes) -> None:
    assert isinstance(route(name, head, ALL), SourceKind | Leave | Mismatch | Unfinished)


def test_an_index_as_a_gallery_has_one_is_left_alone_quietly() -> None:
    found = route("index.html", b"<!doctype html>", ALL)
    assert isinstance(found, Leave)
    assert found.is_usual


def test_a_caption_file_is_left_alone_quietly() -> None:
    found = route("cat.Caption", b"a cat", ALL)
    assert isinstance(found, Leave)
    assert (found.reason, found.is_usual) == ("the caption of a picture", True)
