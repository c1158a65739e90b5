"""Readers of the settings that pictures bring."""

from __future__ import annotations

from functools import partial
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.picture_metadata import comfyui_graph, infotext
from aura_daemon.formats.picture_metadata.embedded_texts import MOST_BYTES, embedded_texts, exif_span
from aura_daemon.formats.picture_metadata.exif_tags import exif_tags
from aura_daemon.jobfile import from_picture
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec
from aura_daemon.jobs.requests import RegenerateRequest
from tests.fuzzing.limits import must
from tests.fuzzing.targets.fuzz_target import IMAGES, FuzzTarget, files, well_told


def _read_infotext(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    must(infotext.parse(text) == infotext.parse(text), "other settings of the same text")
    graph = comfyui_graph.read_graph(text)
    if isinstance(graph, Problem):
        well_told((graph,))


def _read_embedded(content: bytes) -> None:
    texts = embedded_texts(content)
    must(all(len(text) <= MOST_BYTES for text in texts.values()), "a text that is too long")
    exif_span(content)
    must(all(text.isprintable() for text in exif_tags(content).values()), "a tag of several lines")
    made = from_picture.made_again(
        RegenerateSpec(request=RegenerateRequest(image="a.png", keys={})), content, file="a.png"
    )
    if not isinstance(made, JobSpec):
        well_told(made)


_INFOTEXT: Final = (
    b"a red circle\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, "
    b'Model hash: 0123456789, Model: x, Denoising strength: 0.5, Hires upscale: 2, Lora hashes: "a: b, c: d", '
    b"Version: v1.10.1"
)


_GRAPH: Final = (
    b'{"3":{"class_type":"KSampler","inputs":{"seed":1,"steps":20,"cfg":7,"sampler_name":"euler","scheduler":"normal",'
    b'"denoise":1,"model":["4",0],"positive":["6",0],"negative":["7",0],"latent_image":["5",0]}},"4":{"class_type":'
    b'"CheckpointLoaderSimple","inputs":{"ckpt_name":"a.safetensors"}},"5":{"class_type":"EmptyLatentImage","inputs":'
    b'{"width":512,"height":512,"batch_size":1}},"6":{"class_type":"CLIPTextEncode","inputs":{"text":"a","clip":["4",1]'
    b'}},"7":{"class_type":"CLIPTextEncode","inputs":{"text":"b","clip":["4",1]}},"8":{"class_type":"VAEDecode",'
    b'"inputs":{"samples":["3",0],"vae":["4",2]}},"9":{"class_type":"SaveImage","inputs":{"images":["8",0]}}}'
)


TARGETS: Final = {
    "infotext": FuzzTarget(
        read=_read_infotext,
        seeds=lambda: iter((_INFOTEXT, _GRAPH, _INFOTEXT.replace(b"\n", b". "))),
        words=(b"Steps: ", b"Sampler: ", b"Negative prompt:", b'"class_type":', b'"inputs":', b"Size: 1x1", b'["4",0]'),
    ),
    "embedded": FuzzTarget(
        read=_read_embedded,
        seeds=partial(files, *IMAGES),
        words=(
            b"tEXt",
            b"zTXt",
            b"iTXt",
            b"eXIf",
            b"parameters\0",
            b"prompt\0",
            b"Exif\0\0",
            b"iloc",
            b"iinf",
            b"meta",
        ),
    ),
}
"""Name -> reader."""
