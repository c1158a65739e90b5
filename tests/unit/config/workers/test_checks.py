"""Workers that cannot be had are refused before the daemon starts, each with its mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_daemon.config import loading
from aura_daemon.config.settings import Settings
from aura_daemon.config.workers.checks import check_workers

REMOTE = {"kind": "ray", "address": "10.0.0.1:6379"}


def told(has_ray: bool = True, **workers: object) -> list[str]:
    settings = Settings.model_validate({"workers": workers})
    return [f"{problem.key}: {problem.message}" for problem in check_workers(settings, has_ray=lambda: has_ray)]


@pytest.mark.parametrize("workers", [{}, {"devices": [0, "cpu"]}, {"kind": "ray"}, {"kind": "ray", "gpus": 0.5}])
def test_workers_of_this_machine_need_no_token(workers: dict[str, object]) -> None:
    assert told(**workers) == []


def test_without_ray_the_command_that_installs_it_is_told() -> None:
    (problem,) = told(has_ray=False, kind="ray")
    assert problem.startswith('workers.kind: Ray is not installed: `pip install "aura-daemon[ray]"`')
    assert told(has_ray=False) == []


def test_a_cluster_without_a_token_is_refused() -> None:
    (problem,) = told(**REMOTE)
    assert problem.startswith("workers.token_file: names no file: without a token, whoever reaches the port")


def test_a_token_must_be_there_and_be_a_text(tmp_path: Path) -> None:
    def problem_of(content: bytes | None) -> list[str]:
        file = tmp_path / "token"
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        return [line.replace(str(file), "FILE") for line in told(**REMOTE, token_file=str(file))]

    assert problem_of(b"3f5c0a5e0f1f4b6f\n") == []
    assert problem_of(b" \n") == ["workers.token_file: FILE is empty"]
    assert problem_of(b"\xff\xfe") == ["workers.token_file: FILE is no text"]
    assert problem_of(None) == ["workers.token_file: FILE cannot be read: No such file or directory"]


def test_the_token_lies_beside_the_configuration_where_its_path_is_relative(tmp_path: Path) -> None:
    file = tmp_path / "aura.yaml"
    file.write_text("workers: {kind: ray, address: '10.0.0.1:6379', token_file: token}")
    assert loading.load(file).settings.workers.token_file == tmp_path / "token"
