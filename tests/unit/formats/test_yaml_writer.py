"""What is written as YAML is read back as the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.yaml_reader import Document, parse
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.jobfile.schema import TEXT_KEYS

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=12) | st.sampled_from(
    [
        "no",
        "1e3",
        "0o17",
        "~",
        "",
        "16:9",
        "2026-01-01",
        "a\nb",
        "\x85",
        "\u2028",
        " x ",
        "---",
        "# x",
        "a: b",
        "\U0001f408",
    ]
)
VALUES = st.recursive(
    TEXTS | st.integers() | st.floats(-1e30, 1e30) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["model", "width", "loras", "steps"]), VALUES, min_size=1))
def test_every_value_is_read_back(keys: dict[str, object]) -> None:
    (document,) = parse(to_yaml(keys).encode(), file="a.yaml", text_keys=TEXT_KEYS)
    assert isinstance(document, Document), document
    assert document.mapping == keys
    assert list(document.mapping) == list(keys)


def test_a_person_can_read_it() -> None:
    hat = ["ink"]
    keys = {"prompt": "a cat, größer", "loras": hat, "tags": hat, "seed": 7}
    assert to_yaml(keys) == "prompt: a cat, größer\nloras:\n- ink\ntags:\n- ink\nseed: 7\n"


def test_separators_that_yaml_reads_as_ends_of_lines_are_written_with_escapes() -> None:
    assert to_yaml({"prompt": "a\u2028b"}) == 'prompt: "a\\Lb"\n'


def test_a_name_with_bytes_that_are_no_text_is_written_escaped() -> None:
    assert to_yaml({"image": "caf\udce9.png"}) == "image: caf\\xe9.png\n"
