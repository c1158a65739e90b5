"""YAML as people write it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.yaml_reader import Document, Unreadable, parse
from aura_daemon.formats.yaml_scalars import resolved
from tests.support.examples import examples

TEXT_KEYS = frozenset({"prompt", "aspect_ratio"})


def read(content: str | bytes) -> list[Document | Unreadable]:
    raw = content.encode() if isinstance(content, str) else content
    return list(parse(raw, file="a.yaml", text_keys=TEXT_KEYS))


def documents(content: str | bytes) -> list[Document]:
    found = read(content)
    assert all(isinstance(one, Document) for one in found), found
    return [one for one in found if isinstance(one, Document)]


def complaint(content: str | bytes) -> str:
    found = [problem for one in read(content) if isinstance(one, Unreadable) for problem in one.problems]
    assert found
    return "\n".join(str(problem) for problem in found)


@pytest.mark.parametrize("text", ["16:9", "no", "1984", "true", "null", "~", "0777", "1e3", "2026-01-01", "a, b: c"])
def test_what_stands_in_quotes_is_text(text: str) -> None:
    assert documents(f"key: '{text}'\nother: \"{text}\"\n")[0].mapping == {"key": text, "other": text}


@pytest.mark.parametrize("text", ["no", "1984", "true", "2026-01-01", "16:9", "1e3"])
def test_under_a_text_key_everything_is_text(text: str) -> None:
    assert documents(f"prompt: {text}\n")[0].mapping["prompt"] == text
    assert documents(f"inner: {{prompt: {text}}}\n")[0].mapping["inner"] == {"prompt": resolved(text)}


def test_a_text_key_without_a_value_has_none() -> None:
    assert documents("prompt:\n")[0].mapping == {"prompt": None}
    assert documents("prompt: null\n")[0].mapping == {"prompt": None}
    assert documents("prompt: ~\n")[0].mapping == {"prompt": None}
    assert documents("prompt: 'null'\n")[0].mapping == {"prompt": "null"}
    assert documents("prompt: ''\n")[0].mapping == {"prompt": ""}


def test_lists_and_mappings_are_read() -> None:
    assert documents("prompt: [a, 1]\nb:\n  - {c: no}\n  - ~\n")[0].mapping == {
        "prompt": ["a", 1],
        "b": [{"c": "no"}, None],
    }


def test_lines_and_values_are_those_of_the_file() -> None:
    (document,) = documents("# hello\nprompt: x\n\nouter:\n  inner:   'a  b'\nlist: [a,\n   b]\nbare:\n")
    assert document.lines == {"": 2, "prompt": 2, "outer": 4, "outer.inner": 5, "list": 6, "bare": 8}
    assert document.written == {
        "prompt": "x",
        "outer": "inner: 'a b'",
        "outer.inner": "'a b'",
        "list": "[a, b]",
        "bare": "",
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_common_encoding_and_line_end_is_read(encoding: str, newline: str) -> None:
    content = f"prompt: ü 🦊{newline}steps: 3{newline}".encode(encoding)
    (document,) = documents(content)
    assert document.mapping == {"prompt": "ü 🦊", "steps": 3}
    assert document.lines["steps"] == 2


@pytest.mark.parametrize(
    "before",
    [
        "# yaml-language-server: $schema=job.json\n",
        "%YAML 1.2\n---\n",
        "%YAML 1.1\n--- # hello\n",
        "\n\n---\n\n",
        "---\n",
    ],
)
def test_comments_and_directives_may_come_first(before: str) -> None:
    assert documents(before + "prompt: no\n")[0].mapping == {"prompt": "no"}


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n", "---\n---\n", "--- ~\n"[:4], "\ufeff"])
def test_a_file_that_holds_nothing_has_no_documents(content: str) -> None:
    assert documents(content) == []


def test_an_alias_may_stand_for_a_single_value() -> None:
    assert documents("a: &x no\nb: *x\n")[0].mapping == {"a": "no", "b": "no"}


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("a: &a [*a]\n", 1, "stands for a list or a mapping"),
        ("&a {b: *a}\n", 1, "stands for a list or a mapping"),
        ("a: &a {b: c}\n<<: *a\n", 2, "stands for a list or a mapping"),
        ("<<: {b: c}\n", 1, "merge keys"),
        ("a: *b\n", 1, "begins with `*`"),
        ("a: *epic* castle\n", 1, "begins with `*`"),
        ("a: &x 1\nb: &x 2\n", 2, "begins with `&`"),
        ("a: !!python/name:os.system x\n", 1, "tags are not read: !!python/name:os.system"),
        ("a: !wow\nb: !!str 5\n", 2, "!!str"),
        ("a: 1\nb: 2\na: 3\n", 3, "a: is given twice, first in line 1"),
        ("a: {b: 1, b: 2}\n", 1, "a.b: is given twice"),
        ("? [a]\n: b\n", 1, "a key must be a word"),
        ("a: b\n\tc: d\n", 2, "spaces, not tabs"),
        ("\ta: b\n", 1, "spaces, not tabs"),
        ("prompt: a cat: sleeping\n", 1, "needs quotes around it"),
        ("a: @b\n", 1, "needs quotes"),
        ('a: "b" c\n', 1, "closing quote"),
        ('a: "b\n', 1, "never closed"),
        ("a: [b\n", 2, "never closed"),
        ("a: b\nc\nd: e\n", 2, "every line is `key: value`, a space behind the colon"),
        ('a: "\\q"\n', 1, "backslash is written twice"),
        ("a: | b\n", 1, "begins with `|` needs quotes around it: a: '| b'"),
        ("a: b\n...\nc\n", 3, "left behind the end"),
        ("prompt:x\n", 1, "with a space after the colon; this is: prompt:x"),
        ("'quoted'\n", 1, "this is: 'quoted'"),
        ("- a\n- b\n", 1, "this is a list"),
        ("a: b\n---\n- a\n", 3, "this is a list"),
        ("a: b\n\0", 2, "U+0000"),
        ("a: \x07\n", 1, "U+0007"),
        ("%YAML 3.0\n---\na: b\n", 1, "incompatible"),
    ],
)
def test_a_problem_says_where_and_what(content: str, line: int, words: str) -> None:
    said = complaint(content).splitlines()[-1]
    assert said.startswith(f"a.yaml:{line}: ")
    assert words in said


@pytest.mark.parametrize("content", [b"prompt: \xfc", b"\xff\xfea", "prompt: x".encode("utf-16-be")[1:] + b"\xff"])
def test_what_is_no_text_says_how_to_save_it(content: bytes) -> None:
    assert "save it as UTF-8" in complaint(content)


def test_bytes_that_happen_to_be_text_in_another_encoding_are_refused() -> None:
    assert "U+0000" in complaint("prompt: x".encode("utf-32"))
    assert "U+0000" in complaint("prompt: x".encode("utf-16-le"))


@given(st.binary(max_size=60) | st.text("ab:-{}[]&*!|>'\"#%?,~<= \n\t\r.0", max_size=40).map(str.encode))
@settings(max_examples=examples(60))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    for one in read(content):
        assert isinstance(one, Document) or one.problems


SEPARATORS = [
    "---\n",
    "--- # next\n",
    "...\n---\n",
    "---\n# about this one\n\n",
    "# of the one before\n---\n",
    "---\n---\n",
]
BODIES = [
    "prompt: a\nsteps: 3\n",
    "prompt: |\n  one\n  two\n\n\n",
    "prompt: |+\n  one\n\n",
    "prompt: >-\n  folded\n  text\n",
    "{prompt: flow, steps: 4}\n",
    "prompt: \"quoted --- \\n text\"\nsteps: '4'\n",
    "# a comment\nprompt: ü 🦊 # with a tail\n",
    "  prompt: indented\n  steps: 1\n",
    "prompt: '---'\n",
    "prompt: a\n\n  continued\nother:\n- &x 1\n- *x\n",
]


@given(
    st.sampled_from(["", "# yaml-language-server: $schema=x\n", "---\n", "%YAML 1.2\n---\n", "# hello\n--- # you\n"]),
    st.lists(st.tuples(st.sampled_from(BODIES), st.sampled_from(SEPARATORS)), min_size=1, max_size=4),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
@settings(max_examples=30)
def test_each_document_alone_is_a_file_of_the_same_content(
    first: str, parts: list[tuple[str, str]], newline: str, encoding: str, ends: bool
) -> None:
    text = first + "".join(body + separator for body, separator in parts)
    if not ends:
        text = text.removesuffix(parts[-1][1])
    content = text.replace("\n", newline).encode(encoding)
    found = documents(content)
    assert len(found) == len(parts)
    assert [document.number for document in found] == list(range(1, len(parts) + 1))
    for document in found:
        (alone,) = documents(document.text)
        assert alone.mapping == document.mapping


@pytest.mark.parametrize("content", ["--- {prompt: x}\n--- {prompt: y}", "---\t{prompt: x}\n---  {prompt: y}"])
def test_documents_on_the_line_of_their_marker_stand_alone_too(content: str) -> None:
    assert [document.text for document in documents(content)] == ["{prompt: x}\n", "{prompt: y}\n"]


def test_the_first_document_keeps_the_comments_before_it() -> None:
    first, second = documents("# $schema=x\nprompt: a\n---\n# b\nprompt: b\n")
    assert first.text == "# $schema=x\nprompt: a\n"
    assert second.text == "# b\nprompt: b\n"


# -- signs that are meant as text --------------------------------------------------------------------------------------

PROSE = frozenset({"prompt", "matrix.prompt.*"})


def jobs(content: str, list_of: str = "") -> list[Document]:
    keys = TEXT_KEYS | {"matrix.prompt.*", "tags.*"}
    found = list(parse(content.encode(), file="a.yaml", text_keys=keys, prose=PROSE, list_of=list_of))
    assert all(isinstance(one, Document) for one in found), found
    return [one for one in found if isinstance(one, Document)]


@pytest.mark.parametrize(
    ("content", "prompt", "cut"),
    [
        ("prompt: a small red circle #masterpiece\nsteps: 8  # fast\n", "a small red circle", "#masterpiece"),
        ("prompt: a portrait, color #ff8800, 35mm\n", "a portrait, color", "#ff8800, 35mm"),
        ("prompt: a\n  cat #b\n", "a cat", "#b"),
        ("{prompt: a cat #b\n}\n", "a cat", "#b"),
        ("prompt: &x a #b\naspect_ratio: *x\n", "a", "#b"),
    ],
)
def test_a_text_that_yaml_cuts_at_a_comment_is_told_with_what_was_cut(content: str, prompt: str, cut: str) -> None:
    (document,) = jobs(content)
    assert document.mapping["prompt"] == prompt
    assert document.warnings == (
        f"prompt: what follows ` #` is a comment to YAML: `{cut}` was left out; quote the text to keep it",
    )


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        ("prompt: a cat # oil\n", "put the text in single quotes and write `\\#` to keep it"),
        ("prompt: a cat #oil\n", "quote the text to keep it"),
    ],
)
def test_the_mend_of_a_comment_keeps_what_prompts_would_take_for_a_comment_of_their_own(
    content: str, mend: str
) -> None:
    (document,) = jobs(content)
    assert document.warnings[0].endswith(f" was left out; {mend}")


@pytest.mark.parametrize(
    "content",
    [
        "prompt: 'a cat #1'  # about it\n",
        "# about\nprompt: a cat\n# about\nsteps: 8 # fast\n",
        "prompt: a#b\n",
        "aspect_ratio: 16:9 # wide\n",
        "prompt: |  # as it is\n  a #cat\n",
        "steps: 3\n",
    ],
)
def test_a_comment_that_is_meant_is_not_told(content: str) -> None:
    assert jobs(content)[0].warnings == ()


def test_each_document_has_its_own_warnings() -> None:
    first, second, third = jobs("prompt: a #b\n---\nprompt: c\n---\nmatrix: {prompt: [a, b #c\n]}\n")
    assert (len(first.warnings), second.warnings, len(third.warnings)) == (1, (), 1)
    assert third.warnings[0].startswith("matrix.prompt.1: what follows ` #`")


def test_a_text_that_is_nothing_but_a_comment_shows_the_comment() -> None:
    (document,) = jobs("prompt: #1 cat in the world\nsteps: 1\n")
    assert document.mapping["prompt"] is None
    assert document.written["prompt"] == "#1 cat in the world"
    assert document.warnings[0].startswith("prompt: what follows ` #` is a comment to YAML: `#1 cat in the world`")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("&more cat", "&more cat"),
        ("&more", "&more"),
        ("{red|green}", "{red|green}"),
        ("{2$$a|b}", "{2$$a|b}"),
        ("{a, b}", "{a, b}"),
        ("-cat", "-cat"),
        ("?what", "?what"),
        ("a \u2028cat", "a  cat"),
        ("a\u2029cat", "a cat"),
        ("a\x85cat", "a cat"),
        ('"a\u2028cat"', "a cat"),
        ('"\\ud83d\\ude00 \\u00e4"', "😀 ä"),
        ('"\\ud83d\\ude00\\uD83D\\uDE01"', "😀😁"),
        ('"\\\\ud83d \\ud83d\\ude00"', "\\ud83d 😀"),
        ("a \\ud83d\\ude00", "a \\ud83d\\ude00"),
        ("a\u00a0cat\u200d", "a\u00a0cat\u200d"),
    ],
)
def test_signs_of_yaml_are_text_where_they_can_mean_nothing_else(written: str, text: str) -> None:
    content = f"prompt: {written}\nsteps: 1\n"
    (document,) = jobs(content)
    assert document.mapping == {"prompt": text, "steps": 1}
    (alone,) = jobs(document.text)
    assert alone.mapping == document.mapping
    assert jobs(f"matrix:\n  prompt:\n  - {written}\n  - b\n")[0].mapping == {"matrix": {"prompt": [text, "b"]}}


def test_an_anchor_that_is_used_is_no_text() -> None:
    assert jobs("prompt: &x a\nother: *x\n")[0].mapping == {"prompt": "a", "other": "a"}
    first, second = jobs("prompt: &x a\n---\nprompt: &x b\nother: *x\n")
    assert (first.mapping["prompt"], second.mapping["prompt"]) == ("&x a", "b")
    assert jobs("other: &x a\nprompt: '&y b'\n")[0].mapping == {"other": "a", "prompt": "&y b"}
    assert jobs('prompt: &x "a"\n')[0].mapping == {"prompt": "a"}


@pytest.mark.parametrize(
    ("content", "line", "hint"),
    [
        ("prompt: {red|green} cat\nsteps: 1\n", 1, "begins with `{` needs quotes around it: prompt: '{red|green} cat'"),
        ("prompt: [blurry] cat\nsteps: 1\n", 1, "begins with `[` needs quotes around it: prompt: '[blurry] cat'"),
        ("prompt: ? what is this\nsteps: 1\n", 1, "begins with `?` needs quotes around it: prompt: '? what is this'"),
        ("prompt: - cat\n", 1, "begins with `-` needs quotes"),
        ("prompt: *star cat\n", 1, "begins with `*` needs quotes"),
        ("prompt: **bold** cat\n", 1, "begins with `*` needs quotes"),
        ("prompt: &amp; b\n", 1, "begins with `&` needs quotes"),
        ("prompt: @a\n", 1, "begins with `@` needs quotes"),
        ("prompt: %a\n", 1, "begins with `%` needs quotes"),
        ("prompt: `a` cat\n", 1, "begins with ``` needs quotes"),
        ("prompt: , a cat\n", 1, "begins with `,` needs quotes"),
        ("prompt: > cat\n", 1, "begins with `>` needs quotes"),
        ("prompt: {it's} a cat\n", 1, "begins with `{` needs quotes around it)"),
        ("matrix:\n  prompt:\n  - {a|b} c\n  - d\n", 3, "begins with `{` needs quotes around it: - '{a|b} c'"),
        ("prompt: a #b\n  c\n", 2, "what follows ` #` is a comment to YAML and ends a text: put the text in quotes"),
        ("tags: [1984, a #b]\nsteps: 1\n", 2, "what follows ` #` is a comment to YAML and ends a text"),
        ("prompt: 'tis the season\n", 1, "a text that begins with ' needs \" around it"),
        ('{"prompt": "a \\ud83d b"}', 1, "`\\ud83d` is half of a pair of surrogates, and no character alone"),
        ('prompt: "\\ud83d\\ude00 \\ude00"', 1, "`\\ude00` is half of a pair"),
        ('prompt: "\\U00110000"', 1, "no character has it"),
        ('{"prompt": "a"}\n{"prompt": "b"}\n', 2, "stand in one list `[…, …]`, or have a line `---` between them"),
        ("prompt:\u00a0a cat\n", 1, "this holds a no-break space (U+00A0) where a plain space belongs"),
        ("prompt:\u00a0a cat\nsteps: 1\n", 2, "line 1 holds a no-break space (U+00A0) where a plain space belongs"),
        ("prompt: x\n \u00a0steps: 3\n", 2, "line 2 holds a no-break space (U+00A0) where a plain space belongs"),
        ("steps: 1\nprompt:\u3000a\n", 2, "an ideographic space (U+3000)"),
        ("steps: 1\n\u200bprompt: a: b\n", 2, "a zero-width space (U+200B)"),
    ],
)
def test_an_error_names_the_sign_that_caused_it_and_the_mend(content: str, line: int, hint: str) -> None:
    said = complaint(content)
    assert said.startswith(f"a.yaml:{line}: ")
    assert hint in said


def test_a_list_at_the_top_is_several_documents() -> None:
    first, second, third, fourth = jobs(
        "- prompt: a\n  steps: 1\n- b, c\n- 1984\n- {prompt: d, tags: [1, no]}\n", list_of="prompt"
    )
    assert first.mapping == {"prompt": "a", "steps": 1}
    assert first.lines == {"": 1, "prompt": 1, "steps": 2}
    assert (second.mapping, second.lines) == ({"prompt": "b, c"}, {"": 3, "prompt": 3})
    assert third.mapping == {"prompt": "1984"}
    assert fourth.mapping == {"prompt": "d", "tags": ["1", "no"]}
    assert [document.number for document in (first, second, third, fourth)] == [1, 2, 3, 4]
    for document in (first, second, third, fourth):
        (alone,) = jobs(document.text)
        assert alone.mapping == document.mapping


@pytest.mark.parametrize(("content", "line"), [("- a\n- [b]\n", 2), ("- a\n- ~\n- c\n", 2), ("[a, [b]]", 1)])
def test_an_item_that_is_no_job_is_refused_by_its_line(content: str, line: int) -> None:
    found = list(parse(content.encode(), file="a.yaml", text_keys=TEXT_KEYS, list_of="prompt"))
    problems = [str(problem) for one in found if isinstance(one, Unreadable) for problem in one.problems]
    assert problems == [f"a.yaml:{line}: every item of the list is a job (`prompt: …`) or a text"]


def test_each_item_of_a_list_has_the_values_of_a_document() -> None:
    assert len(jobs("- {prompt: a, b: [" + "1, " * 100 + "1]}\n" + ("- {prompt: a, b: 1}\n" * 499), "prompt")) == 500
