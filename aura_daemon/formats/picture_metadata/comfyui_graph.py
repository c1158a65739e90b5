"""Reads ComfyUI's graph of a run, as it stands in its pictures. In: JSON. Out: settings, or the node that is too much.

Understood is the plain chain that its default workflow makes: checkpoint, LoRAs, two texts, an empty latent, KSampler,
decoding. What lies between decoding and saving is left out, and said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from aura_daemon.errors import Problem
from aura_daemon.formats.picture_metadata.infotext import PictureSettings
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.problems import cut

PROGRAM: Final = "ComfyUI"

MOST_NODES: Final = 2_000
MOST_LINKS: Final = 50
"""Nodes of one chain, from saving to the checkpoint."""

_PLAIN_SCHEDULES: Final = ("normal", "simple", "ddim_uniform", "sgm_uniform")
"""Schedules of ComfyUI that are nearest to a sampler's own."""

_A1111_SIGNS: Final = (
    (re.compile(r"[\[\]#]"), r"\\\g<0>"),
    (re.compile(r"\b(AND|BREAK)\b"), lambda match: match[0].lower()),
    (re.compile(r"\bembedding:"), ""),
)
"""Signs that are text to ComfyUI, and mean something here; the tokenizer makes all letters small."""

Link: TypeAlias = tuple[str, int]


