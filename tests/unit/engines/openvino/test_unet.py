"""The converted UNet computes what diffusers' does, at any size, whole or from a feature that was kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.conversion import read_unet
from aura_daemon.engines.openvino.library import TELEMETRY
from aura_daemon.engines.openvino.store import ConversionStore, Kind
from aura_daemon.engines.openvino.unet import OpenVinoUNet
from tests.support.deadline import DEADLINE_S
from tests.unit.engines.openvino import starved_unet


@pytest.fixture(scope="module")
def eager(files: ModelFiles) -> Any:
    return read_unet(files)


@pytest.fixture(scope="module")
def graph(files: ModelFiles, cache: Path) -> Path:
    graph = ConversionStore(cache / "aura-daemon" / "openvino").of(files).graph(Kind.OPENVINO)
    assert graph is not None
    return graph


@pytest.fixture(scope="module")
def unet(files: ModelFiles, graph: Path) -> OpenVinoUNet:
    return OpenVinoUNet(files, graph, dtype=torch.float32, threads=1)


@torch.no_grad()
@pytest.mark.parametrize(
    ("rows", "height", "width", "tokens"),
    [(2, 8, 8, 77), (3, 8, 14, 77), (1, 7, 9, 154)],
    ids=["native", "wide", "odd"],
)
def test_the_noise_is_that_of_diffusers_and_the_shallow_pass_adds_no_error(
    unet: OpenVinoUNet, eager: Any, rows: int, height: int, width: int, tokens: int
) -> None:
    random = torch.Generator().manual_seed(0)
    sample = torch.randn(rows, 4, height, width, generator=random)
    embeddings = torch.randn(rows, tokens, unet.config.cross_attention_dim, generator=random)
    wanted = eager(sample, torch.tensor(480.5), embeddings, return_dict=False)[0]
    noise, feature = unet.full(sample, torch.tensor(480.5), embeddings)
    assert float((noise - wanted).abs().max()) < 0.02 * float(wanted.std())  # weights in float16
    assert torch.equal(unet.shallow(sample, torch.tensor(480.5), embeddings, feature), noise)
    called = unet(sample, torch.tensor(480.5), encoder_hidden_states=embeddings, timestep_cond=None, return_dict=False)
    assert torch.equal(called[0], noise)


def test_what_the_graph_does_not_hold_is_refused(unet: OpenVinoUNet) -> None:
    sample, embeddings = torch.zeros(1, 4, 8, 8), torch.zeros(1, 77, 64)
    with pytest.raises(TypeError, match="down_block_additional_residuals"):
        unet(sample, 1, embeddings, down_block_additional_residuals=(sample,))


def test_noise_that_is_no_number_is_a_fault_of_the_variant(unet: OpenVinoUNet) -> None:
    with pytest.raises(FaultyVariant, match="NaN") as fault:
        unet(torch.full((1, 4, 8, 8), 3e38), 1, torch.zeros(1, 77, 64))
    assert not fault.value.lasts


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process so")
def test_where_memory_runs_out_inside_openvino_the_ladder_is_told_so(graph: Path) -> None:
    command = (sys.executable, "-m", starved_unet.__name__, str(graph))
    told = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert told.stdout.strip() == "out of memory", told.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is mapped")
def test_no_page_of_the_weights_file_stays_in_memory(unet: OpenVinoUNet) -> None:
    unet(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 77, 64))
    lines = Path("/proc/self/smaps").read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.endswith(f"/{Kind.OPENVINO}/unet.bin"))
    assert lines[place + 4].split() == ["Rss:", "0", "kB"]


def test_nothing_is_reported_to_the_makers_of_openvino(unet: OpenVinoUNet) -> None:
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__ == "openvino.tools.ovc.telemetry_stub"
    assert sys.modules[TELEMETRY] is None


@torch.no_grad()
def test_what_was_given_back_is_taken_again_and_computes_the_same(unet: OpenVinoUNet) -> None:
    sample, embeddings = torch.ones(2, 4, 8, 8), torch.ones(2, 77, 64)
    noise, feature = unet.full(sample, 1, embeddings)
    again = unet.shallow(sample, 1, embeddings, feature)
    for compiled in unet._sizes.values():
        compiled.give_back()
    assert torch.equal(unet.full(sample, 1, embeddings)[0], noise)
    assert torch.equal(unet.shallow(sample, 1, embeddings, feature), again)
