from __future__ import annotations

import errno

import pytest

from aura_daemon.errors import JournalRefused, Problem, UserError


def test_a_mistake_of_the_user_lists_every_problem() -> None:
    error = UserError([Problem(file="a.yaml", message="no prompt"), Problem(file="b.yaml", line=2, message="no steps")])
    assert str(error) == "a.yaml: no prompt\nb.yaml:2: no steps"
    assert len(error.problems) == 2


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (
            Problem(file="a.yaml", line=2, key="promt", message="unknown key", suggestion="prompt"),
            "line 2: promt: unknown key; did you mean `prompt`?",
        ),
        (
            Problem(file="a.yaml", key="steps", message="must be 1 to 150", given="0"),
            "steps: must be 1 to 150 (given: 0)",
        ),
        (Problem(file="a.yaml", message="the file is empty"), "the file is empty"),
        (Problem(message="the file is empty"), "the file is empty"),
        (
            Problem(file="_defaults.yaml", line=1, key="stepz", message="unknown key"),
            "_defaults.yaml:1: stepz: unknown key",
        ),
    ],
)
def test_beside_the_name_of_its_file_a_problem_says_line_key_and_value(problem: Problem, text: str) -> None:
    assert problem.within("a.yaml") == text


def test_a_journal_is_missing_only_where_there_is_none() -> None:
    assert JournalRefused(errno.ENOENT, "the journal holds nothing yet").is_missing
    assert not JournalRefused(errno.EIO, "the journal cannot be read").is_missing
