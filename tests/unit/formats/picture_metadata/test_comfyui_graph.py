"""ComfyUI's graph of a run: the plain chain is read, and the node that is too much is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.errors import Problem
from aura_daemon.formats.picture_metadata.comfyui_graph import read_graph
from aura_daemon.formats.picture_metadata.comfyui_nodes import MOST_NODES
from aura_daemon.formats.picture_metadata.infotext import PictureSettings
from aura_daemon.jobs.sampling import Scheduler


def graph(**changes: Any) -> dict[str, Any]:
    """The default workflow of ComfyUI as its pictures hold it; `changes`: `sampler_seed=5` sets an input of a node."""
    nodes: dict[str, Any] = {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 156680208700286,
                "steps": 20,
                "cfg": 8.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
                "model": ["4", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd/v1-5-pruned.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a glass bottle, ", "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    }
    for place, value in changes.items():
        number, _, name = place.removeprefix("n").partition("_")
        if name:
            nodes[number]["inputs"][name] = value
        else:
            nodes[number] = value
    return nodes


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def read(**changes: Any) -> PictureSettings:
    found = read_graph(json.dumps(graph(**changes)))
    assert isinstance(found, PictureSettings), found
    return found


def test_the_default_workflow_is_a_request() -> None:
    assert read() == PictureSettings(
        keys={
            "prompt": "a glass bottle,",
            "negative_prompt": "text, watermark",
            "seed": 156680208700286,
            "steps": 20,
            "guidance_scale": 8.0,
            "scheduler": "euler",
            "width": 512,
            "height": 768,
        },
        model="v1-5-pruned",
        version="ComfyUI",
    )


def test_loras_and_clip_skip_are_taken_over_in_their_order() -> None:
    found = read(
        n10=node(
            "LoraLoader",
            lora_name="a\\ink.safetensors",
            strength_model=0.8,
            strength_clip=1,
            model=["4", 0],
            clip=["4", 1],
        ),
        n11=node("LoraLoaderModelOnly", lora_name="grain.safetensors", strength_model=0.5, model=["10", 0]),
        n12=node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["10", 1]),
        n3_model=["11", 0],
        n6_clip=["12", 0],
    )
    assert found.keys["loras"] == [{"name": "ink", "weight": 0.8}, {"name": "grain", "weight": 0.5}]
    assert found.keys["clip_skip"] == 2
    assert found.lost == ("the LoRA ink had another weight for the text",)


@pytest.mark.parametrize(
    ("sampler", "schedule", "scheduler"),
    [
        ("euler_ancestral", "normal", "euler_a"),
        ("dpmpp_2m", "karras", "dpm++_2m_karras"),
        ("dpmpp_2m_sde_gpu", "karras", "dpm++_2m_sde_karras"),
        ("uni_pc", "normal", "unipc"),
        ("ddim", "ddim_uniform", "ddim"),
        ("lcm", "sgm_uniform", "lcm"),
    ],
)
def test_its_samplers_are_ours(sampler: str, schedule: str, scheduler: str) -> None:
    found = read(n3_sampler_name=sampler, n3_scheduler=schedule)
    assert found.keys["scheduler"] == scheduler
    assert bool(found.lost) == (schedule in ("ddim_uniform", "sgm_uniform"))


def test_a_sampler_that_we_lack_keeps_its_name_to_be_refused_by_it() -> None:
    name = read(n3_sampler_name="res_multistep", n3_scheduler="beta").keys["scheduler"]
    assert name == "res_multistep beta"
    with pytest.raises(ValueError, match="is not a valid"):
        Scheduler(name)


def test_signs_that_are_text_to_it_stay_text_here() -> None:
    found = read(n6_text="[cat|dog] AND (bird:1.2) # one BREAK, embedding:easynegative")
    assert found.keys["prompt"] == r"\[cat|dog\] and (bird:1.2) \# one break, easynegative"


def test_what_changes_the_picture_behind_the_sampler_is_said() -> None:
    found = read(
        n10=node("ImageUpscaleWithModel", upscale_model=["11", 0], image=["8", 0]),
        n13=node("VAELoader", vae_name="mse.pt"),
        n9_images=["10", 0],
        n8_vae=["13", 0],
        n5_batch_size=4,
    )
    assert found.lost == (
        "its picture went through ImageUpscaleWithModel afterwards, which is left out",
        "it was decoded by another VAE, mse.pt",
        "it is one of a batch of 4, and does not say which: the first is drawn",
    )


def test_the_upscaler_that_enlarged_it_is_asked_for_again() -> None:
    found = read(
        n10=node("ImageUpscaleWithModel", upscale_model=["11", 0], image=["8", 0]),
        n11=node("UpscaleModelLoader", model_name="esrgan\\RealESRGAN_x4plus.pth"),
        n9_images=["10", 0],
    )
    assert found.keys["upscale"] == {"model": "RealESRGAN_x4plus"}
    assert found.lost == ()


def test_of_several_upscalers_the_first_is_taken_and_the_others_are_told() -> None:
    found = read(
        n10=node("ImageUpscaleWithModel", upscale_model=["11", 0], image=["8", 0]),
        n11=node("UpscaleModelLoader", model_name="2x.pth"),
        n12=node("ImageUpscaleWithModel", upscale_model=["13", 0], image=["14", 0]),
        n13=node("UpscaleModelLoader", model_name="4x.pth"),
        n14=node("ImageScaleBy", upscale_method="area", scale_by=0.5, image=["10", 0]),
        n9_images=["12", 0],
    )
    assert found.keys["upscale"] == {"model": "2x"}
    assert found.lost == (
        "its picture went through ImageScaleBy afterwards, which is left out",
        "it was enlarged by the upscaler 4x once more, which is left out",
    )


def test_a_graph_that_saves_it_in_two_sizes_does_not_say_which_it_is() -> None:
    found = read(
        n10=node("ImageUpscaleWithModel", upscale_model=["11", 0], image=["8", 0]),
        n11=node("UpscaleModelLoader", model_name="2x.pth"),
        n12=node("SaveImage", images=["10", 0]),
    )
    assert "upscale" not in found.keys
    assert found.lost == ("it is saved with and without an upscaler (2x), or after several: it is not enlarged",)


ADVANCED = node(
    "ControlNetApplyAdvanced",
    positive=["6", 0],
    negative=["7", 0],
    control_net=["21", 0],
    image=["22", 0],
    strength=0.8,
    start_percent=0.0,
    end_percent=1.0,
)
GUIDED_GRAPH: dict[str, Any] = {
    "n20": ADVANCED,
    "n21": node("ControlNetLoader", control_net_name="sd15\\control_v11p_sd15_openpose_fp16.safetensors"),
    "n22": node("LoadImage", image="pose.png", upload="image"),
    "n3_positive": ["20", 0],
    "n3_negative": ["20", 1],
}
POSE = {"model": "openpose", "image": "pose.png", "weight": 0.8, "start": 0.0, "end": 1.0, "prepare": "none"}


def test_a_map_that_guides_both_prompts_is_read_with_the_name_of_its_image() -> None:
    found = read(**GUIDED_GRAPH)
    assert found.keys["control"] == [POSE]
    assert (found.keys["prompt"], found.keys["negative_prompt"]) == ("a glass bottle,", "text, watermark")
    assert found.lost == ()


def test_the_plain_node_at_the_positive_prompt_guides_both_and_several_keep_their_order() -> None:
    plain = node("ControlNetApply", conditioning=["20", 0], control_net=["21", 0], image=["31", 0], strength=0.5)
    made = node("Canny", low_threshold=0.4, high_threshold=0.8, image=["32", 0])
    fitted = node("ImageScale", width=512, height=512, image=["22", 0])
    found = read(**{**GUIDED_GRAPH, "n30": plain, "n31": made, "n32": fitted, "n3_positive": ["30", 0]})
    assert found.keys["control"] == [POSE, {**POSE, "weight": 0.5, "start": 0, "end": 1, "prepare": "canny"}]
    assert found.lost == ()


def test_what_of_a_map_is_otherwise_here_is_told() -> None:
    skeleton = node("OpenposePreprocessor", image=["22", 0])
    part = {**ADVANCED, "inputs": {**ADVANCED["inputs"], "image": ["31", 0], "end_percent": 0.5}}
    found = read(**{**GUIDED_GRAPH, "n20": part, "n31": skeleton})
    assert found.keys["control"] == [{**POSE, "end": 0.5}]
    assert found.lost == (
        "a map guided from 0.0 to 0.5 of the way by noise levels; here it counts in steps",
        "a map was made by OpenposePreprocessor, which is not here: the image has to be the map",
    )
    drawn = read(**{**GUIDED_GRAPH, "n22": node("EmptyImage", width=64)})
    assert drawn.keys["control"] == [{key: value for key, value in POSE.items() if key != "image"}]
    assert drawn.lost == ("a map was made by EmptyImage, which is not here: the image has to be the map",)


def again(latent: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A second sampler behind `latent`, whose picture is saved; `changes` are its own inputs."""
    inputs = {**graph()["3"]["inputs"], "denoise": 0.5, "steps": 10, "latent_image": ["40", 0], **changes}
    return {"n40": latent, "n41": node("KSampler", **inputs), "n8_samples": ["41", 0]}


