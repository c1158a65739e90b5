from __future__ import annotations

from aura_daemon.errors import Problem, UserError


def test_a_mistake_of_the_user_lists_every_problem() -> None:
    error = UserError([Problem(file="a.yaml", message="no prompt"), Problem(file="b.yaml", line=2, message="no steps")])
    assert str(error) == "a.yaml: no prompt\nb.yaml:2: no steps"
    assert len(error.problems) == 2
