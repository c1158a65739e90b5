"""Answers of a hub: those of a real one pass, and what could lead a path elsewhere does not."""

from __future__ import annotations

import json

import pytest

from aura_daemon.engines.model_files.hub_answers import answer_fault, header_fault, listed

SHA, LONG = "0" * 40, "f" * 64
FILE = {"type": "file", "path": "unet/config.json", "size": 5, "oid": SHA}
LARGE = {**FILE, "path": "a.safetensors", "lfs": {"oid": LONG, "size": 5, "pointerSize": 134}, "xetHash": LONG}
FOLDER = {"type": "directory", "path": "unet", "size": 0, "oid": SHA}


@pytest.mark.parametrize(
    "answer",
    [
        [FILE, LARGE, FOLDER],
        [],
        {"id": "a/b", "sha": SHA, "siblings": [{"rfilename": "a.json"}], "cardData": {"license": "mit"}, "tags": ["x"]},
        {"id": "a/b", "cardData": None, "siblings": None},
        {"error": "no such model"},
    ],
)
def test_what_a_hub_says_passes(answer: object) -> None:
    assert answer_fault(json.dumps(answer).encode()) == ""


@pytest.mark.parametrize(
    "answer",
    [
        1,
        None,
        [None],
        [[]],
        [{**FILE, "path": None}],
        [{**FILE, "path": ""}],
        [{**FILE, "path": "a" * 1001}],
        [{**FILE, "path": "a/../../b"}],
        [{**FILE, "path": "C:/b"}],
        [{**FILE, "path": "a\u202eb"}],
        [{**FILE, "oid": 5}],
        [{**FILE, "oid": SHA + "/"}],
        [{**FILE, "size": True}],
        [{**FILE, "size": 1 << 60}],
        [{**FILE, "lfs": "x"}],
        [{**LARGE, "xetHash": "../x"}],
        {"sha": "main"},
        {"sha": SHA.upper().replace("0", "A")},
        {"siblings": {"a": 1}},
        {"siblings": ["../a"]},
        {"siblings": [{"rfilename": "/a"}]},
        {"cardData": [1]},
        {"tags": "x"},
    ],
)
def test_what_no_hub_says_is_told(answer: object) -> None:
    fault = answer_fault(json.dumps(answer).encode())
    assert fault
    assert fault.isprintable()


def test_files_are_counted() -> None:
    assert listed(json.dumps([FILE, LARGE]).encode()) == 2
    assert listed(b'{"siblings": [{"rfilename": "a"}]}') == 1
    assert listed(b"{}") == 0


@pytest.mark.parametrize("etag", ['"abc"', 'W/"abc-1"', "abc", f'"{LONG}"'])
def test_the_headers_of_a_hub_pass(etag: str) -> None:
    assert header_fault({"etag": etag, "x-repo-commit": SHA, "content-type": "../.."}) == ""


@pytest.mark.parametrize(
    ("name", "value"), [("etag", '"../a"'), ("etag", "a/b"), ("x-linked-etag", ".."), ("x-repo-commit", "main")]
)
def test_a_header_that_leads_elsewhere_is_told(name: str, value: str) -> None:
    assert name in header_fault({name: value})
