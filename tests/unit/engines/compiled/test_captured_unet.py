"""A recorded UNet: its bookkeeping, with a recorder that plays by calling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from aura_daemon.engines.compiled.captured_unet import MOST_GRAPHS, CapturedUNet, Recording, Tensors
from aura_daemon.engines.compiled.variants import CUDA_GRAPHS
from aura_daemon.jobs.results import EAGER


class UNet:
    """Adds up what it is given; counts its calls."""

    name = "a part's own attribute"

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, sample: torch.Tensor, timestep: torch.Tensor, **given: Any) -> tuple[torch.Tensor]:
        self.calls.append(given)
        words = given["encoder_hidden_states"].mean() if "encoder_hidden_states" in given else 0
        return (sample * 2 + timestep + words,)

    def full(self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor) -> tuple[Any, Any]:
        (noise,) = self(sample, timestep, encoder_hidden_states=encoder_hidden_states)
        return noise, sample + 1

    def shallow(self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, feature: Any) -> Any:
        return self(sample, timestep, encoder_hidden_states=encoder_hidden_states)[0] + feature


class Tape:
    """Records like a CUDA graph: it reads and writes where it did while it recorded, and nowhere else."""

    def __init__(self) -> None:
        self.recorded: list[tuple[int, ...]] = []
        self.played = 0

    def __call__(self, call: Callable[..., tuple[torch.Tensor, ...]], inputs: Tensors) -> Recording:
        self.recorded.append(tuple(inputs["sample"].shape))
        outputs = call(**inputs)

        def play() -> None:
            self.played += 1
            for mine, new in zip(outputs, call(**inputs), strict=True):
                mine.copy_(new)

        return Recording(inputs=inputs, outputs=outputs, play=play)


def noise(rows: int = 2, side: int = 4) -> torch.Tensor:
    return torch.randn(rows, 4, side, side, generator=torch.Generator().manual_seed(rows * side))


WORDS = torch.ones(2, 77, 8)


def test_what_is_played_equals_what_the_unet_computes() -> None:
    unet, captured = UNet(), CapturedUNet(UNet(), Tape())
    for moment in (1, 500):
        given = noise() * moment
        (played,) = captured(given, torch.tensor(moment), encoder_hidden_states=WORDS * moment, return_dict=False)
        assert torch.equal(played, unet(given, torch.tensor(moment), encoder_hidden_states=WORDS * moment)[0])
    assert captured.variant == CUDA_GRAPHS
    assert captured.name == "a part's own attribute"


def test_a_later_play_leaves_earlier_noise_alone() -> None:
    captured = CapturedUNet(UNet(), Tape())
    (first,) = captured(noise(), torch.tensor(1), encoder_hidden_states=WORDS)
    kept = first.clone()
    captured(noise() * 7, torch.tensor(2), encoder_hidden_states=WORDS)
    assert torch.equal(first, kept)


@pytest.mark.parametrize(
    ("changed", "recordings"),
    [
        ({"sample": noise() * 3}, 1),
        ({"timestep": torch.tensor(7)}, 1),
        ({"timestep": 7}, 1),
        ({"sample": noise(rows=4)}, 2),
        ({"sample": noise(side=8)}, 2),
        ({"sample": noise().double()}, 2),
        ({"timestep": torch.tensor(7.5)}, 2),
        ({"encoder_hidden_states": torch.ones(2, 154, 8)}, 2),
        ({"timestep_cond": torch.ones(2, 16)}, 2),
        ({"cross_attention_kwargs": None, "added_cond_kwargs": None}, 1),
    ],
)
def test_each_shape_is_recorded_once(changed: dict[str, Any], recordings: int) -> None:
    tape = Tape()
    captured = CapturedUNet(UNet(), tape)
    given = {"sample": noise(), "timestep": torch.tensor(1), "encoder_hidden_states": WORDS}
    for _ in range(2):
        captured(**given)
        captured(**given | changed)
    assert (len(tape.recorded), tape.played) == (recordings, 4)


def test_what_cannot_be_recorded_is_computed_by_the_unet_itself() -> None:
    unet, tape = UNet(), Tape()
    captured = CapturedUNet(unet, tape)
    residuals = [noise()]
    captured(noise(), torch.tensor(1), encoder_hidden_states=WORDS, down_block_additional_residuals=residuals)
    assert not tape.recorded
    assert unet.calls[-1]["down_block_additional_residuals"] is residuals


def test_the_recording_that_was_used_longest_ago_goes_first() -> None:
    tape = Tape()
    captured = CapturedUNet(UNet(), tape)
    for side in range(1, MOST_GRAPHS + 1):
        captured(noise(side=side), torch.tensor(1))
    captured(noise(side=1), torch.tensor(1))
    captured(noise(side=MOST_GRAPHS + 1), torch.tensor(1))
    assert len(tape.recorded) == MOST_GRAPHS + 1
    captured(noise(side=1), torch.tensor(1))
    assert len(tape.recorded) == MOST_GRAPHS + 1
    captured(noise(side=2), torch.tensor(1))
    assert len(tape.recorded) == MOST_GRAPHS + 2


def test_a_unet_in_two_parts_is_recorded_in_both() -> None:
    plain, tape = UNet(), Tape()
    captured = CapturedUNet(UNet(), tape)
    for moment in (1, 2):
        sample, moment_of = noise() * moment, torch.tensor(moment)
        computed, feature = captured.full(sample, moment_of, WORDS)
        expected, fresh = plain.full(sample, moment_of, WORDS)
        assert torch.equal(computed, expected)
        assert torch.equal(feature, fresh)
        assert torch.equal(
            captured.shallow(sample, moment_of, WORDS, feature), plain.shallow(sample, moment_of, WORDS, fresh)
        )
    assert len(tape.recorded) == 2


def failing(message: str) -> Callable[..., Recording]:
    def record(call: Any, inputs: Any) -> Recording:
        raise RuntimeError(message)

    return record


def test_where_recording_fails_the_unet_computes_from_then_on_which_is_said() -> None:
    unet = UNet()
    captured = CapturedUNet(unet, failing("operation not permitted when stream is capturing\nmore"))
    assert not captured.warnings
    (drawn,) = captured(noise(), torch.tensor(3), encoder_hidden_states=WORDS)
    assert torch.equal(drawn, UNet()(noise(), torch.tensor(3), encoder_hidden_states=WORDS)[0])
    captured.full(noise(), torch.tensor(3), WORDS)
    captured.shallow(noise(), torch.tensor(3), WORDS, noise())
    assert len(unet.calls) == 3
    assert captured.variant == EAGER
    assert captured.warnings == (
        "drawn without CUDA graphs, which failed: operation not permitted when stream is capturing",
    )


def test_a_lack_of_memory_is_left_to_the_ladder() -> None:
    captured = CapturedUNet(UNet(), failing("CUDA out of memory. Tried to allocate 2.00 GiB"))
    with pytest.raises(RuntimeError, match="out of memory"):
        captured(noise(), torch.tensor(1))
    assert not captured.warnings
