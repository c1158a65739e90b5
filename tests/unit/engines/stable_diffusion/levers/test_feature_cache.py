"""The UNet in two parts: the bits of diffusers' own, and when which part is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from aura_daemon.engines.placement.offload import OffloadedModule
from aura_daemon.engines.stable_diffusion.levers.feature_cache import EagerCachingUNet, FeatureCachingUNet, can_cache
from aura_daemon.engines.stable_diffusion.levers.guidance_interval import GuidanceIntervalUNet, noise_levels
from aura_daemon.engines.stable_diffusion.levers.levers import PassPlan
from aura_daemon.engines.stable_diffusion.module_wrappers import OffloadProxy, SplitGuidanceUNet
from aura_daemon.engines.stable_diffusion.schedulers import SCHEDULERS, scheduler_for
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.mini import GENERATOR

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

WIDTH = 64
"""Of aura-mini's texts."""


def unet(**changed: Any) -> Any:
    torch.manual_seed(0)
    config = UNet2DConditionModel.load_config(GENERATOR / "unet") | changed
    return UNet2DConditionModel.from_config(config).eval()


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def given(rows: int, size: tuple[int, int] = (8, 8)) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(rows)
    sample = torch.randn(rows, 4, *size, generator=random)
    return sample, torch.tensor(500), torch.randn(rows, 77, WIDTH, generator=random)


def plain(unet: Any, sample: torch.Tensor, timestep: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    noise: torch.Tensor = unet(sample, timestep, encoder_hidden_states=texts, return_dict=False)[0]
    return noise


class Counting:
    """A CachingUNet that lists which of its parts were asked for how many rows."""

    def __init__(self, unet: Any) -> None:
        self.unet = EagerCachingUNet(unet)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, sample: torch.Tensor, timestep: Any, **named: Any) -> Any:
        self.asked.append(("plain", len(sample)))
        return self.unet(sample, timestep, **named)

    def full(self, sample: torch.Tensor, *others: Any) -> Any:
        self.asked.append(("full", len(sample)))
        return self.unet.full(sample, *others)

    def shallow(self, sample: torch.Tensor, *others: Any) -> Any:
        self.asked.append(("shallow", len(sample)))
        return self.unet.shallow(sample, *others)


def planned(count: int, whole: set[int], guided: set[int] | None = None, momentum: float = 0.0) -> PassPlan:
    inside = frozenset(range(count) if guided is None else guided)
    return PassPlan(count=count, whole=frozenset(whole), guided=inside, momentum=momentum)


# -- the two parts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(8, 8), (16, 24), (13, 9), (5, 8)], ids=str)
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"layers_per_block": 2},
        {"mid_block_type": None},
        {"up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D")},
    ],
    ids=["aura-mini", "two layers a block", "no middle", "plain last block"],
)
def test_both_parts_give_the_bits_of_diffusers_at_any_size(size: tuple[int, int], changed: dict[str, Any]) -> None:
    model, arguments = unet(**changed), given(3, size)
    assert can_cache(model)
    noise, feature = EagerCachingUNet(model).full(*arguments)
    assert torch.equal(noise, plain(model, *arguments))
    assert torch.equal(EagerCachingUNet(model).shallow(*arguments, feature), noise)


def test_row_by_row_both_parts_give_what_the_rows_give() -> None:
    split, arguments = SplitGuidanceUNet(EagerCachingUNet(unet())), given(2)
    noise, feature = split.full(*arguments)
    assert torch.equal(noise, plain(split, *arguments))
    assert torch.equal(split.shallow(*arguments, feature), noise)


@pytest.mark.parametrize("wrapped", [EagerCachingUNet, lambda model: SplitGuidanceUNet(EagerCachingUNet(model))])
def test_a_unet_that_is_offloaded_comes_for_either_part_and_gives_its_bits(wrapped: Callable[[Any], Any]) -> None:
    model, arguments = unet(), given(2)
    noise, feature = wrapped(unet()).full(*arguments)
    model.to(torch.float64)  # at home in another format: what is not brought over cannot compute
    proxy = OffloadProxy(wrapped(model), OffloadedModule(model, "cpu", torch.float32))
    for first, then in (("full", "shallow"), ("shallow", "full")):
        for part in (first, then):
            made = getattr(proxy, part)(*arguments, *((feature,) if part == "shallow" else ()))
            assert model.dtype is torch.float32, part
            assert all(map(torch.equal, made if part == "full" else (made,), (noise, feature)))
        proxy.offload()
        assert model.dtype is torch.float64


