"""What trains and measures aura-mini's ControlNet: maps that lie where the drawings do, files that diffusers reads."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionPipeline

from aura_daemon.mini import GENERATOR
from aura_daemon.mini.grammar import Sentence, every_sentence, seen_sentences
from aura_daemon.training.controlling import controlnet
from aura_daemon.training.controlling.controlnet import ControlledDrawings, drawn_twice
from aura_daemon.training.controlling.evaluate import ControlRow, overlap, shape_mask, table
from aura_daemon.training.controlling.maps import MapKind, control_maps, varied_maps
from aura_daemon.training.models import as_pictures
from aura_daemon.training.trainlog import TrainingLog

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture
def pipeline() -> StableDiffusionPipeline:
    return StableDiffusionPipeline.from_pretrained(GENERATOR, dtype=torch.float32)


def some_sentences(count: int) -> list[Sentence]:
    return random.Random(count).sample(every_sentence(), count)


def test_a_silhouette_is_white_where_the_shape_is_and_an_edge_is_its_rim() -> None:
    _, own, _ = drawn_twice(some_sentences(16), torch.Generator().manual_seed(0))
    filled, edge = (control_maps(own, kind) for kind in MapKind)
    assert filled.shape == edge.shape == (16, 3, 64, 64)
    assert torch.equal(filled, (own > 0.5).float().expand(-1, 3, -1, -1))
    assert set(edge.unique().tolist()) == {0, 1}
    assert torch.equal(edge * filled, edge)
    assert (edge.sum((1, 2, 3)) > 0).all()
    assert (edge.sum((1, 2, 3)) < filled.sum((1, 2, 3))).all()


def test_maps_for_training_are_of_every_kind_and_never_outside_their_range() -> None:
    _, own, _ = drawn_twice(some_sentences(1), torch.Generator().manual_seed(0))
    maps = varied_maps(own.expand(200, -1, -1, -1), torch.Generator().manual_seed(0))
    assert maps.min() == 0
    assert maps.max() == 1
    assert torch.equal(maps[:, 0], maps[:, 2])
    assert len(maps.unique(dim=0)) == 6  # two filled kinds, four of lines


@pytest.mark.parametrize("size_px", [(64, 64), (64, 112)])
def test_another_shape_lies_at_the_same_place_as_the_drawn_one(size_px: tuple[int, int]) -> None:
    sentences = some_sentences(24)
    pictures, own, other = drawn_twice(sentences, torch.Generator().manual_seed(3), size_px)
    for picture, sentence, mine, another in zip(as_pictures(pictures), sentences, own[:, 0], other[:, 0], strict=True):
        wanted = (mine > 0.5).numpy()
        assert overlap(shape_mask(picture, sentence), wanted) > 0.97
        assert overlap(wanted, (another > 0.5).numpy()) < 0.95
        centres = [torch.nonzero(mask > 0.5).float().mean(0) for mask in (mine, another)]
        assert torch.dist(*centres) < 5  # a triangle's centre lies below that of its circle


def test_a_fifth_of_the_captions_is_empty_and_the_others_are_those_of_seen_drawings(
    pipeline: StableDiffusionPipeline,
) -> None:
    drawings = ControlledDrawings(pipeline.vae, 32, (64, 64), torch.Generator().manual_seed(0))
    captions, latents, maps = drawings.batch(200, torch.Generator().manual_seed(1))
    assert latents.shape == (200, 4, 8, 8)
    assert maps.shape == (200, 3, 64, 64)
    assert 0.1 < captions.count("") / 200 < 0.3
    assert {*captions} - {""} <= {str(sentence) for sentence in seen_sentences()}


def test_an_untrained_controlnet_starts_as_the_unet_and_asks_for_nothing(pipeline: StableDiffusionPipeline) -> None:
    control, weights = controlnet.build(pipeline.unet), pipeline.unet.state_dict()
    shared = controlnet.shared_layers(control, pipeline.unet)
    assert {"conv_in.weight", "down_blocks.1.resnets.0.conv1.weight", "mid_block.resnets.0.conv1.weight"} <= shared
    assert all(torch.equal(control.state_dict()[name], weights[name]) for name in shared)
    down, middle = control(
        torch.randn(1, 4, 8, 14), 500, torch.randn(1, 77, 64), torch.ones(1, 3, 64, 112), return_dict=False
    )
    assert not any(part.any() for part in (*down, middle))


def test_a_controlnet_is_trained_into_a_folder_that_diffusers_opens(
    pipeline: StableDiffusionPipeline, tmp_path: Path
) -> None:
    log, trained = TrainingLog(tmp_path / "train.log"), None
    for stage in controlnet.STAGES:
        trained = controlnet.train(log, pipeline, trained, stage=replace(stage, steps=2), seed=0, drawings=(32, 32))
    assert trained is not None
    assert trained.controlnet_mid_block.weight.any()
    controlnet.export(tmp_path / "controlnet", trained)
    assert str(tmp_path) not in (tmp_path / "controlnet" / "config.json").read_text(encoding="utf-8")
    controlnet.export(tmp_path / "controlnet", ControlNetModel.from_pretrained(tmp_path / "controlnet"))
    assert str(tmp_path) not in (tmp_path / "controlnet" / "config.json").read_text(encoding="utf-8")
    again = ControlNetModel.from_pretrained(tmp_path / "controlnet")
    assert again.config.conditioning_channels == 3
    assert torch.equal(again.conv_in.weight, trained.conv_in.weight.half().float())
    assert "controlnet | begin at" in (tmp_path / "train.log").read_text(encoding="utf-8")


def test_a_row_that_misses_a_bound_says_so() -> None:
    row = ControlRow(
        what="filled",
        count=10,
        overlap=0.7,
        overlap_median=0.8,
        centre_px=0.4,
        colours=10,
        shape=10,
        shown=10,
        least_overlap=0.8,
        least_shape=0.9,
        seconds=1.0,
    )
    assert not row.reached
    assert "| 0.8, 97%, 90% MISSED |" in table([row])