class _Stop(Exception):
    """Carries out of nested calls what no job can ask for, and its node: `node 12 (KSamplerAdvanced): …`."""

    def __init__(self, node: _Node, reason: str) -> None:
        super().__init__(f"{cut(f'node {node.id} ({node.kind})')}: {cut(reason, 200)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Node:
    id: str
    kind: str
    inputs: Mapping[str, object]


def read_graph(text: str) -> PictureSettings | Problem | None:
    """The settings of the one picture that a graph saves; None where the text is no graph."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    nodes = {node.id: node for node in _nodes(document)}
    if not 0 < len(nodes) <= MOST_NODES:
        return None
    try:
        return _Graph(nodes).settings()
    except _Stop as stop:
        return Problem(message=str(stop))


def _nodes(document: object) -> Iterator[_Node]:
    for key, value in document.items() if isinstance(document, dict) else ():
        kind, inputs = (value.get("class_type"), value.get("inputs")) if isinstance(value, dict) else (None, None)
        if isinstance(kind, str) and isinstance(inputs, dict):
            yield _Node(id=str(key), kind=kind, inputs=inputs)


class _Graph:
    """The nodes of one run."""

    def __init__(self, nodes: Mapping[str, _Node]) -> None:
        self._nodes = nodes
        self._lost: list[str] = []

    def settings(self) -> PictureSettings | None:
        """The settings, from the saved picture back to the checkpoint. None where nothing is saved."""
        savers = [node for node in self._nodes.values() if "images" in node.inputs and "Save" in node.kind]
        savers = savers or [node for node in self._nodes.values() if node.kind == "PreviewImage"]
        samplers = list({sampler.id: sampler for sampler in map(self._sampler, savers)}.values())
        if not samplers:
            return None
        if len(samplers) > 1:
            raise _Stop(samplers[1], "the graph saves pictures of several samplers")
        (sampler,) = samplers
        if _number(sampler, "denoise", 1) != 1:
            raise _Stop(sampler, f"it denoises by {sampler.inputs['denoise']}, not from noise alone")
        model, loras = self._model(self._linked(sampler, "model"))
        prompt, clip_skip = self._text(self._linked(sampler, "positive"))
        negative, _ = self._text(self._linked(sampler, "negative"))
        keys: dict[str, object] = {
            "prompt": prompt,
            "negative_prompt": negative,
            "seed": _number(sampler, "seed"),
            "steps": _number(sampler, "steps"),
            "guidance_scale": _number(sampler, "cfg"),
            "scheduler": self._scheduler(sampler),
            **self._size(self._linked(sampler, "latent_image")),
        }
        if loras:
            keys["loras"] = loras
        if clip_skip is not None:
            keys["clip_skip"] = clip_skip
        return PictureSettings(keys=keys, model=model, version=PROGRAM, lost=tuple(dict.fromkeys(self._lost)))

    def _sampler(self, saver: _Node) -> _Node:
        """The sampler whose picture is saved; what changes the picture after decoding is lost."""
        node = self._linked(saver, "images")
        for _ in range(MOST_LINKS):
            if node.kind in ("VAEDecode", "VAEDecodeTiled"):
                vae, sampler = self._linked(node, "vae"), self._linked(node, "samples")
                if vae.kind == "VAELoader":
                    self._lost.append(f"it was decoded by another VAE, {vae.inputs.get('vae_name')}")
                if sampler.kind != "KSampler":
                    raise _Stop(sampler, "only KSampler is understood")
                return sampler
            inputs = [name for name in ("image", "images", "pixels") if _link(node.inputs.get(name)) is not None]
            if len(inputs) != 1:
                raise _Stop(node, "it makes a picture from something else than one picture")
            self._lost.append(f"its picture went through {node.kind} afterwards, which is left out")
            node = self._linked(node, inputs[0])
        raise _Stop(node, "the graph leads in a circle")

    def _model(self, node: _Node) -> tuple[str, list[dict[str, object]]]:
        """The name of the checkpoint, and the LoRAs in the order in which they are put on."""
        loras: list[dict[str, object]] = []
        for _ in range(MOST_LINKS):
            match node.kind:
                case "CheckpointLoaderSimple" | "CheckpointLoader":
                    return _stem(_text_of(node, "ckpt_name")), loras[::-1]
                case "LoraLoader" | "LoraLoaderModelOnly":
                    weight = _number(node, "strength_model", 1)
                    loras.append({"name": _stem(_text_of(node, "lora_name")), "weight": weight})
                    if node.kind == "LoraLoader" and node.inputs.get("strength_clip", weight) != weight:
                        self._lost.append(f"the LoRA {loras[-1]['name']} had another weight for the text")
                    node = self._linked(node, "model")
                case _:
                    raise _Stop(node, "it changes the model")
        raise _Stop(node, "the graph leads in a circle")

    def _text(self, node: _Node) -> tuple[str, int | None]:
        """A prompt as it is written here, and `clip_skip` where the graph sets it."""
        if node.kind != "CLIPTextEncode":
            raise _Stop(node, "only CLIPTextEncode is understood in this place")
        text, clip_skip = _text_of(node, "text"), None
        encoder = self._linked(node, "clip")
        for _ in range(MOST_LINKS):
            match encoder.kind:
                case "CheckpointLoaderSimple" | "CheckpointLoader":
                    for signs, written in _A1111_SIGNS:
                        text = signs.sub(written, text)
                    return text.strip(), clip_skip
                case "CLIPSetLastLayer":
                    layer = _number(encoder, "stop_at_clip_layer")
                    clip_skip = clip_skip or (-layer if isinstance(layer, int) else None)
                case "LoraLoader":
                    pass
                case _:
                    raise _Stop(encoder, "it changes the text encoder")
            encoder = self._linked(encoder, "clip")
        raise _Stop(encoder, "the graph leads in a circle")

    def _size(self, node: _Node) -> dict[str, object]:
        if node.kind != "EmptyLatentImage":
            raise _Stop(node, "only EmptyLatentImage is understood in this place")
        count = _number(node, "batch_size", 1)
        if count != 1:
            self._lost.append(f"it is one of a batch of {count}, and does not say which: the first is drawn")
        return {"width": _number(node, "width"), "height": _number(node, "height")}

    def _scheduler(self, sampler: _Node) -> str:
        """Our name of the sampler. An unknown name stays as it is, to be refused by that name."""
        name, schedule = _text_of(sampler, "sampler_name").removesuffix("_gpu"), _text_of(sampler, "scheduler")
        wanted = name if schedule in _PLAIN_SCHEDULES else f"{name}_{schedule}"
        scheduler = Scheduler.named(wanted)
        if scheduler is None:
            return f"{name} {schedule}"
        if schedule in _PLAIN_SCHEDULES[1:]:
            self._lost.append(f"its steps were spaced by `{schedule}`; {scheduler} has its own spacing")
        return scheduler.value

    def _linked(self, node: _Node, name: str) -> _Node:
        """The node that an input comes from."""
        link = _link(node.inputs.get(name))
        if link is None or link[0] not in self._nodes:
            raise _Stop(node, f"its input `{name}` leads nowhere")
        return self._nodes[link[0]]


def _link(value: object) -> Link | None:
    """A link is a list of a node's id and the number of its output."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int):
        return str(value[0]), value[1]
    return None


def _number(node: _Node, name: str, default: int | None = None) -> object:
    value = node.inputs.get(name, default)
    if isinstance(value, Sequence):
        raise _Stop(node, f"its `{name}` comes from another node")
    return value


def _text_of(node: _Node, name: str) -> str:
    value = node.inputs.get(name)
    if not isinstance(value, str):
        raise _Stop(node, f"its `{name}` comes from another node")
    return value


def _stem(name: str) -> str:
    """The name of a model's file, without folders and extension."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return last.rpartition(".")[0] or last
