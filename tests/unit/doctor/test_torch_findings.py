"""What doctor is told of torch, models and the ladder: by the rules that a job's rung is chosen by."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
    BlipForQuestionAnswering,
    CLIPTextConfig,
    CLIPTextModel,
    Florence2Config,
    Florence2ForConditionalGeneration,
    GitConfig,
    GitForCausalLM,
)

from aura_daemon.config.engine import (
    Attention,
    CaptionSettings,
    Device,
    Dtype,
    EngineSettings,
    GenerateSettings,
    Safety,
)
from aura_daemon.doctor.report import LadderPlan, ModelPresence, PlanRequest, ProbeAnswer, ProbeRequest
from aura_daemon.doctor.torch_findings import findings
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.footprints import (
    STANDARD_CAPTIONERS,
    STANDARD_LAYER,
    STANDARD_PARTS,
    standard_footprint,
)
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.ladder.prediction import Measured
from aura_daemon.ladder.rungs import Backend, Rung, ladder
from tests.support.listening import Listener
from tests.support.running import run_alone

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"  # NumPy 2.3 to diffusers' DPM++
)

GIB = 1 << 30

BART_BASE = {"layers": 6, "attention_heads": 12}


def asked(model: str, *, width: int = 64, height: int = 64, batch: int = 1, **more: object) -> ProbeRequest:
    settings = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=GenerateSettings(model=model))
    known = {"settings": settings, "wish": PlanRequest(model=model, width=width, height=height, batch=batch)}
    return ProbeRequest.model_validate({**known, **more})


def forced(engine: EngineChoice) -> EngineSettings:
    return EngineSettings(generate=GenerateSettings(engine=engine))


def plan_of(found: ProbeAnswer) -> LadderPlan:
    assert found.plan is not None
    return found.plan


def test_the_plan_is_what_the_worker_then_does(generator_folder: Path) -> None:
    question = asked(str(generator_folder), width=96, height=64)
    plan = plan_of(findings(question))
    listener = Listener()
    request = GenerateRequest(prompt="a", seed=1, steps=1, width=96, height=64)
    run_alone(Session(question.settings), request, listener=listener)
    (ended,) = listener.results.values()
    assert isinstance(ended.outcome, Produced)
    assert ended.tried is not None
    step = next(step for step in plan.ladder if step.rung is ended.tried.rung)
    assert plan.start is ended.tried.rung
    # Both count this process without a model, which has grown a little in between.
    assert abs(step.needed_bytes - ended.tried.expected_bytes) < 0.1 * step.needed_bytes


def test_every_rung_of_the_ladder_is_in_the_plan(generator_folder: Path) -> None:
    plan = plan_of(findings(asked(str(generator_folder), batch=4)))
    assert tuple(step.rung for step in plan.ladder) == ladder(Backend.CPU, JobKind.GENERATE)
    assert [step.fits for step in plan.ladder] == [4] * len(plan.ladder)
    assert (plan.start, plan.start_batch, plan.assumed) == (Rung.CPU, 4, False)


def test_a_refusal_that_was_measured_moves_the_start_down(generator_folder: Path) -> None:
    first = plan_of(findings(asked(str(generator_folder))))
    device = findings(asked(str(generator_folder))).torch.device_name
    refused = Measured(
        device=device, dtype="float32", rung=Rung.CPU, width=64, height=64, batch=1, refused_bytes=999 * GIB
    )
    timed = Measured(
        device=device, dtype="float32", rung=Rung.CPU_TILED_DECODE, width=64, height=64, batch=1, peak_bytes=1, step_s=2
    )
    plan = plan_of(findings(asked(str(generator_folder), measured=(refused, timed))))
    assert first.start is Rung.CPU
    assert plan.start is Rung.CPU_TILED_DECODE
    assert [step.fits for step in plan.ladder][:2] == [0, 1]
    # At `balanced` 10 of 25 steps are whole, and the others take a tenth of their time.
    assert [step.picture_s for step in plan.ladder][:2] == [None, pytest.approx(2.0 * (10 + 15 * 0.1))]


def test_what_the_daemons_worker_holds_counts_as_free(generator_folder: Path) -> None:
    alone = plan_of(findings(asked(str(generator_folder))))
    beside = plan_of(findings(asked(str(generator_folder), held_bytes=500 * GIB)))
    assert beside.free_host_bytes > alone.free_host_bytes + 400 * GIB


def test_a_model_that_is_not_here_is_planned_with_the_size_of_stable_diffusion(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = findings(asked("nobody/has-this", width=512, height=512))
    (model, _) = found.models
    assert (model.presence, model.weight_bytes) == (ModelPresence.ABSENT, 0)
    plan = plan_of(found)
    assert plan.assumed
    # 1,370 M numbers in float32, and what is computed beside them.
    assert 5.1 * GIB < plan.ladder[0].needed_bytes < 9 * GIB


def test_the_short_names_say_what_is_to_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    (model, _) = findings(asked("sd-1.4")).models
    assert model.presence is ModelPresence.ABSENT
    assert 5.4e9 < model.weight_bytes < 5.6e9


def test_the_models_for_questions_and_for_matching_are_looked_for_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    caption = CaptionSettings(question_model="blip-vqa-base", matching_model="blip-itm-base")
    settings = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=caption)
    (*_, captioner, answerer, matcher) = findings(ProbeRequest(settings=settings)).models
    assert (captioner.name, captioner.presence) == ("aura-mini", ModelPresence.HERE)
    assert (answerer.name, answerer.presence) == ("blip-vqa-base", ModelPresence.ABSENT)
    assert 1.4e9 < answerer.weight_bytes < 1.6e9
    assert (matcher.name, matcher.presence) == ("blip-itm-base", ModelPresence.ABSENT)
    assert 0.8e9 < matcher.weight_bytes < 1e9


def test_the_checker_takes_no_memory_while_a_cpu_draws_and_the_host_s_beside_a_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    off = GenerateSettings(model="nobody/has-this", safety=Safety.OFF)
    settings = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=off)
    without = plan_of(findings(asked("nobody/has-this", settings=settings))).ladder[0].needed_bytes
    with_it = plan_of(findings(asked("nobody/has-this"))).ladder[0].needed_bytes
    assert 0 <= with_it - without < 0.2 * GIB
    on_gpu = Placement(device="cuda:0", device_name="a GPU", dtype=Dtype.FLOAT16, rung=Rung.RESIDENT)
    beside = standard_footprint(on_gpu).beside_bytes, standard_footprint(on_gpu, with_checker=False).beside_bytes
    assert beside == (4 * STANDARD_PARTS["safety_checker"], 0)


def test_a_model_that_cannot_be_used_has_no_plan(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    found = findings(asked(str(tmp_path)))
    (model, _) = found.models
    assert (model.presence, found.plan) == (ModelPresence.WRONG, None)
    assert "FluxPipeline" in model.message


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (EngineSettings(device=Device.CUDA), "no CUDA device"),
        (EngineSettings(attention=Attention.XFORMERS), "xformers is not installed"),
        (forced(EngineChoice.CUDA_GRAPHS), "generate.engine: cuda-graphs takes a CUDA GPU, but models run on CPU here"),
        (forced(EngineChoice.TENSORRT), "generate.engine: tensorrt takes a CUDA GPU, but models run on CPU here"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused_in_the_workers_words(
    settings: EngineSettings, words: str
) -> None:
    found = findings(ProbeRequest(settings=settings, wish=PlanRequest(model="aura-mini", width=64, height=64)))
    assert found.refusal is not None
    assert words in found.refusal.message
    assert (found.torch.device, found.plan, found.torch.version) == ("", None, torch.__version__)


def test_the_known_sizes_are_those_of_the_real_architectures() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64, block_out_channels=(320, 640, 1280, 1280), cross_attention_dim=768, attention_head_dim=8
        )
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
        )
        text = CLIPTextModel(
            CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
        )
        large = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
        bart = {"d_model": 768, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072, "vocab_size": 51_289}
        bart |= {f"{part}_{what}": n for part in ("encoder", "decoder") for what, n in BART_BASE.items()}
        captioners = {
            "blip-base": BlipForConditionalGeneration(BlipConfig()),
            "blip-large": BlipForConditionalGeneration(
                BlipConfig(vision_config=large, text_config={"encoder_hidden_size": 1024})
            ),
            "git-base-coco": GitForCausalLM(GitConfig()),
            "florence-2-base": Florence2ForConditionalGeneration(
                Florence2Config(vision_config={"projection_dim": 768}, text_config={"model_type": "bart", **bart})
            ),
            "blip-vqa-base": BlipForQuestionAnswering(BlipConfig()),
            "blip-itm-base": BlipForImageTextRetrieval(BlipConfig()),
        }

    def numbers(model: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in model.parameters())

    layers: Counter[str] = Counter()
    for name, parameter in unet.named_parameters():
        layers[name.rpartition(".")[0]] += parameter.numel()
    assert numbers(unet) == STANDARD_PARTS["unet"]
    assert numbers(vae) == STANDARD_PARTS["vae"]
    assert numbers(text) == STANDARD_PARTS["text_encoder"]
    assert {name: numbers(model) for name, model in captioners.items()} == STANDARD_CAPTIONERS
    assert max(layers.values()) == STANDARD_LAYER
