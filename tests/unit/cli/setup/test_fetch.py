"""`fetch`, against a hub on loopback that breaks connections, refuses, and sends wrong bytes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from aura_daemon.jobs.guidance.controls import CONTROLNETS
from aura_daemon.jobs.guidance.picture_prompts import ADAPTER_ON_HUB
from aura_daemon.mini import CAPTIONER, GENERATOR
from tests.support.hub import Hub, Repository, hub_environment, running_hub
from tests.support.tiny_models import write_adapter, write_generator

MODEL = "tiny/captioner"
DECODER_FILE = "diffusion_pytorch_model.safetensors"
CARD = {"license": "bsd-3-clause", "extra_gated_prompt": "Be kind.\x1b[31m\nBe careful."}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as running:
        yield running


@pytest.fixture
def model(hub: Hub) -> Repository:
    return hub.add(MODEL, CAPTIONER, card=CARD)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "hf"


class Fetch:
    """Calls `fetch` as a shell does."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(
            [sys.executable, "-m", "aura_daemon", "fetch", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, "AURA_DEVICE": "cpu", **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in ran.stderr
        return ran


@pytest.fixture
def fetch(hub: Hub, home: Path, tmp_path: Path) -> Fetch:
    return Fetch(tmp_path, hub.environment(home))


def weights(hub: Hub) -> list[str]:
    return [request for request in hub.requests if request.startswith("GET") and ".safetensors" in request]


def test_the_licence_comes_before_any_weights_and_nothing_is_fetched_without_consent(
    hub: Hub, model: Repository, fetch: Fetch
) -> None:
    ran = fetch(MODEL)
    assert ran.returncode == 2
    assert "licence    BSD 3-Clause\n           https://opensource.org/license/bsd-3-clause\n" in ran.stdout
    assert f"page       {hub.url}/{MODEL}\n" in ran.stdout
    assert "  Be kind.\\x1b[31m\n  Be careful.\n" in ran.stdout
    assert "free at" in ran.stdout
    assert "--accept-licence" in ran.stderr
    assert weights(hub) == []


def test_a_model_is_fetched_once_and_found_the_second_time_without_the_hub(
    hub: Hub, home: Path, model: Repository, fetch: Fetch
) -> None:
    ran = fetch(MODEL, "--accept-licence")
    assert (ran.returncode, len(weights(hub))) == (0, 1), ran.stderr
    assert f"{MODEL}: here and whole, " in ran.stdout
    assert "100 % of" in ran.stderr
    again = fetch(MODEL, HF_HUB_OFFLINE="1")
    assert (again.returncode, len(weights(hub))) == (0, 1), again.stderr
    assert "licence" not in again.stdout
    listed = fetch(
        "--list",
        AURA_CAPTION__MODEL=MODEL,
        AURA_CAPTION__QUESTION_MODEL="blip-vqa-base",
        AURA_CAPTION__MATCHING_MODEL="blip-itm-base",
    )
    assert listed.returncode == 0
    assert [line.split()[:3] for line in listed.stdout.splitlines()] == [
        ["aura-mini", "generate", "here,"],
        [MODEL, "caption", "here,"],
        ["blip-vqa-base", "question", "not"],
        ["blip-itm-base", "match", "not"],
        ["sd-1.4", "not", "configured"],
        ["blip-base", "not", "configured"],
        ["blip-large", "not", "configured"],
        ["git-base-coco", "not", "configured"],
        ["florence-2-base", "not", "configured"],
        *([net, "control", "not"] for net in ("canny", "depth", "openpose", "lineart", "scribble", "tile")),
        ["ip-adapter", "like", "not"],
        ["ip-adapter", "image", "encoder"],
        ["latent-consistency/lcm-lora-sdv1-5", "speed:", "turbo"],
        ["madebyollin/taesd", "speed:", "turbo"],
    ]


def test_what_the_configuration_names_is_fetched_and_only_what_this_machine_needs(hub: Hub, fetch: Fetch) -> None:
    repository = hub.add("tiny/generator", GENERATOR)
    repository.files["unet/diffusion_pytorch_model.fp16.safetensors"] = b"a variant"
    ran = fetch("--accept-licence", AURA_GENERATE__MODEL="tiny/generator")
    assert ran.returncode == 0, ran.stderr
    assert "aura-mini: here, " in ran.stdout
    assert "licence    none is named: see the page of the model\n" in ran.stdout
    assert "of weights in full precision" in ran.stdout
    asked = " ".join(weights(hub))
    assert "unet/diffusion_pytorch_model.safetensors" in asked
    assert "fp16" not in asked


def test_a_download_goes_on_after_each_break_where_it_broke(hub: Hub, model: Repository, fetch: Fetch) -> None:
    model.cuts = 2
    ran = fetch(MODEL, "--accept-licence")
    assert ran.returncode == 0, ran.stderr
    size = len(model.files["model.safetensors"])
    ranges = [request.partition("bytes=")[2] for request in weights(hub)]
    assert ranges == ["", f"{size // 2}-", f"{(size // 2 + size) // 2}-"]


def test_another_process_goes_on_where_one_was_refused(hub: Hub, home: Path, model: Repository, fetch: Fetch) -> None:
    model.cuts, model.refusal = 1, 403  # as a signed link that has run out in the middle
    ran = fetch(MODEL, "--accept-licence")
    assert ran.returncode == 1
    assert "HTTP 403" in ran.stderr
    model.refusal = 0
    again = fetch(MODEL, "--accept-licence")
    assert again.returncode == 0, again.stderr
    assert " of it missing" in again.stdout
    assert weights(hub)[-1].endswith(f"bytes={len(model.files['model.safetensors']) // 2}-")
    assert list(home.rglob("*.partial")) == []


def test_wrong_bytes_are_fetched_again_and_never_kept(hub: Hub, home: Path, model: Repository, fetch: Fetch) -> None:
    model.wrong = 2
    ran = fetch(MODEL, "--accept-licence")
    assert ran.returncode == 1
    assert "damaged: model.safetensors is not what the hub names" in ran.stderr
    assert list(home.rglob("*.safetensors")) == []
    model.wrong = 1
    ran = fetch(MODEL, "--accept-licence")
    assert (ran.returncode, len(weights(hub))) == (0, 4), ran.stderr


def test_a_file_that_was_damaged_on_the_disk_is_fetched_anew(
    hub: Hub, home: Path, model: Repository, fetch: Fetch
) -> None:
    fetch(MODEL, "--accept-licence")
    (file,) = home.rglob("model.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    ran = fetch(MODEL, "--accept-licence")
    assert (ran.returncode, len(weights(hub))) == (0, 2), ran.stderr
    assert "damaged on this disk, and fetched anew: model.safetensors" in ran.stdout
    (file,) = home.rglob("model.safetensors")
    assert file.read_bytes() == model.files["model.safetensors"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"gated": True}, "gives it to those who accepted its licence (HTTP 401)"),
        ({"gated": True, "gated_status": 403}, "gives it to those who accepted its licence (HTTP 403)"),
        ({"refusal": 401}, "refuses access to tiny/captioner (HTTP 401)"),
    ],
    ids=str,
)
def test_what_the_hub_refuses_is_told_on_one_line_with_what_to_do(
    model: Repository, fetch: Fetch, changes: dict[str, int], told: str
) -> None:
    for name, value in changes.items():
        setattr(model, name, value)
    ran = fetch(MODEL, "--accept-licence")
    assert ran.returncode == 1
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert told in line


