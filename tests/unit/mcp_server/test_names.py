"""A name of an agent means a file below the inbox or the outbox, or it is refused for what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_daemon.errors import Problem
from aura_daemon.mcp_server.names import name_below

FOLDER = Path("/nowhere")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("cat.png", "cat.png"),
        (" ./cats//tom.png ", "cats/tom.png"),
        ("猫/三毛.png", "猫/三毛.png"),
        ("a..b.png", "a..b.png"),
    ],
)
def test_a_name_is_taken_in_its_plain_form(name: str, plain: str) -> None:
    assert name_below("result", name, FOLDER, root="outbox") == plain


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "/", "..", "../cat.png", "cats/../../cat.png", "cats/..", "/etc/passwd", "//etc/passwd"),
        *("cats\\cat.png", "..\\cat.png", "C:\\cat.png"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    found = name_below("result", name, FOLDER, root="outbox")
    assert isinstance(found, Problem)
    assert "must be a name below the outbox" in str(found)


@pytest.mark.parametrize("name", [".aura/tmp/x", "cats/.hidden.png", "failed/cat.yaml", "FAILED/cat.yaml"])
def test_what_is_hidden_or_failed_is_not_for_agents(name: str) -> None:
    assert "are not for agents" in str(name_below("result", name, FOLDER, root="outbox"))


@pytest.mark.parametrize("name", ["a\0b.png", "a\ud800.png"])
def test_what_no_file_can_be_called_is_refused(name: str) -> None:
    assert "characters that no name has" in str(name_below("result", name, FOLDER, root="outbox"))


def test_a_link_that_leads_out_tells_nothing_of_what_lies_there(tmp_path: Path) -> None:
    inside = tmp_path / "outbox"
    (inside / "cats").mkdir(parents=True)
    (tmp_path / "secret.txt").touch()
    (inside / "out").symlink_to(tmp_path)
    (inside / "in").symlink_to(inside / "cats")
    assert name_below("result", "in/tom.png", inside, root="outbox") == "in/tom.png"
    for name in ("out/secret.txt", "out/gone.txt"):
        assert "a link on the way leads out of the outbox" in str(name_below("result", name, inside, root="outbox"))
