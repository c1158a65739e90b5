"""One real daemon with real engines on tiny models, for everything that needs one; importing torch takes seconds.

The generator's hub is down until one test brings it up: everything else goes on without it.
"""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import psutil
import pytest

from tests.support.house import House
from tests.support.hub import Hub, HubHandler, hub_environment
from tests.support.programs import REAL, Program

MOST_RESIDENT_BYTES = 80_000_000
"""The most memory of the idle daemon process: a promise of the project."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_models import write_captioner, write_generator

    folder = tmp_path_factory.mktemp("models")
    write_captioner(folder / "captioner")
    write_generator(folder / "generator")
    return folder


@pytest.fixture(scope="module")
def port() -> int:
    """A port on which no process listens yet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
        return found


@pytest.fixture(scope="module")
def living(models: Path, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """`aura-daemon run` with a captioner, and without a model for pictures."""
    house = House(tmp_path_factory.mktemp("living"))
    program = Program(
        house,
        REAL,
        AURA_CAPTION__MODEL=str(models / "captioner"),
        AURA_GENERATE__MODEL="tiny/generator",
        AURA_GENERATE__STEPS="2",
        AURA_INCOMPLETE_AFTER="1",
        AURA_DEVICE="cpu",
        **hub_environment(f"http://127.0.0.1:{port}", house.root / "hf"),
    )
    program.start("run")
    yield program
    program.close()


def picture(extension: str = "PNG", colour: str = "red") -> bytes:
    from PIL import Image

    content = BytesIO()
    Image.new("RGB", (64, 64), colour).save(content, extension)
    return content.getvalue()


def test_the_idle_daemon_is_light_and_knows_no_torch(living: Program) -> None:
    living.until(lambda: living.health().get("status") == "ok")
    assert psutil.Process(living.pid).memory_info().rss < MOST_RESIDENT_BYTES


def test_an_image_becomes_a_caption_and_a_prompt_waits_for_its_model_visibly(living: Program) -> None:
    house = living.house
    house.drop("cat.yaml", b"prompt: a red circle\n")
    living.until(lambda: living.health().get("status") == "degraded")
    (holdup,) = living.health()["holdups"]
    assert holdup["what"] == "generate"
    assert "tiny/generator" in holdup["reason"]
    house.drop("beach.png", picture())
    living.until(lambda: "beach.json" in house.results())
    assert house.results() == ["beach.json", "beach.txt"]
    assert house.sidecar("beach.json")["caption"] == (house.outbox / "beach.txt").read_text().strip()
    assert house.failed() == []
    living.until(lambda: json.loads((house.outbox / "health.json").read_bytes())["status"] == "degraded")


BAD = {
    "empty.yaml": (b"", "empty"),
    "invalid.yaml": (b"prompt: [a", "no valid YAML"),
    "unknown.yaml": (b"prompt: x\nstep: 3\n", "unknown key"),
    "type.yaml": (b"prompt: x\nsteps: many\n", "1 to 150"),
    "zero.yaml": (b"prompt: x\nsteps: 0\n", "1 to 150"),
    "wide.yaml": (b"prompt: x\nwidth: 100000\n", "64 to 2048"),
    "text.png": (b"this is text", "holds text"),
    "many.yaml": (b"---\nprompt: x\n" * 2000, "500 documents"),
    "bomb.yaml": (b"a: &a [x]\nb: [" + b"*a," * 100 + b"]\n", "alias"),
}


def test_bad_inputs_fail_with_their_reasons_none_is_lost_and_the_daemon_lives(living: Program) -> None:
    house = living.house
    truncated = picture("JPEG")
    bad = {**BAD, "half.jpg": (truncated[: len(truncated) // 2], "cut short")}
    for name, (content, _) in bad.items():
        house.drop(f"bad/{name}", content)
    living.until(lambda: len([name for name in house.failed() if name.startswith("bad/")]) == 2 * len(bad))
    for name, (content, reason) in bad.items():
        assert (house.outbox / "failed" / "bad" / name).read_bytes() == content
        report = house.sidecar(f"failed/bad/{name}.json")
        text = report["reason"] + " ".join(report["problems"])
        assert reason in text, (name, text)
        assert report["mend"]
    assert [name for name in house.waiting() if name.startswith("bad/")] == []


def test_the_daemon_maps_no_torch_while_its_worker_does(living: Program) -> None:
    living.until(lambda: psutil.Process(living.pid).children())
    assert "libtorch" not in Path(f"/proc/{living.pid}/maps").read_text()
    living.until(lambda: "libtorch" in Path(f"/proc/{living.worker().pid}/maps").read_text())


def test_status_tells_what_is_held_up_and_how_to_mend_it(living: Program) -> None:
    living.house.drop("dog.yaml", b"prompt: a blue square\n")
    living.until(lambda: living.health().get("holdups"))
    status = living.call("status")
    assert status.returncode == 0
    assert "degraded since" in status.stdout
    assert "held up    generate: " in status.stdout
    answer = json.loads(living.call("status", "--json").stdout)
    assert answer["running"] is True
    assert answer["health"]["pid"] == living.pid


def test_when_the_hub_comes_up_what_waited_is_done(living: Program, models: Path, port: int) -> None:
    house = living.house
    house.drop("late.yaml", b"prompt: a red circle\n")
    hub = Hub(url=f"http://127.0.0.1:{port}")
    hub.add("tiny/generator", models / "generator")
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(HubHandler, hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        living.until(lambda: "late.json" in house.results())
        living.until(lambda: living.health()["status"] == "ok")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert house.sidecar("late.json")["attempts"] == 1
    assert psutil.Process(living.pid).memory_info().rss < MOST_RESIDENT_BYTES


def test_it_ends_well_when_it_is_told_to_and_takes_its_worker_along(living: Program) -> None:
    worker = living.worker()
    assert living.end(signal.SIGTERM) == 0
    assert not psutil.pid_exists(worker.pid)
    assert living.house.temporary() == []
    assert "Traceback" not in living.log()
