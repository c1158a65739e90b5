"""From settings, options and this machine to the plan of a service."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.errors import UserError
from aura_daemon.service.plan import Cluster, GpuKind, Network, Scope
from aura_daemon.service.planning import PlannedService, ServiceOptions, not_usable, plan_service, scope_of
from aura_daemon.system import accounts

AS_USER = ServiceOptions(scope=Scope.USER)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A shell without a word of ours, in a folder with inbox and outbox."""
    for name in list(os.environ):
        if name.startswith("AURA_") or name in ("STATE_DIRECTORY", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in ("inbox", "outbox", "home", "dev"):
        (tmp_path / name).mkdir()
    yield tmp_path


def configured(text: str = "") -> Path:
    file = Path("aura.yaml").absolute()
    file.write_text(f"inbox: inbox\noutbox: outbox\n{text}")
    return file


def planned(text: str = "", options: ServiceOptions = AS_USER) -> PlannedService:
    return plan_service(configured(text), options, dev=Path("dev"))


def problems(options: ServiceOptions, config: Path | None) -> list[str]:
    with pytest.raises(UserError) as caught:
        plan_service(config, options)
    return [str(problem) for problem in caught.value.problems]


def test_it_runs_this_program_with_this_file(alone: Path) -> None:
    plan = planned("stop_timeout: 7\nstate: state").plan
    assert plan.command == (sys.executable, "-m", "aura_daemon", "run", "--config", str(alone / "aura.yaml"))
    assert (plan.inbox, plan.outbox, plan.state) == tuple(str(alone / name) for name in ("inbox", "outbox", "state"))
    assert plan.stop_timeout_s == 7
    assert (plan.scope, plan.user) == (Scope.USER, "")


@pytest.mark.parametrize(
    ("text", "network", "needed"),
    [
        ("", None, Network.NONE),
        ("generate: {model: sd-1.4}", None, Network.FULL),
        ("generate: {models: [someone/something]}", None, Network.FULL),
        ("caption: {model: blip-base}", None, Network.FULL),
        ("caption: {question_model: blip-vqa-base}", None, Network.FULL),
        ("caption: {matching_model: blip-itm-base}", None, Network.FULL),
        ("generate: {model: sd-1.4}", False, Network.NONE),
        ("", True, Network.FULL),
        ("http: {listen: 127.0.0.1:9750}", None, Network.LOOPBACK),
        ("http: {listen: 'unix:/run/aura/http.sock'}", None, Network.NONE),
        ("http: {listen: 10.0.0.1:9750, token_file: t}", None, Network.FULL),
        ("http: {listen: 10.0.0.1:9750, token_file: t}", False, Network.LOOPBACK),
        ("workers: {kind: ray, address: '10.0.0.1:6379', token_file: t}", None, Network.FULL),
        ("workers: {kind: ray}", None, Network.LOOPBACK),
        ("http: {listen: 127.0.0.1:9750}\ncaption: {model: blip-base}", None, Network.FULL),
    ],
)
def test_the_network_is_open_where_models_come_from_a_hub_or_somebody_asks_how_the_daemon_is(
    text: str, network: bool | None, needed: Network
) -> None:
    assert planned(text, ServiceOptions(scope=Scope.USER, network=network)).plan.network is needed


def test_what_was_chosen_for_them_is_told() -> None:
    assert any("sd-1.4" in note and "--no-network" in note for note in planned("generate: {model: sd-1.4}").notes)
    closed = planned("generate: {model: sd-1.4}", ServiceOptions(scope=Scope.USER, network=False))
    assert "Without the network sd-1.4 must be in the folder of models already." in closed.notes
    asked = planned("http: {listen: 10.0.0.1:9750, token_file: t}")
    assert "It may use the network, because `http.listen` answers other machines." in asked.notes


def test_a_service_whose_workers_are_on_a_cluster_needs_the_network_and_a_node(alone: Path) -> None:
    text = "workers: {kind: ray, address: '10.0.0.1:6379', token_file: t}"
    service = planned(text)
    assert service.plan.cluster is Cluster.JOINED
    assert str(alone / "t") in service.plan.read
    assert any("10.0.0.1:6379; a node of that must run on this machine" in note for note in service.notes)
    (told,) = problems(ServiceOptions(scope=Scope.USER, network=False), configured(text))
    assert told.startswith("--no-network: its workers are on a cluster, 10.0.0.1:6379")


def test_the_token_is_read_and_the_folders_of_textfile_and_socket_are_written(alone: Path) -> None:
    plan = planned("http: {listen: 'unix:/run/aura/http.sock', token_file: t}\nmetrics: {textfile: m/a.prom}").plan
    assert str(alone / "t") in plan.read
    assert plan.written == (str(alone / "m"), "/run/aura")


def test_a_local_model_is_read_and_needs_no_network(alone: Path) -> None:
    (alone / "model").mkdir()
    plan = planned("generate: {model: ./model, loras: loras}").plan
    assert plan.network is Network.NONE
    assert str(alone / "model") in plan.read
    assert str(alone / "loras") in plan.read


@pytest.mark.parametrize(
    ("files", "text", "gpu", "found"),
    [
        ((), "", None, ()),
        (("nvidiactl",), "", None, (GpuKind.NVIDIA,)),
        (("kfd",), "", None, (GpuKind.ROCM,)),
        (("dxg",), "", None, (GpuKind.WSL,)),
        (("nvidiactl",), "device: cpu", None, ()),
        (("nvidiactl",), "", False, ()),
        ((), "", True, (GpuKind.NVIDIA,)),
    ],
)
def test_the_devices_of_a_gpu_are_open_where_there_is_one(
    alone: Path, files: tuple[str, ...], text: str, gpu: bool | None, found: tuple[GpuKind, ...]
) -> None:
    for name in files:
        (alone / "dev" / name).touch()
    assert planned(text, ServiceOptions(scope=Scope.USER, gpu=gpu)).plan.gpus == found


def test_a_variable_that_a_service_would_not_see_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURA_OUTBOX", "elsewhere")
    (message,) = problems(AS_USER, configured())
    assert message.startswith("$AURA_OUTBOX: is set in this shell, and a service does not see it")


def test_without_a_file_it_is_said_where_to_write_one() -> None:
    (message,) = problems(AS_USER, None)
    assert "a service needs a configuration file: write /etc/aura-daemon/aura.yaml" in message


@pytest.mark.parametrize("name", ["", "A", "../../etc/x", "a b"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    (message,) = problems(ServiceOptions(name=name, scope=Scope.USER), configured())
    assert message.startswith("--name: must be up to 31 of a-z")


def test_a_persons_service_runs_as_nobody_else() -> None:
    (message,) = problems(ServiceOptions(scope=Scope.USER, run_as="root"), configured())
    assert message == "--run-as: goes with --system: a person's service runs as that person"


def test_an_account_that_is_missing_is_made_by_a_command_that_is_told() -> None:
    (message,) = problems(ServiceOptions(scope=Scope.SYSTEM, run_as="no-such-account"), configured())
    assert "`useradd --system --home-dir /var/lib/aura-daemon --shell /usr/sbin/nologin no-such-account`" in message


@pytest.mark.skipif(not accounts.is_root(), reason="needs folders of root")
def test_folders_of_root_are_no_services() -> None:
    (message,) = problems(ServiceOptions(scope=Scope.SYSTEM), configured())
    assert "belongs to root: give the folders to the account" in message


@pytest.mark.skipif(not accounts.is_root(), reason="only root may give folders away")
def test_the_owner_of_the_outbox_runs_the_machines_service(alone: Path) -> None:
    other = accounts.account("nobody")
    assert other is not None
    os.chown(alone / "outbox", other.uid, other.gid)
    found = planned(options=ServiceOptions(scope=Scope.SYSTEM))
    assert (found.plan.user, found.plan.group) == (other.name, other.group)
    assert any("`state: /var/lib/aura-daemon`" in note for note in found.notes)


def test_root_means_the_machines_service_and_everybody_else_their_own() -> None:
    assert scope_of(ServiceOptions()) is (Scope.SYSTEM if accounts.is_root() else Scope.USER)


@pytest.mark.skipif(not accounts.is_root(), reason="only root may act as others")
def test_what_the_account_may_not_use_is_told_with_the_mend(alone: Path) -> None:
    """Where the account can run the program at all; otherwise that is what is told."""
    other = accounts.account("nobody")
    assert other is not None
    plan = planned(options=ServiceOptions(scope=Scope.SYSTEM, run_as="nobody")).plan
    messages = [str(problem) for problem in not_usable(plan, other)]
    if "cannot run aura-daemon" in messages[0]:  # this program lies where only its owner may enter
        assert "python3 -m venv /opt/aura-daemon" in messages[0]
    else:
        assert any(f"chown -R {other.name}:{other.group} {alone / 'inbox'}" in message for message in messages)
