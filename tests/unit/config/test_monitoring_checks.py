"""`http` and `metrics`: what is refused before anything starts, and that no token is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_daemon.config.loading import load
from aura_daemon.config.monitoring_checks import check_monitoring, token_of
from aura_daemon.errors import UserError
from tests.support.house import House

TOKEN = "0123456789abcdef"


def write(house: House, text: str, *, mode: int = 0o600) -> Path:
    file = house.root / "aura.yaml"
    file.write_text(text)
    file.chmod(mode)
    return file


def problems(file: Path) -> list[str]:
    """Of the configuration, and of what it names."""
    try:
        return [str(problem) for problem in check_monitoring(load(file).settings)]
    except UserError as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize("listen", ["127.0.0.1:9750", "'[::1]:9750'", "localhost:9750", "unix:/run/aura/http.sock"])
def test_on_this_machine_no_token_is_needed(house: House, listen: str) -> None:
    assert problems(write(house, f"http: {{listen: {listen}}}")) == []


@pytest.mark.parametrize("listen", ["0.0.0.0:9750", "'[::]:9750'", "192.168.1.20:9750"])
def test_elsewhere_the_daemon_refuses_to_start_without_a_token_and_says_what_to_do(house: House, listen: str) -> None:
    (problem,) = problems(write(house, f"http: {{listen: {listen}}}"))
    assert "name `http.token_file`, or listen on 127.0.0.1 or a unix socket" in problem
    (house.root / "token").write_text(TOKEN)
    assert problems(write(house, f"http: {{listen: {listen}, token_file: token}}")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http: {listen: my-nas:9750}", "must be an IP address, and no name"),
        ("http: {token_file: gone}", "cannot be read: No such file or directory; `openssl rand -hex 32` makes a good"),
        ("http: {token_file: .}", "must name a file"),
        ("http: {token: short}", "http.token: holds no token: a token is 16 to 512 letters"),
        ("http: {token: 'with a space 0123456'}", "holds no token"),
        (f"http: {{token: {TOKEN}, token_file: t}}", "only one of them can count"),
        ("metrics: {textfile: aura.txt}", "must be called *.prom: node_exporter reads no other file"),
        ("metrics: {textfile: gone/aura.prom}", "gone is no folder: make it"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_mend(house: House, text: str, message: str) -> None:
    (problem,) = problems(write(house, text))
    assert message in problem


@pytest.mark.parametrize("content", ["", "short", "x" * 513, "with a space 0123456", "0123456789abcdéf"])
def test_a_file_without_a_token_is_refused(house: House, content: str) -> None:
    (house.root / "token").write_text(content)
    (problem,) = problems(write(house, "http: {token_file: token}"))
    assert "http.token_file: holds no token" in problem
    assert not content or content not in problem


def test_a_token_that_every_user_can_read_in_the_configuration_is_refused_but_not_one_in_a_variable(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"http: {{token: {TOKEN}}}"
    (problem,) = problems(write(house, text, mode=0o644))
    assert "every user of this machine can read it here: use `http.token_file`" in problem
    assert token_of(load(write(house, text, mode=0o640)).settings.http) == TOKEN.encode()
    monkeypatch.setenv("AURA_HTTP__TOKEN", "fedcba9876543210")
    settings = load(write(house, "{}", mode=0o644)).settings
    assert token_of(settings.http) == b"fedcba9876543210"
    assert "fedcba" not in repr(settings)


def test_paths_count_from_the_file_or_in_a_variable_from_the_current_folder(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    file = write(house, "http: {token_file: a}\nmetrics: {textfile: b.prom}")
    settings = load(file).settings
    assert (settings.http.token_file, settings.metrics.textfile) == (house.root / "a", house.root / "b.prom")
    monkeypatch.setenv("AURA_HTTP__TOKEN_FILE", "a")
    monkeypatch.setenv("AURA_METRICS__TEXTFILE", "b.prom")
    settings = load(file).settings
    assert (settings.http.token_file, settings.metrics.textfile) == (here / "a", here / "b.prom")