LARGER = node("LatentUpscaleBy", upscale_method="bislerp", scale_by=1.5, samples=["3", 0])


def test_a_second_sampler_that_draws_the_first_ones_picture_anew_is_a_second_pass() -> None:
    found = read(**again(LARGER))
    assert found.keys["hires"] == {"scale": 1.5, "strength": 0.5}
    assert (found.keys["width"], found.keys["height"], found.keys["steps"]) == (512, 768, 20)
    assert found.lost == (
        "before its second pass its latents were enlarged by bislerp; here Lanczos enlarges the picture",
    )


@pytest.mark.parametrize(
    ("size", "scale"),
    [
        (node("LatentUpscale", upscale_method="lanczos", width=1024, height=1536, samples=["3", 0]), 2.0),
        (node("LatentUpscale", upscale_method="lanczos", width=0, height=1152, samples=["3", 0]), 1.5),
    ],
)
def test_a_size_is_so_many_times_the_first_ones(size: dict[str, Any], scale: float) -> None:
    found = read(**again(size))
    assert found.keys["hires"] == {"scale": scale, "strength": 0.5}
    assert found.lost == ()


def test_a_second_pass_by_way_of_the_picture_and_an_upscaler_tells_what_is_otherwise_here() -> None:
    pixels = {
        "n42": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "n43": node("ImageUpscaleWithModel", upscale_model=["44", 0], image=["42", 0]),
        "n44": node("UpscaleModelLoader", model_name="4x-UltraSharp.pth"),
        "n45": node("ImageScale", upscale_method="area", width=1024, height=1536, image=["43", 0]),
        "n46": node("ImageScaleBy", upscale_method="lanczos", scale_by=0.75, image=["45", 0]),
    }
    other = {"seed": 5, "cfg": 4, "sampler_name": "ddim", "scheduler": "karras", "steps": 15, "positive": ["7", 0]}
    found = read(**again(node("VAEEncode", pixels=["46", 0], vae=["4", 2]), **other), **pixels)
    assert found.keys["hires"] == {"scale": 1.5, "strength": 0.5}
    assert found.keys["seed"] == 156680208700286
    assert found.lost == (
        "before its second pass its picture was enlarged by area; here Lanczos enlarges the picture",
        "4x-UltraSharp enlarged it before its second pass; `hires` takes no upscaler: here Lanczos enlarges it",
        "its second pass had another seed, 5: here both have the first one's",
        "its second pass had another guidance, 4: here both have the first one's",
        "its second pass had another sampler, ddim: here both have the first one's",
        "its second pass had another schedule, karras: here both have the first one's",
        "its second pass took 15 steps; here `strength` says how many of the first one's",
        "its second pass had another input `positive`: here both have the first one's",
    )


