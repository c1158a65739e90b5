"""What stands around the prompts of a text and is no part of them."""

from __future__ import annotations

import pytest

from aura_daemon.jobfile.prompt_lists.text_frames import unframed

ANSWER = "Sure! Here are two prompts:\n\n1. **A fox**, oil\n2. An owl\n\nLet me know!\n"


@pytest.mark.parametrize(
    ("text", "kept", "noted"),
    [
        ("/imagine prompt: a fox", "a fox", "/imagine"),
        ("/imagine a fox\n/Imagine prompt an owl", "a fox\nan owl", "/imagine"),
        ("```text\na fox\n```\n", "\na fox\n\n", "fences"),
        ("~~~\na fox\n~~~", "\na fox\n", "fences"),
        ("a fox||\r\nan owl ||\r\n", "a fox\r\nan owl\r\n", "||"),
        ("**Prompt 1:** a fox\nPrompt #2: an owl", "a fox\nan owl", "Prompt 1:"),
        ("a **bold** fox", "a bold fox", "**"),
        ("Here:\n- a fox\n- an owl\nand more", "\n- a fox\n- an owl\nand more", "`Here:` stands around"),
        ("Sure! Here's your prompt:\n\na fox", "\n\na fox", "`Sure! Here's your prompt:` stands around"),
        ("Here are 2 prompts:\n\na fox\nan owl", "\n\na fox\nan owl", "`Here are 2 prompts:` stands around"),
        ("Here:\n- a fox\n- an owl", "\n- a fox\n- an owl", "`Here:` stands around"),
    ],
)
def test_what_chats_and_other_programs_add_is_left_out_and_said(text: str, kept: str, noted: str) -> None:
    found = unframed(text)
    assert found.text == kept
    (note,) = found.notes
    assert noted in note
    assert "\n" not in note


def test_the_answer_of_a_language_model_keeps_its_list_alone() -> None:
    found = unframed(ANSWER)
    assert found.text == "\n\n1. A fox, oil\n2. An owl\n\n\n"
    assert [note.partition("`:")[0] for note in found.notes][:2] == [
        "`Sure! Here are two prompts:` stands around the prompts, and is not drawn",
        "`Let me know!` stands around the prompts, and is not drawn",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a fox\nan owl\n",
        "a fox: a portrait\nan owl:\nin the snow",
        "Prompt 1: a fox",
        "{2$$a||b} fox",
        "a fox:\n1. in the snow",
        "- a fox\n- an owl:\n",
        "a fox ** an owl",
        "imagine a fox",
        "a film called:\n\nthe fox",
        "here is a prompt:\na fox",
        "Positive prompt:\n\na fox\n\nNegative prompt:\n\ntext",
        "Here is your prompt:",
    ],
)
def test_what_may_be_part_of_a_prompt_stays(text: str) -> None:
    found = unframed(text)
    assert (found.text, found.notes) == (text, ())
