"""Models from the hub, fetched by the real client from a hub on loopback."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aura_daemon.engines.model_files.fetching.faults import explain
from tests.support.hub import Hub, answer_of, hub_environment, running_hub

CAPTIONER = "tiny/captioner"


def find(environment: dict[str, str], model: str = CAPTIONER, kind: str = "caption", *more: str) -> dict[str, Any]:
    """What `find_model` says in a new process."""
    answer = answer_of("finding", environment, model, kind, *more)
    assert "\n" not in answer.get("message", "") + answer.get("mend", "")
    return answer


def test_a_model_is_fetched_and_the_second_time_taken_from_the_cache_without_the_hub(
    home: Path, captioner_folder: Path
) -> None:
    with running_hub() as hub:
        hub.add(CAPTIONER, captioner_folder)
        first = find(hub.environment(home))
        environment = hub.environment(home)
    second = find(environment)
    assert Path(first["folder"], "model.safetensors").is_file()
    assert (second["folder"], second["sha256"]) == (first["folder"], first["sha256"])
    assert not first["torch"]


def test_the_bytes_of_a_download_are_told(hub: Hub, home: Path, captioner_folder: Path) -> None:
    hub.add(CAPTIONER, captioner_folder)
    loads = find(hub.environment(home))["loads"]
    size = (captioner_folder / "model.safetensors").stat().st_size
    assert [CAPTIONER, size, size] in loads


def test_of_a_pipeline_only_its_own_weights_are_fetched(hub: Hub, home: Path, generator_folder: Path) -> None:
    repository = hub.add("tiny/generator", generator_folder)
    repository.files["unet/diffusion_pytorch_model.bin"] = b"a pickle"
    repository.files["v1-full.ckpt"] = b"another"
    repository.files["vae/diffusion_pytorch_model.fp16.safetensors"] = b"a variant"
    assert "folder" in find(hub.environment(home), "tiny/generator", "generate")
    asked = " ".join(hub.requests)
    assert "unet/diffusion_pytorch_model.safetensors" in asked
    assert not any(name in asked for name in (".bin", ".ckpt", "fp16"))


def test_a_model_that_the_hub_does_not_have_is_said_to_be_missing(hub: Hub, home: Path) -> None:
    answer = find(hub.environment(home))
    assert answer["kind"] == "model_unavailable"
    assert answer["message"] == f"model {CAPTIONER}: {hub.url} has no model {CAPTIONER} (HTTP 404)"
    assert answer["mend"] == "correct the name"


def test_a_revision_that_is_not_there_is_named(hub: Hub, home: Path, captioner_folder: Path) -> None:
    hub.add(CAPTIONER, captioner_folder)
    answer = find(hub.environment(home), CAPTIONER, "caption", "v9")
    assert "has no revision v9" in answer["message"]


def test_a_gated_model_says_where_to_accept_its_licence(hub: Hub, home: Path, captioner_folder: Path) -> None:
    hub.add(CAPTIONER, captioner_folder, gated=True)
    answer = find(hub.environment(home))
    assert "accepted its licence (HTTP 401)" in answer["message"]
    assert f"{hub.url}/{CAPTIONER}" in answer["mend"]
    assert "HF_TOKEN" in answer["mend"]


def test_a_hub_that_refuses_the_connection_is_named(home: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    answer = find(hub_environment(url, home))
    assert answer["message"] == f"model {CAPTIONER}: {url} refuses the connection"


def test_a_name_that_does_not_resolve_is_said_to_be_the_networks_fault(home: Path) -> None:
    answer = find(hub_environment("http://hub.invalid", home))
    assert "cannot be resolved" in answer["message"]


def test_offline_mode_is_named_with_the_way_out(hub: Hub, home: Path) -> None:
    answer = find({**hub.environment(home), "HF_HUB_OFFLINE": "1"})
    assert "HF_HUB_OFFLINE forbids" in answer["message"]
    assert hub.requests == []


def test_a_download_that_breaks_goes_on_where_it_broke(hub: Hub, home: Path, captioner_folder: Path) -> None:
    hub.add(CAPTIONER, captioner_folder, cuts=1)
    assert "folder" in find(hub.environment(home))


def test_a_hub_that_fails_in_the_middle_is_told_and_tried_again_well(
    hub: Hub, home: Path, captioner_folder: Path
) -> None:
    repository = hub.add(CAPTIONER, captioner_folder, failing=True)
    answer = find(hub.environment(home))
    assert answer["message"] == f"model {CAPTIONER}: {hub.url} answers HTTP 503 for {CAPTIONER}"
    repository.failing = False
    assert "folder" in find(hub.environment(home))


@pytest.mark.slow  # the client tries again for 24 s
def test_a_half_fetched_model_is_not_taken_for_whole_when_the_hub_is_gone(home: Path, captioner_folder: Path) -> None:
    with running_hub() as hub:
        hub.add(CAPTIONER, captioner_folder, failing=True)
        environment = hub.environment(home)
        find(environment)
    assert "refuses the connection" in find(environment)["message"]


def test_a_repository_of_pickles_is_refused_and_its_pickle_not_fetched(
    hub: Hub, home: Path, captioner_folder: Path
) -> None:
    repository = hub.add(CAPTIONER, captioner_folder)
    repository.files["pytorch_model.bin"] = repository.files.pop("model.safetensors")
    answer = find(hub.environment(home))
    assert "pytorch_model.bin is a pickle" in answer["message"]
    assert not any("pytorch_model.bin" in request for request in hub.requests)


def test_a_short_name_asks_for_its_pinned_revision(hub: Hub, home: Path) -> None:
    find(hub.environment(home), "sd-1.4", "generate")
    assert any("133a221b8aa7292a167afc5127cb63fb5005638b" in request for request in hub.requests)
    assert all("CompVis/stable-diffusion-v1-4" in request for request in hub.requests)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "no right to write"),
        (httpx2.ReadTimeout("timed out"), "does not answer in time"),
        (httpx2.RemoteProtocolError("peer closed"), "broke (RemoteProtocolError: peer closed)"),
        (OSError("Consistency check failed"), "broke (OSError: Consistency check failed)"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_goes_wrong_on_the_way_is_put_into_words(error: Exception, cause: str) -> None:
    wrapped = RuntimeError("while fetching")
    wrapped.__cause__ = error
    message, mend = explain(wrapped, "owner/name", "main")
    assert cause in message
    assert mend


def test_small_files_with_other_bytes_are_fetched_again_and_never_kept(
    hub: Hub, home: Path, captioner_folder: Path
) -> None:
    right = (captioner_folder / "config.json").read_bytes()
    repository = hub.add(CAPTIONER, captioner_folder, wrong_texts=1)
    found = find(hub.environment(home))
    assert Path(found["folder"], "config.json").read_bytes() == right
    repository.wrong_texts = 2
    failure = find(hub.environment(home.with_name("another")))
    assert failure["message"].endswith("sends is damaged: config.json is not what the hub names (its hash is another)")
    assert not list(home.with_name("another").rglob("config.json"))
