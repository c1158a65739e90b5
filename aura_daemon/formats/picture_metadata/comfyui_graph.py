"""Reads ComfyUI's graph of a run, as it stands in its pictures. In: JSON. Out: settings, or the node that is too much.

Understood is the plain chain that its default workflow makes: checkpoint, LoRAs, two texts, maps that guide both, an
empty latent, KSampler, a second pass by another, decoding, an upscaler. What else lies between decoding and saving is
left out, and said.
"""

from __future__ import annotations

import re
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.picture_metadata.comfyui_controls import GraphControls, guided_text
from aura_daemon.formats.picture_metadata.comfyui_nodes import (
    MOST_LINKS,
    GraphNode,
    GraphNodes,
    TooMuch,
    read_nodes,
    stem,
)
from aura_daemon.formats.picture_metadata.comfyui_second_pass import second_pass
from aura_daemon.formats.picture_metadata.infotext import PictureSettings
from aura_daemon.jobs.sampling import Scheduler

PROGRAM: Final = "ComfyUI"

_PLAIN_SCHEDULES: Final = ("normal", "simple", "ddim_uniform", "sgm_uniform")
"""Schedules of ComfyUI that are nearest to a sampler's own."""

_A1111_SIGNS: Final = (
    (re.compile(r"[\[\]#]"), r"\\\g<0>"),
    (re.compile(r"\b(AND|BREAK)\b"), lambda match: match[0].lower()),
    (re.compile(r"\bembedding:"), ""),
)
"""Signs that are text to ComfyUI, and mean something here; the tokenizer makes all letters small."""


def read_graph(text: str) -> PictureSettings | Problem | None:
    """The settings of the one picture that a graph saves; None where the text is no graph."""
    nodes = read_nodes(text)
    try:
        return _Graph(nodes).settings() if nodes is not None else None
    except TooMuch as stop:
        return Problem(message=str(stop))