def test_a_second_pass_that_does_not_say_its_steps_is_told_to_have_none() -> None:
    changes = again(LARGER)
    del changes["n41"]["inputs"]["steps"]
    found = read(**changes)
    assert found.lost[-1] == "its second pass took 0 steps; here `strength` says how many of the first one's"


@pytest.mark.parametrize(
    ("changes", "place", "reason"),
    [
        ({"n3": node("KSamplerAdvanced")}, "node 3 (KSamplerAdvanced)", "only KSampler"),
        ({"n3_denoise": 0.5}, "node 3 (KSampler)", "denoises by 0.5"),
        ({"n3_seed": ["12", 0]}, "node 3 (KSampler)", "`seed` comes from another node"),
        ({"n6_text": ["12", 0]}, "node 6 (CLIPTextEncode)", "`text` comes from another node"),
        ({"n5": node("VAEEncode")}, "node 5 (VAEEncode)", "only EmptyLatentImage"),
        ({"n5": node("Anything", **{"": ["3", 0]})}, "node 5 (Anything)", "only EmptyLatentImage"),
        ({"n6": node("ConditioningCombine")}, "node 6 (ConditioningCombine)", "only CLIPTextEncode"),
        ({"n4": node("UNETLoader")}, "node 4 (UNETLoader)", "changes the model"),
        ({"n6_clip": ["20", 0], "n20": node("DualCLIPLoader")}, "node 20 (DualCLIPLoader)", "changes the text encoder"),
        (
            {"n9_images": ["20", 0], "n20": node("ImageBlend", image1=["8", 0])},
            "node 20 (ImageBlend)",
            "something else",
        ),
        ({"n9_images": ["20", 0], "n20": node("Blur", image=["20", 0])}, "node 20 (Blur)", "in a circle"),
        (
            {"n3_model": ["20", 0], "n20": node("LoraLoaderModelOnly", lora_name="x", model=["20", 0])},
            "node 20",
            "circle",
        ),
        ({"n6_clip": ["20", 0], "n20": node("CLIPSetLastLayer", clip=["20", 0])}, "node 20", "circle"),
        (GUIDED_GRAPH | {"n3_negative": ["7", 0]}, "node 20 (ControlNetApplyAdvanced)", "one of the two prompts alone"),
        (GUIDED_GRAPH | {"n3_positive": ["6", 0]}, "node 20 (ControlNetApplyAdvanced)", "one of the two prompts alone"),
        (GUIDED_GRAPH | {"n21": node("SetUnionControlNetType")}, "node 21", "only ControlNetLoader"),
        (GUIDED_GRAPH | {"n22": node("ImageScale", image=["22", 0])}, "node 22 (ImageScale)", "in a circle"),
        (
            {"n3_positive": ["20", 0], "n20": node("ControlNetApply", conditioning=["20", 0])},
            "node 20 (ControlNetApply)",
            "in a circle",
        ),
        (
            again(node("ImageUpscaleWithModel", image=["3", 0])),
            "node 40 (ImageUpscaleWithModel)",
            "how many times it enlarges",
        ),
        (again(LARGER, steps={}), "node 41 (KSampler)", "`steps` is no size, share or count"),
        (again(LARGER, denoise=float("nan")), "node 41 (KSampler)", "`denoise` is no size, share or count"),
        (again(LARGER) | {"n3_denoise": 0.5}, "node 3 (KSampler)", "denoises by 0.5"),
        (again(node("LatentFlip", samples=["3", 0])), "node 41 (KSampler)", "denoises by 0.5"),
        (again(node("LatentUpscale", samples=["40", 0])), "node 41 (KSampler)", "denoises by 0.5"),
        ({"n9_images": ["99", 0]}, "node 9 (SaveImage)", "`images` leads nowhere"),
        (
            {
                "n20": node("KSampler", seed=1),
                "n21": node("VAEDecode", samples=["20", 0], vae=["4", 2]),
                "n22": node("SaveImage", images=["21", 0]),
            },
            "node 20 (KSampler)",
            "several samplers",
        ),
    ],
)
def test_what_is_too_much_is_named(changes: dict[str, Any], place: str, reason: str) -> None:
    found = read_graph(json.dumps(graph(**changes)))
    assert isinstance(found, Problem)
    assert found.message.startswith(place)
    assert reason in found.message


def test_a_preview_counts_where_nothing_is_saved() -> None:
    assert read(n9=node("PreviewImage", images=["8", 0])).keys["steps"] == 20
    assert read_graph(json.dumps(graph(n9=node("Note")))) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", '{"1": 2}', '{"1": {"class_type": 3, "inputs": {}}}', "[" * 100_000]
)
def test_what_is_no_graph_is_none(text: str) -> None:
    assert read_graph(text) is None


def test_a_graph_without_end_is_none() -> None:
    assert read_graph(json.dumps({str(n): node("Note") for n in range(MOST_NODES + 1)})) is None


VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.sampled_from(["3", "4", "KSampler", "SaveImage", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["image", "images", "x"]), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted([*graph(), "40", "41"])), st.sampled_from(["class_type", "inputs"]), VALUES, st.data())
def test_no_damage_breaks_the_reader(number: str, part: str, value: object, data: st.DataObject) -> None:
    nodes = json.loads(json.dumps(graph(**again(LARGER))))
    inputs = nodes[number]["inputs"]
    inputs[data.draw(st.sampled_from(sorted(inputs)))] = value
    read_graph(json.dumps(nodes))
    nodes[number][part] = value
    read_graph(json.dumps(nodes))
