"""A compiled UNet: by torch's compiler without its code generation, and where compiling fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch

from aura_daemon.engines.compiled.captured_unet import CapturedUNet, is_in_parts
from aura_daemon.engines.compiled.compiled_unet import MOST_STATIC, CompiledUNet
from aura_daemon.engines.compiled.variants import COMPILED
from aura_daemon.jobs.results import EAGER
from tests.support.deadline import DEADLINE_S
from tests.unit.engines.compiled.test_captured_unet import Tape, noise


class Doubling(torch.nn.Module):
    """As small as a model can be."""

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, **given: Any) -> tuple[torch.Tensor]:
        return (sample * 2 + timestep,)


class Compiled:
    """Counts what is called; the code is the function itself."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def __call__(self, forward: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        def code(**given: Any) -> Any:
            self.called.append("any shape" if dynamic else "one shape")
            return forward(**given)

        return code


def nobody() -> None:
    """Hears of no sign of life."""


def by_torch(backend: Any) -> Callable[..., Any]:
    def compiled(forward: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        return torch.compile(forward, backend=backend, dynamic=dynamic, fullgraph=True)

    return compiled


def refusing(graph: Any, inputs: Any) -> Any:
    raise RuntimeError("No working C++ compiler found in: clang++, g++")


def test_compiled_code_computes_the_same() -> None:
    compiled = CompiledUNet(Doubling(), by_torch("eager"), COMPILED, nobody)
    for side in (4, 8, 4):
        (drawn,) = compiled(noise(side=side), torch.tensor(5), return_dict=False)
        assert torch.equal(drawn, noise(side=side) * 2 + 5)
    assert (compiled.variant, compiled.warnings) == (COMPILED, ())


def test_the_first_shapes_have_code_of_their_own_and_all_others_share_one() -> None:
    compiler = Compiled()
    compiled = CompiledUNet(Doubling(), compiler, COMPILED, nobody)
    for side in range(1, MOST_STATIC + 3):
        compiled(noise(side=side), torch.tensor(5))
    compiled(noise(side=1), torch.tensor(5))
    assert compiler.called == ["one shape"] * MOST_STATIC + ["any shape"] * 2 + ["one shape"]


def test_a_unet_that_cannot_be_compiled_computes_as_it_is_written_which_is_said() -> None:
    compiled = CompiledUNet(Doubling(), by_torch(refusing), COMPILED, nobody)
    for _ in range(2):
        (drawn,) = compiled(noise(), torch.tensor(5), return_dict=False)
        assert torch.equal(drawn, noise() * 2 + 5)
    assert compiled.variant == EAGER
    (warning,) = compiled.warnings
    assert warning == (
        "drawn without engine compiled: it could not be compiled (RuntimeError: No working C++ compiler found in: "
        "clang++, g++); it takes a C++ compiler, such as g++, or set generate.engine: auto"
    )


def test_a_lack_of_memory_while_compiling_is_left_to_the_ladder() -> None:
    def full(graph: Any, inputs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    compiled = CompiledUNet(Doubling(), by_torch(full), COMPILED, nobody)
    with pytest.raises(Exception, match="out of memory"):
        compiled(noise(), torch.tensor(5))
    assert compiled.variant == COMPILED


def test_an_error_of_the_model_itself_is_none_of_the_compiler() -> None:
    def broken(**given: Any) -> Any:
        raise ValueError("shapes do not fit")

    compiled = CompiledUNet(Doubling(), lambda forward, dynamic: broken, COMPILED, nobody)
    with pytest.raises(ValueError, match="shapes do not fit"):
        compiled(noise(), torch.tensor(5))


def test_what_is_compiled_can_be_recorded_too() -> None:
    compiled = CompiledUNet(Doubling(), Compiled(), COMPILED, nobody)
    captured = CapturedUNet(compiled, Tape())
    assert torch.equal(captured(noise(), 3)[0], noise() * 2 + 3)
    assert captured.variant == COMPILED


def test_a_compiled_unet_takes_other_arguments_to_the_unet_itself() -> None:
    compiler = Compiled()
    compiled = CompiledUNet(Doubling(), compiler, COMPILED, nobody)
    compiled(noise(), torch.tensor(5), cross_attention_kwargs={"scale": 0.5})
    assert not compiler.called


def test_while_a_shape_is_compiled_the_process_says_that_it_is_alive() -> None:
    heard = threading.Event()

    def slow(forward: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        def code(**given: Any) -> Any:
            assert heard.wait(DEADLINE_S)
            return forward(**given)

        return code

    compiled = CompiledUNet(Doubling(), slow, COMPILED, heard.set, tell_s=0.01)
    assert torch.equal(compiled(noise(), torch.tensor(5))[0], noise() * 2 + 5)


class InParts(Doubling):
    """With a feature that can be kept."""

    def full(self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor) -> tuple[Any, Any]:
        return sample * 2 + timestep + encoder_hidden_states.mean(), sample + 1

    def shallow(self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, feature: Any) -> Any:
        return sample + feature + timestep


@pytest.mark.parametrize("backend", ["eager", refusing])
def test_both_parts_of_a_unet_are_compiled_or_neither_is(backend: Any) -> None:
    compiled, plain = CompiledUNet(InParts(), by_torch(backend), COMPILED, nobody), InParts()
    words = torch.ones(2, 77, 8)
    noised, feature = compiled.full(noise(), torch.tensor(5), words)
    expected, fresh = plain.full(noise(), torch.tensor(5), words)
    assert torch.equal(noised, expected)
    assert torch.equal(feature, fresh)
    assert torch.equal(
        compiled.shallow(noise(), torch.tensor(5), words, feature), plain.shallow(noise(), 5, words, fresh)
    )
    assert compiled.variant == (COMPILED if backend == "eager" else EAGER)


@pytest.mark.parametrize(("unet", "caches"), [(Doubling(), False), (InParts(), True)])
def test_a_stand_in_keeps_features_where_the_unet_below_can(unet: Any, caches: bool) -> None:
    compiled = CompiledUNet(unet, Compiled(), COMPILED, nobody)
    assert is_in_parts(CapturedUNet(compiled, Tape())) == is_in_parts(compiled) == caches