@pytest.mark.parametrize(
    "changed", [{"time_cond_proj_dim": 32}, {"class_embed_type": "timestep"}, {"center_input_sample": True}], ids=str
)
def test_a_unet_with_parts_of_another_kind_is_left_alone(changed: dict[str, Any]) -> None:
    assert not can_cache(unet(**changed))
    assert not can_cache(SplitGuidanceUNet(unet()))


# -- a pass ------------------------------------------------------------------------------------------------------------


def test_a_pass_is_whole_where_its_plan_says_so() -> None:
    counting = Counting(unet())
    pass_unet = FeatureCachingUNet(counting, lambda: planned(4, {0, 2}))
    noise = [plain(pass_unet, *given(2)) for _ in range(4)]
    assert [part for part, _ in counting.asked] == ["full", "shallow", "full", "shallow"]
    assert all(torch.equal(one, noise[0]) for one in noise)  # the feature is fresh: nothing moved meanwhile


def test_the_first_evaluation_of_a_pass_is_whole_whatever_the_plan_says() -> None:
    counting = Counting(unet())
    plain(FeatureCachingUNet(counting, lambda: planned(2, set())), *given(2))
    assert counting.asked == [("full", 2)]


def test_rows_without_guidance_keep_the_feature_of_their_prompts() -> None:
    counting = Counting(unet())
    plan = planned(4, {0}, guided={1, 3})
    guided = GuidanceIntervalUNet(FeatureCachingUNet(counting, lambda: plan), lambda: plan)
    noise = [plain(guided, *given(4)) for _ in range(4)]
    assert counting.asked[:2] == [("full", 2), ("full", 4)]  # the negative prompts had no feature
    assert counting.asked[2:] == [("shallow", 2), ("shallow", 4)]
    torch.testing.assert_close(noise[2][2:], noise[1][2:])
    assert torch.equal(noise[2][:2] + 9.0 * (noise[2][2:] - noise[2][:2]), noise[2][2:])


def test_a_kept_feature_moves_on_along_the_line_through_the_last_two() -> None:
    fed: list[torch.Tensor] = []

    class Linear:
        """The feature is the sample; its noise is what was fed."""

        def full(self, sample: torch.Tensor, *_others: Any) -> tuple[torch.Tensor, torch.Tensor]:
            return sample, sample

        def shallow(self, _sample: torch.Tensor, *others: Any) -> torch.Tensor:
            fed.append(others[-1])
            return fed[-1]

    pass_unet = FeatureCachingUNet(Linear(), lambda: planned(8, {0, 2, 5}, momentum=1.0))
    _, timestep, texts = given(2)
    got = [plain(pass_unet, torch.full((2, 4, 8, 8), float(number)), timestep, texts).mean() for number in range(8)]
    assert got == [0, 0, 2, 3, 4, 5, 6, 7]  # one alone is no line


def test_what_a_controlnet_adds_goes_the_plain_way_and_drops_the_feature() -> None:
    counting = Counting(unet())
    pass_unet = FeatureCachingUNet(counting, lambda: planned(4, {0}))
    sample, timestep, texts = given(2)
    plain(pass_unet, sample, timestep, texts)
    pass_unet(sample, timestep, texts, encoder_attention_mask=torch.ones(2, 77))
    plain(pass_unet, sample, timestep, texts)
    assert [part for part, _ in counting.asked] == ["full", "plain", "full"]


@pytest.mark.parametrize("name", SCHEDULERS, ids=str)
def test_every_sampler_has_falling_noise_levels(name: Scheduler) -> None:
    own = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    chosen = scheduler_for(name, own, 10)
    chosen.scheduler.set_timesteps(**chosen.steps)
    levels = noise_levels(chosen.scheduler, len(chosen.scheduler.timesteps))
    assert levels == sorted(levels, reverse=True) or name is Scheduler.PNDM  # which evaluates one level twice
    assert 5 < levels[0] < 16
    assert 0 < levels[-1] < 0.7
