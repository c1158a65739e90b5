"""Tiny models with random weights in the very formats of the real ones: the loading code cannot tell them
apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
    BlipForQuestionAnswering,
    BlipImageProcessorPil,
    BlipProcessor,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GitConfig,
    GitForCausalLM,
    PreTrainedTokenizerFast,
)

from aura_daemon.bench.children.random_models import bert_tokenizer, clip_tokenizer

NATIVE_PX = 64

TINY = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
"""Sizes of a transformer."""

ADAPTED = 8, 8, 8, 16
"""Channels of the layers of `write_generator`'s UNet that attend to texts, in diffusers' order."""

TELLING = {**TINY, "initializer_range": 0.5}
"""Its weights are so large that what it says depends on the picture and on the question."""


def write_generator(folder: Path, *, safety_checker: bool = False, variant: str | None = None) -> Path:
    """A StableDiffusionPipeline of some 100,000 parameters, the same ones every time."""
    torch.manual_seed(0)
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            norm_num_groups=4,
            latent_channels=4,
            sample_size=NATIVE_PX,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=600,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=77,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
            )
        ).eval(),
        tokenizer=clip_tokenizer(folder),
        unet=UNet2DConditionModel(
            sample_size=NATIVE_PX // 8,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            norm_num_groups=4,
            cross_attention_dim=16,
            attention_head_dim=2,
        ),
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=_safety_checker() if safety_checker else None,
        feature_extractor=CLIPImageProcessorPil(size=32, crop_size=32) if safety_checker else None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder, safe_serialization=True, variant=variant)
    return folder


def write_controlnet(folder: Path, *, number: int = 0, **config: Any) -> Path:
    """A ControlNetModel for the UNet of `write_generator`; its zero convolutions are not zero, so that it guides."""
    torch.manual_seed(number + 10)
    sizes = {
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "norm_num_groups": 4,
        "cross_attention_dim": 16,
        "attention_head_dim": 2,
        "conditioning_embedding_out_channels": (4, 8, 8, 8),
    }
    net = ControlNetModel(**sizes | config)
    for name, weights in net.named_parameters():
        if name.startswith(("controlnet_down_blocks", "controlnet_mid_block", "controlnet_cond_embedding.conv_out")):
            torch.nn.init.normal_(weights, std=0.3)
    net.save_pretrained(folder)
    return folder


def write_adapter(folder: Path, name: str, *, number: int = 0, in_parts: bool = False, **sizes: Any) -> Path:
    """An IP-Adapter for the UNet of `write_generator` in the layout of its authors, with its image encoder beside it.

    `in_parts`: a Plus adapter, which reads what the encoder sees in each part of a picture.
    """
    torch.manual_seed(number + 20)
    width, text_width = 64 if in_parts else 8, sizes.get("text_width", 16)
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=8,
    )
    tensors: dict[str, torch.Tensor] = {}
    for place, channels in enumerate(sizes.get("channels", ADAPTED)):
        for part in "kv":
            tensors[f"ip_adapter.{2 * place + 1}.to_{part}_ip.weight"] = torch.randn(channels, text_width)
    if in_parts:
        tensors |= {
            f"image_proj.{name}": torch.randn(shape) * 0.3
            for name, shape in {
                "latents": (1, 3, width),
                "proj_in.weight": (width, 16),
                "proj_in.bias": (width,),
                "proj_out.weight": (text_width, width),
                "proj_out.bias": (text_width,),
                "norm_out.weight": (text_width,),
                "norm_out.bias": (text_width,),
            }.items()
        }
        for layer in range(4):
            tensors |= {
                f"image_proj.layers.{layer}.{name}": torch.randn(shape) * 0.3
                for name, shape in {
                    "0.norm1.weight": (width,),
                    "0.norm1.bias": (width,),
                    "0.norm2.weight": (width,),
                    "0.norm2.bias": (width,),
                    "0.to_q.weight": (width, width),
                    "0.to_kv.weight": (2 * width, width),
                    "0.to_out.weight": (width, width),
                    "1.0.weight": (width,),
                    "1.0.bias": (width,),
                    "1.1.weight": (4 * width, width),
                    "1.3.weight": (width, 4 * width),
                }.items()
            }
    else:
        tensors |= {
            "image_proj.proj.weight": torch.randn(4 * text_width, width),
            "image_proj.proj.bias": torch.randn(4 * text_width),
            "image_proj.norm.weight": torch.ones(text_width),
            "image_proj.norm.bias": torch.zeros(text_width),
        }
    folder.mkdir(parents=True, exist_ok=True)
    CLIPVisionModelWithProjection(vision).save_pretrained(folder / "image_encoder")
    save_file(tensors, folder / f"{name}.safetensors")
    return folder


def write_captioner(folder: Path) -> Path:
    """A BlipForConditionalGeneration of some 50,000 parameters, the same ones every time."""
    return _write_blip(folder, BlipForConditionalGeneration, TINY)


def write_answerer(folder: Path) -> Path:
    """A BlipForQuestionAnswering of the same kind."""
    return _write_blip(folder, BlipForQuestionAnswering, TELLING)


def write_matcher(folder: Path) -> Path:
    """A BlipForImageTextRetrieval of the same kind."""
    return _write_blip(folder, BlipForImageTextRetrieval, TELLING)


def _write_blip(folder: Path, kind: Any, sizes: dict[str, Any]) -> Path:
    torch.manual_seed(0)
    tokenizer = bert_tokenizer(folder)
    model = kind(
        BlipConfig(
            vision_config={**sizes, "image_size": 32, "patch_size": 8},
            text_config={
                **sizes,
                "vocab_size": len(tokenizer),
                "encoder_hidden_size": 16,
                "max_position_embeddings": 64,
                "bos_token_id": tokenizer.convert_tokens_to_ids("[DEC]"),
                "sep_token_id": tokenizer.sep_token_id,
                "eos_token_id": tokenizer.sep_token_id,
                "pad_token_id": tokenizer.pad_token_id,
                "is_decoder": True,
            },
            projection_dim=16,
            image_text_hidden_size=16,
        )
    )
    model.save_pretrained(folder)
    processor = BlipProcessor(BlipImageProcessorPil(size={"height": 32, "width": 32}), tokenizer)
    processor.save_pretrained(folder)
    return folder


def write_git(folder: Path) -> Path:
    """A GitForCausalLM of the same kind; its processor is configured in the files that the real ones have."""
    torch.manual_seed(0)
    tokenizer = bert_tokenizer(folder)
    model = GitForCausalLM(
        GitConfig(
            **TELLING,
            vision_config={**TELLING, "image_size": 32, "patch_size": 8},
            vocab_size=len(tokenizer),
            max_position_embeddings=64,
            bos_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    preprocessor = {
        "crop_size": {"height": 32, "width": 32},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_processor_type": "CLIPImageProcessor",
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "processor_class": "GitProcessor",
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": {"shortest_edge": 32},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


def write_florence2(folder: Path) -> Path:
    """A Florence2ForConditionalGeneration of the same kind."""
    torch.manual_seed(0)
    tokenizer = _bart_tokenizer()
    vision = {
        "depths": (1,) * 4,
        "embed_dim": (8, 8, 8, 16),
        "num_heads": (2,) * 4,
        "num_groups": (2,) * 4,
        "window_size": 2,
        "projection_dim": 16,
        "initializer_range": 0.5,
    }
    text = {
        "model_type": "bart",
        "d_model": 16,
        **{f"{part}_{what}": number for part in ("encoder", "decoder") for what, number in _BART.items()},
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 160,
        "init_std": 0.5,
    }
    config = Florence2Config(vision_config=vision, text_config=text, image_token_id=tokenizer.image_token_id)
    model = Florence2ForConditionalGeneration(config)
    model.generation_config.forced_bos_token_id = tokenizer.bos_token_id
    model.save_pretrained(folder)
    pictures = CLIPImageProcessorPil(size={"height": 64, "width": 64}, do_center_crop=False)
    pictures.image_seq_length = 5  # four patches, and their mean
    Florence2Processor(pictures, tokenizer).save_pretrained(folder)
    return folder


_BART = {"layers": 1, "attention_heads": 2, "ffn_dim": 16}


def _bart_tokenizer() -> Any:
    """Letters alone, and marks for corners."""
    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    letters = Tokenizer(BPE(vocab={name: index for index, name in enumerate(names)}, merges=[], unk_token="<unk>"))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )
    corners = [AddedToken(f"<loc_{number}>", special=True) for number in range(20)]
    tokenizer.add_tokens(corners, special_tokens=True)
    return tokenizer


def _safety_checker() -> StableDiffusionSafetyChecker:
    """One that flags everything: its thresholds are below every cosine."""
    config = CLIPConfig(vision_config={**TINY, "image_size": 32, "patch_size": 8}, text_config=TINY, projection_dim=16)
    checker = StableDiffusionSafetyChecker(config)
    torch.nn.init.constant_(checker.concept_embeds_weights, -2.0)
    return checker


def write_companions(model: Path, *, without: str = "nothing") -> Path:
    """A LoRA and a tiny decoder with random weights in the folder `turbo` of a model; its aura.json names them.

    `without`: a part of the names of layers that the LoRA leaves alone.
    """
    torch.manual_seed(1)
    unet = UNet2DConditionModel.from_pretrained(model / "unet")
    layers = [
        name
        for name, module in unet.named_modules()
        if name.endswith(("to_q", "to_v", "conv1", "to_out.0")) and without not in name and hasattr(module, "weight")
    ]
    write_lora(model / "turbo" / "lora.safetensors", unet, layers)
    write_decoder(model / "turbo" / "decoder")
    place = model / "aura.json"
    carried = json.loads(place.read_text()) if place.exists() else {}
    carried["turbo"] = {"lora": "turbo/lora.safetensors", "decoder": "turbo/decoder", "steps": 3}
    place.write_text(json.dumps(carried))
    return model


def write_lora(file: Path, unet: Any, layers: Iterable[str], *, rank: int = 2, scale: float = 0.1) -> Path:
    """A LoRA of these layers in diffusers' names."""
    tensors = {}
    for name in layers:
        weight = unet.get_submodule(name).weight
        kernel = weight.shape[2:]
        tensors[f"unet.{name}.lora_A.weight"] = scale * torch.randn(rank, weight.shape[1], *kernel)
        tensors[f"unet.{name}.lora_B.weight"] = scale * torch.randn(weight.shape[0], rank, *(1 for _ in kernel))
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file, {"format": "pt"})
    return file


def write_decoder(folder: Path, channels: int = 8) -> Path:
    """An AutoencoderTiny with random weights."""
    torch.manual_seed(2)
    widths, blocks = (channels,) * 4, (1, 1, 1, 1)
    tiny = AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=blocks,
        num_decoder_blocks=blocks,
    )
    tiny.save_pretrained(folder)
    return folder