def test_a_model_that_is_not_there_and_a_hub_that_is_not_there_are_told(
    fetch: Fetch, home: Path, tmp_path: Path
) -> None:
    ran = fetch("tiny/none", "--accept-licence")
    assert (ran.returncode, "has no model tiny/none (HTTP 404)" in ran.stderr) == (1, True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = Fetch(tmp_path, hub_environment(f"http://127.0.0.1:{free.getsockname()[1]}", home))
    ran = gone(MODEL, "--accept-licence")
    assert (ran.returncode, "refuses the connection" in ran.stderr) == (1, True)
    assert "fetch again when that is mended" in ran.stderr
    assert "by itself" not in ran.stderr


@pytest.mark.parametrize("name", ["nonsense", "/no/such/folder", "a/b/c"])
def test_a_name_that_is_no_model_is_a_mistake_of_the_command_line(fetch: Fetch, hub: Hub, name: str) -> None:
    ran = fetch(name, "--accept-licence")
    assert ran.returncode == 2
    assert (
        "sd-1.4, blip-base, blip-large, git-base-coco, florence-2-base, blip-vqa-base, blip-itm-base, canny, depth,"
        " openpose, lineart, scribble, tile, ip-adapter, owner/name on the hub" in ran.stderr
    )
    assert hub.requests == []


def test_what_turbo_takes_is_fetched_with_its_licence_by_configuration_or_by_name(
    hub: Hub, fetch: Fetch, tmp_path: Path
) -> None:
    lora, decoder = tmp_path / "lora", tmp_path / "decoder"
    for folder, files in ((lora, ("4steps.safetensors", "8steps.safetensors")), (decoder, (DECODER_FILE,))):
        folder.mkdir()
        for name in files:
            save_file({"x": numpy.zeros(4, numpy.float32)}, folder / name)
    (decoder / "config.json").write_text('{"_class_name": "AutoencoderTiny"}')
    hub.add("owner/few", lora, card={"license": "openrail++"})
    hub.add("owner/tiny", decoder, card={"license": "mit"})
    turbo = {"LORA": "owner/few/8steps.safetensors", "DECODER": "owner/tiny"}
    configured = {f"AURA_GENERATE__TURBO__{key}": name for key, name in turbo.items()}
    configured["AURA_GENERATE__MODEL"] = str(write_generator(tmp_path / "own"))  # aura-mini brings its own
    ran = fetch("--accept-licence", **configured, AURA_GENERATE__SPEED="turbo")
    assert ran.returncode == 0, ran.stderr
    assert "CreativeML Open RAIL++-M" in ran.stdout
    assert "licence    MIT" in ran.stdout
    assert all(f"{name}: here and whole" in ran.stdout for name in turbo.values())
    assert not any("4steps" in request for request in weights(hub))
    named = fetch("owner/few/4steps.safetensors", "--accept-licence")
    assert (named.returncode, "here and whole" in named.stdout) == (0, True), named.stderr
    several = fetch(
        "owner/few",
        "--accept-licence",
        **configured | {"AURA_GENERATE__TURBO__LORA": "owner/few"},
        AURA_GENERATE__SPEED="turbo",
    )
    assert several.returncode == 1
    assert "owner/few/4steps.safetensors" in several.stderr


def test_what_jobs_name_is_fetched_before_a_job_needs_it(hub: Hub, fetch: Fetch, tmp_path: Path) -> None:
    net, published = CONTROLNETS["tile"], tmp_path / "published"
    adapter = published / ADAPTER_ON_HUB.adapter
    write_adapter(adapter.parent, adapter.stem)
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in (net.file, "control_v11p_sd15_other_fp16.safetensors"):
        save_file({"x": numpy.zeros(4, numpy.float32)}, shelf / name)
    hub.add(net.repository, shelf, pinned=net.revision, card={"license": "openrail"})
    hub.add(ADAPTER_ON_HUB.repository, published, pinned=ADAPTER_ON_HUB.revision, card={"license": "apache-2.0"})
    ran = fetch("tile", "ip-adapter", "--accept-licence")
    assert ran.returncode == 0, ran.stderr
    assert f"tile: {net.repository} at {net.revision[:12]}" in ran.stdout
    assert [ran.stdout.count(f"{name}: here and whole") for name in ("tile", "ip-adapter")] == [1, 2]
    assert "No files matched" not in ran.stderr
    assert not any("other" in request for request in weights(hub))
    absent = fetch("scribble", "--accept-licence")
    assert f"{CONTROLNETS['scribble'].file} is missing" in absent.stderr
    listed = [line.split() for line in fetch("--list").stdout.splitlines()]
    assert [line[0] for line in listed if "here," in line and "aura-mini" not in line] == ["tile", *["ip-adapter"] * 2]
