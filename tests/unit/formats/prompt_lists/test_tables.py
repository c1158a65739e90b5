"""Rows of CSV, JSON and JSON Lines, and which tables are left alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.errors import Problem
from aura_daemon.formats.prompt_lists.json_rows import MOST_SIGNS
from aura_daemon.formats.prompt_lists.table_rows import Row
from aura_daemon.formats.prompt_lists.tables import holds_prompts, rows_of
from tests.support.examples import examples


def rows(name: str, text: str) -> list[tuple[int, object]]:
    found = rows_of(name, text, most=1000)
    assert not isinstance(found, Problem), found
    return [(row.line, row.value) for row in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "prompt,steps\na cat,8\n\na dog,9\n",
            [(2, {"prompt": "a cat", "steps": "8"}), (4, {"prompt": "a dog", "steps": "9"})],
        ),
        ("prompt;negative\r\na cat;text\r\n", [(2, {"prompt": "a cat", "negative": "text"})]),
        ("Prompt\tCFG scale\na cat\t7\n", [(2, {"Prompt": "a cat", "CFG scale": "7"})]),
        ("prompt | steps\na cat | 8\n", [(2, {"prompt": "a cat", "steps": "8"})]),
        (
            'prompt,steps\n"a cat, ""Tom"",\nat night",8\nx,9',
            [(2, {"prompt": 'a cat, "Tom",\nat night', "steps": "8"}), (4, {"prompt": "x", "steps": "9"})],
        ),
        ("prompt\na cat, on a mat; at night\n", [(2, {"prompt": "a cat, on a mat; at night"})]),
        ("sep=;\nprompt;steps\na cat;8\n", [(3, {"prompt": "a cat", "steps": "8"})]),
        ("prompt,steps,\na cat,,\n,,\na dog,8,\n", [(2, {"prompt": "a cat"}), (4, {"prompt": "a dog", "steps": "8"})]),
        ("steps,prompt\n8,\n", [(2, {"steps": "8"})]),
        ('a red cat\n\n"a dog, at night"\n" "\n', [(1, "a red cat"), (3, "a dog, at night")]),
    ],
)
def test_csv_has_a_row_for_each_job(text: str, expected: list[tuple[int, object]]) -> None:
    assert holds_prompts("a.csv", text)
    assert rows("a.csv", text) == expected


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("prompt,steps\na cat, on a mat,8\n", 2, "the row has 3 cells, but 2 columns have names"),
        ("prompt,\na cat,on a mat\n", 2, "the row has 2 cells, but 1 columns have names"),
        ("prompt,steps,prompt\na cat,8,a dog\n", 1, "the column `prompt` stands twice"),
        ('prompt,steps\nx,1\n"a cat,8\n', 3, "a double quote is not closed"),
        ('prompt,steps\n"a" cat,8\n', 2, "text stands behind it"),
        ("prompt,steps\n", None, "the file holds no prompt"),
        ("prompt\n" + "x" * 200_000, 2, "the cell is far too long"),
        ("prompt,t\tprom,t\tprom,\n", 1, "the column `t\\tprom` stands twice"),
        ("prompt," * 200_000, 1, "the column `prompt` stands twice"),
        ('"a red cat"\na dog, at night\n', 2, "a first line `prompt` makes each line a prompt"),
    ],
)
def test_a_wrong_row_of_csv_is_told_with_its_line(text: str, line: int | None, words: str) -> None:
    found = rows_of("a.csv", text, most=1000)
    assert isinstance(found, Problem)
    assert found.line == line
    assert words in found.message


@pytest.mark.parametrize(
    "text",
    [
        "date,amount\n2024-01-01,5\n",
        "name,prompt,negative_prompt\nAnime,anime {prompt},photo\n",  # A1111's styles.csv
        "file_name,prompt\n1.png,a cat\n",
        "prompt,completion\nhello,world\n",
        "a cat\tb\n",
        "a red cat, at night\na dog\n",
        "12\n13\n",
        "cat\ndog\n",
        "a page https://example.org/a b\n",
        "",
        "\n\n",
    ],
)
def test_other_tables_are_left_alone(text: str) -> None:
    assert not holds_prompts("a.csv", text)


API = {
    "prompt": "a cat",
    "negative_prompt": "",
    "override_settings": {"CLIP_stop_at_last_layers": 2},
    "steps": 20,
    "alwayson_scripts": {},
}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.json", '["a red cat", " a dog at night "]', [(1, "a red cat"), (1, "a dog at night")]),
        ("a.json", '\n[\n "a red cat --steps 8"\n,\n\n"a dog"]\n', [(3, "a red cat --steps 8"), (6, "a dog")]),
        ("a.json", json.dumps(API), [(1, API)]),
        (
            "a.json",
            '[\n{"prompt": "a"},\n{"prompt": "b",\n"steps": 8}\n]',
            [(2, {"prompt": "a"}), (3, {"prompt": "b", "steps": 8})],
        ),
        ("a.json", '{\n"prompts": [{"prompt": "a"}]\n}', [(2, {"prompt": "a"})]),
        ("a.json", '["star", "a red cat", {"prompt": "a"}]', [(1, "star"), (1, "a red cat"), (1, {"prompt": "a"})]),
        ("a.jsonl", '{"prompt": "a"}\n\n{"prompt": "b"}\r\n', [(1, {"prompt": "a"}), (3, {"prompt": "b"})]),
        ("a.ndjson", '"a red cat"\n', [(1, "a red cat")]),
        ("a.json", '{"prompt": "a\ttab"}', [(1, {"prompt": "a\ttab"})]),
    ],
)
def test_json_has_a_row_for_each_job(name: str, text: str, expected: list[tuple[int, object]]) -> None:
    assert holds_prompts(name, text)
    assert rows(name, text) == expected


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("a.json", '[\n{"prompt": "a"},\n{"prompt": }]', 3, "no valid JSON: expecting value"),
        ("a.json", '["a red cat"\n"a dog"]', 2, "a comma or `]` is missing"),
        ("a.json", '["a red cat",', 1, "no valid JSON: expecting value"),
        ("a.json", '["a red cat"', 1, "a comma or `]` is missing"),
        ("a.json", '{"prompt": "a"}\n{"prompt": "b"}', 2, "is called .jsonl"),
        ("a.jsonl", '{"prompt": "a"} {"prompt": "b"}', 1, "more stands behind the end"),
        ("a.json", '[\n"a red cat", 5]', 2, "a text or an object with `prompt`"),
        ("a.json", '["a red cat", " "]', 1, "a text or an object with `prompt`"),
        ("a.json", '{"prompts": ["a red cat"], "steps": 8}', 1, "nothing may stand beside `prompts`"),
        ("a.json", '{"prompt": "a", "prompt": "b"}', 1, 'the key "prompt" stands twice'),
        ("a.json", "{" + "".join(f'"{key}":1,' for key in range(90_000)) + '"89999":1}', 1, "stands twice"),
        ("a.json", '{"prompt": "a", "cfg": NaN}', 1, "NaN is no number"),
        ("a.json", '{"prompt": "a", "x": ' + "[" * 100_000, 1, "nested too deep"),
        ("a.json", '{"prompt": "a", "x": "' + "," * MOST_SIGNS + '"}', None, "holds too much"),
        ("a.json", '{"prompt": "a", "seed": ' + "1" * 5000 + "}", 1, "no valid JSON"),
        ("a.json", "[]", None, "the file holds no prompt"),
        ("a.jsonl", "\n", None, "the file holds no prompt"),
    ],
)
def test_wrong_json_is_told_with_its_line(name: str, text: str, line: int | None, words: str) -> None:
    found = rows_of(name, text, most=1000)
    assert isinstance(found, Problem)
    assert found.line == line
    assert words in found.message


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "x", "version": "1.0.0", "scripts": {"prompt": "echo a cat"}}',  # package.json
        '{"prompt": {"3": {"class_type": "KSampler"}}}',  # ComfyUI's API
        '{"3": {"inputs": {"text": "a cat"}, "class_type": "CLIPTextEncode"}}',
        '{"last_node_id": 9, "nodes": []}',
        '[{"prompt": "a cat", "completion": "a dog"}]',
        '[{"file_name": "1.png", "prompt": "a cat"}]',
        '{"a/b.png": {"caption": "a cat"}}',  # kohya's metadata
        '{"prompt": "a cat", "app_version": "3.0"}',  # InvokeAI's
        '{"schema": "x", "prompt": "a cat"}',
        '["cat", "dog"]',
        '["https://a.example/x y", "a red cat"]',
        "[1, 2]",
        "[]",
        "{}",
        '{"prompt": 5}',
        '{"steps": 5}',
        "no JSON",
        "",
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_other_json_is_left_alone(name: str, text: str) -> None:
    assert not holds_prompts(name, text)


def test_the_beginning_of_a_file_is_enough_wherever_it_is_cut() -> None:
    text = json.dumps([{"prompt": "a red cat: at {night}, [in] the rain", "steps": 8}])
    assert all(holds_prompts("a.json", text[:length]) for length in range(len('[{"prompt": "a'), len(text)))
    text = json.dumps(["a red cat: at {night}, [in] \\ the rain", "a dog"])
    assert all(holds_prompts("a.json", text[:length]) for length in range(len('["a red'), len(text)))
    text = 'prompt,steps\n"a cat, \nat night",8\n'
    assert all(holds_prompts("a.csv", text[:length]) for length in range(len("prompt,"), len(text)))


def test_no_more_rows_are_read_than_asked_for() -> None:
    found = rows_of("a.csv", "prompt\n" + "a cat\n" * 50, most=3)
    assert found == tuple(Row(value={"prompt": "a cat"}, line=line) for line in (2, 3, 4))


@given(
    st.sampled_from(["a.csv", "a.tsv", "a.json", "a.jsonl"]), st.text(alphabet='prompt",;:{}[]\\ \n5a\t', max_size=60)
)
@settings(max_examples=examples(200))
def test_every_text_is_read(name: str, text: str) -> None:
    holds_prompts(name, text)
    assert isinstance(rows_of(name, text, most=10), tuple | Problem)
    holds_prompts(name, f"prompt,x\n{text}")
    assert isinstance(rows_of(name, f"prompt,x\n{text}", most=10), tuple | Problem)