class _Graph:
    """The nodes of one run."""

    def __init__(self, nodes: GraphNodes) -> None:
        self._nodes = nodes
        self._lost: list[str] = []

    def settings(self) -> PictureSettings | None:
        """The settings, from the saved picture back to the checkpoint. None where nothing is saved."""
        savers = [node for node in self._nodes if "images" in node.inputs and "Save" in node.kind]
        savers = savers or [node for node in self._nodes if node.kind == "PreviewImage"]
        saved = [self._saved(saver) for saver in savers]
        samplers = list({sampler.id: sampler for sampler, _ in saved}.values())
        if not samplers:
            return None
        if len(samplers) > 1:
            raise TooMuch(samplers[1], "the graph saves pictures of several samplers")
        (sampler,) = samplers
        latent = self._nodes.linked(sampler, "latent_image")
        again = second_pass(self._nodes, sampler)
        if again is not None:
            sampler, latent = again.first, again.latent
            self._lost += again.lost
        if sampler.number("denoise", 1) != 1:
            raise TooMuch(sampler, f"it denoises by {sampler.inputs['denoise']}, not from noise alone")
        model, loras = self._model(self._nodes.linked(sampler, "model"))
        text, guiding = guided_text(self._nodes, sampler, "positive")
        negative_text, guiding_too = guided_text(self._nodes, sampler, "negative")
        controls = GraphControls(self._nodes, guiding, guiding_too)
        self._lost += controls.lost
        prompt, clip_skip = self._text(text)
        negative, _ = self._text(negative_text)
        keys: dict[str, object] = {
            "prompt": prompt,
            "negative_prompt": negative,
            "seed": sampler.number("seed"),
            "steps": sampler.number("steps"),
            "guidance_scale": sampler.number("cfg"),
            "scheduler": self._scheduler(sampler),
            **self._size(latent),
        }
        if again is not None:
            keys["hires"] = again.hires
        if loras:
            keys["loras"] = loras
        if clip_skip is not None:
            keys["clip_skip"] = clip_skip
        if controls.keys:
            keys["control"] = controls.keys
        if upscaler := self._one_of([upscaler for _, upscaler in saved]):
            keys["upscale"] = {"model": upscaler}
        return PictureSettings(keys=keys, model=model, version=PROGRAM, lost=tuple(dict.fromkeys(self._lost)))

    def _saved(self, saver: GraphNode) -> tuple[GraphNode, str]:
        """The sampler whose picture is saved, and the upscaler that enlarged it first, or "".

        What else changes the picture after decoding is lost.
        """
        node, upscaler = self._nodes.linked(saver, "images"), ""
        for _ in range(MOST_LINKS):
            if node.kind in ("VAEDecode", "VAEDecodeTiled"):
                vae, sampler = self._nodes.linked(node, "vae"), self._nodes.linked(node, "samples")
                if vae.kind == "VAELoader":
                    self._lost.append(f"it was decoded by another VAE, {vae.inputs.get('vae_name')}")
                if sampler.kind != "KSampler":
                    raise TooMuch(sampler, "only KSampler is understood")
                return sampler, upscaler
            inputs = [name for name in ("image", "images", "pixels") if node.has_link(name)]
            if len(inputs) != 1:
                raise TooMuch(node, "it makes a picture from something else than one picture")
            if (model := self._upscaler(node)) is None:
                self._lost.append(f"its picture went through {node.kind} afterwards, which is left out")
            else:
                if upscaler:
                    self._lost.append(f"it was enlarged by the upscaler {upscaler} once more, which is left out")
                upscaler = model
            node = self._nodes.linked(node, inputs[0])
        raise TooMuch(node, "the graph leads in a circle")

    def _upscaler(self, node: GraphNode) -> str | None:
        """The upscaler that a node enlarges by; None for another node, or a loader that names no file."""
        if node.kind != "ImageUpscaleWithModel":
            return None
        try:
            return stem(self._nodes.linked(node, "upscale_model").text("model_name"))
        except TooMuch:
            return None

    def _one_of(self, upscalers: list[str]) -> str:
        """The upscaler of what is saved; "" where the graph saves it in several sizes: nothing says which it is."""
        if len({*upscalers}) == 1:
            return upscalers[0]
        names = ", ".join(sorted({*upscalers} - {""}))
        self._lost.append(f"it is saved with and without an upscaler ({names}), or after several: it is not enlarged")
        return ""

    def _model(self, node: GraphNode) -> tuple[str, list[dict[str, object]]]:
        """The name of the checkpoint, and the LoRAs in the order in which they are put on."""
        loras: list[dict[str, object]] = []
        for _ in range(MOST_LINKS):
            match node.kind:
                case "CheckpointLoaderSimple" | "CheckpointLoader":
                    return stem(node.text("ckpt_name")), loras[::-1]
                case "LoraLoader" | "LoraLoaderModelOnly":
                    weight = node.number("strength_model", 1)
                    loras.append({"name": stem(node.text("lora_name")), "weight": weight})
                    if node.kind == "LoraLoader" and node.inputs.get("strength_clip", weight) != weight:
                        self._lost.append(f"the LoRA {loras[-1]['name']} had another weight for the text")
                    node = self._nodes.linked(node, "model")
                case _:
                    raise TooMuch(node, "it changes the model")
        raise TooMuch(node, "the graph leads in a circle")

    def _text(self, node: GraphNode) -> tuple[str, int | None]:
        """A prompt as it is written here, and `clip_skip` where the graph sets it."""
        if node.kind != "CLIPTextEncode":
            raise TooMuch(node, "only CLIPTextEncode is understood in this place")
        text, clip_skip = node.text("text"), None
        encoder = self._nodes.linked(node, "clip")
        for _ in range(MOST_LINKS):
            match encoder.kind:
                case "CheckpointLoaderSimple" | "CheckpointLoader":
                    for signs, written in _A1111_SIGNS:
                        text = signs.sub(written, text)
                    return text.strip(), clip_skip
                case "CLIPSetLastLayer":
                    layer = encoder.number("stop_at_clip_layer")
                    clip_skip = clip_skip or (-layer if isinstance(layer, int) else None)
                case "LoraLoader":
                    pass
                case _:
                    raise TooMuch(encoder, "it changes the text encoder")
            encoder = self._nodes.linked(encoder, "clip")
        raise TooMuch(encoder, "the graph leads in a circle")

    def _size(self, node: GraphNode) -> dict[str, object]:
        if node.kind != "EmptyLatentImage":
            raise TooMuch(node, "only EmptyLatentImage is understood in this place")
        count = node.number("batch_size", 1)
        if count != 1:
            self._lost.append(f"it is one of a batch of {count}, and does not say which: the first is drawn")
        return {"width": node.number("width"), "height": node.number("height")}

    def _scheduler(self, sampler: GraphNode) -> str:
        """Our name of the sampler. An unknown name stays as it is, to be refused by that name."""
        name, schedule = sampler.text("sampler_name").removesuffix("_gpu"), sampler.text("scheduler")
        wanted = name if schedule in _PLAIN_SCHEDULES else f"{name}_{schedule}"
        scheduler = Scheduler.named(wanted)
        if scheduler is None:
            return f"{name} {schedule}"
        if schedule in _PLAIN_SCHEDULES[1:]:
            self._lost.append(f"its steps were spaced by `{schedule}`; {scheduler} has its own spacing")
        return scheduler.value
