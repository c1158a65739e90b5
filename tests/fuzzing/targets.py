"""What is fuzzed: every reader of strangers' bytes, with what it promises. In: bytes. Out: nothing, or an exception.

A reader may refuse as it says that it does. Anything else is a finding, and so is an answer that differs from the one
to the same bytes before, or that breaks what the reader's docstring says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import PurePosixPath
from typing import Final, Literal, cast

from aura_daemon.daemon.control_socket import MAX_MESSAGE_BYTES, received_command
from aura_daemon.errors import Problem
from aura_daemon.file_names import escaped
from aura_daemon.formats.image_ends import ends_properly
from aura_daemon.formats.image_signatures import format_of
from aura_daemon.formats.picture_metadata import comfyui_graph, infotext
from aura_daemon.formats.picture_metadata.captions import copies
from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.xmp_packet import packet_with_caption
from aura_daemon.formats.picture_metadata.embedded_texts import MOST_BYTES, embedded_texts, exif_span
from aura_daemon.formats.picture_metadata.exif_tags import exif_tags
from aura_daemon.formats.prompts import prompt_schedule, prompt_syntax, prompt_tags
from aura_daemon.formats.prompts.prompt_schedule import PassSteps
from aura_daemon.gallery.webp_size import webp_size
from aura_daemon.jobfile import from_picture, from_sidecar
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile
from aura_daemon.jobfile.prompt_lists import reading
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec
from aura_daemon.jobs.picture_copies import changed
from aura_daemon.jobs.requests import GenerateRequest, RegenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.metrics.http_pages import Pages
from aura_daemon.metrics.http_protocol import END_OF_HEAD, MOST_HEAD_BYTES, HttpRequest, parsed
from aura_daemon.watch import file_kinds
from aura_daemon.watch.file_kinds import HEAD_BYTES
from aura_daemon.workers.local.process import READS as WORKER_REPORTS
from aura_daemon.workers.protocol import Finished, Loading, LogLine, Memory, PictureWanted, Question, Ready, Up
from aura_daemon.workers.reports.checking import believed
from aura_daemon.workers.reports.decoding import BrokenProtocol
from aura_daemon.workers.reports.encoding import encoded
from tests import corpus
from tests.fuzzing.limits import must
from tests.support.outcomes import make
from tests.support.steps import SIDECAR

CAPTION: Final = "a red circle & <more>"

MOST_PROBLEM_CHARACTERS: Final = 1000
"""Of a problem as a person reads it; the corpus is held to the same."""

DRAWN: Final = "drawn"
"""The only job of a worker's batch."""

Kind = Literal[SourceKind.JOB_FILE, SourceKind.PROMPT_TEXT, SourceKind.PROMPT_TABLE]


@dataclass(frozen=True, kw_only=True, slots=True)
class FuzzTarget:
    """One reader."""

    read: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    """What it begins with: good inputs and bad ones."""
    words: Sequence[bytes] = ()
    """What its language is made of, for a fuzzer's dictionary."""


def _well_told(problems: Sequence[Problem]) -> None:
    must(bool(problems), "a refusal without a reason")
    for problem in problems:
        text = str(problem)
        must(bool(problem.message), "a problem without a message")
        must(text == escaped(text), f"a problem that is no plain line: {text!r}")
        must(len(text) < MOST_PROBLEM_CHARACTERS, f"a problem of {len(text)} characters")


def _read_jobs(kind: Kind, name: str, content: bytes) -> None:
    first, again = (reading.parse(kind, content, file=name) for _ in range(2))
    must(first == again, "other jobs of the same bytes")
    match first:
        case RejectedFile(problems=problems):
            _well_told(problems)
        case ParsedFile(jobs=jobs):
            must(bool(jobs), "a file without jobs")
            for job in jobs[:3]:  # each can be handed back alone
                alone = reading.parse(kind if job.text == content else SourceKind.JOB_FILE, job.text, file=name)
                must(isinstance(alone, ParsedFile), f"a job that is none when it is given alone: {alone}")


def _read_any(name: str, content: bytes) -> None:
    """As intake does: the kind is told by the bytes."""
    match file_kinds.route(name, content[:HEAD_BYTES], frozenset(Accept)):
        case SourceKind.JOB_FILE | SourceKind.PROMPT_TEXT | SourceKind.PROMPT_TABLE as kind:
            _read_jobs(kind, name, content)
        case SourceKind.SIDECAR:
            _read_sidecar(content)


def _read_sidecar(content: bytes) -> None:
    read = from_sidecar.parse(content, file="a.json")
    if isinstance(read, tuple):
        _well_told(read)
        return
    must(read == from_sidecar.parse(content, file="a.json"), "another sidecar of the same bytes")
    must(from_sidecar.request_of(read) == from_sidecar.request_of(read), "another request of the same sidecar")


def _read_infotext(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    must(infotext.parse(text) == infotext.parse(text), "other settings of the same text")
    graph = comfyui_graph.read_graph(text)
    if isinstance(graph, Problem):
        _well_told((graph,))


def _read_embedded(content: bytes) -> None:
    texts = embedded_texts(content)
    must(all(len(text) <= MOST_BYTES for text in texts.values()), "a text that is too long")
    exif_span(content)
    must(all(text.isprintable() for text in exif_tags(content).values()), "a tag of several lines")
    made = from_picture.made_again(
        RegenerateSpec(request=RegenerateRequest(image="a.png", keys={})), content, file="a.png"
    )
    if not isinstance(made, JobSpec):
        _well_told(made)


def _write_caption(content: bytes) -> None:
    """A caption is written; a copy of the copy has the same bytes."""
    try:
        copy = changed(content, copies.captioned(content, CAPTION).changes)
    except CannotHold as why:
        must(str(why) == escaped(str(why)) and bool(str(why)), f"a reason that is no plain line: {why}")
        return
    must(len(copy) <= len(content) + (1 << 21), "a copy that has grown without need")
    again = changed(copy, copies.captioned(copy, CAPTION).changes)
    must(again == copy, "a copy of the copy with other bytes")


def _edit_xmp(content: bytes) -> None:
    try:
        packet, _ = packet_with_caption(content, CAPTION)
    except CannotHold as why:
        must(str(why) == escaped(str(why)) and bool(str(why)), f"a reason that is no plain line: {why}")
        return
    must(packet_with_caption(packet, CAPTION) == (packet, False), "a packet that changes again")


def _look_at_image(content: bytes) -> None:
    format_of(content[:HEAD_BYTES])
    ends_properly(BytesIO(content))
    size = webp_size(content)
    must(size is None or min(size) > 0, "a WebP without a size")
    for name in ("a.png", "a.jpg", "a.webp"):
        file_kinds.route(name, content[:HEAD_BYTES], frozenset(Accept))


def _read_prompt(content: bytes) -> None:
    prompt = content.decode("utf-8", "replace")
    must(prompt_syntax.parse(prompt) == prompt_syntax.parse(prompt), "other sections of the same prompt")
    prompt_syntax.parts(prompt)
    prompt_syntax.not_understood(prompt)
    phases = prompt_schedule.schedule(prompt[:4000], PassSteps(steps=20, taken=20))
    must(0 < len(phases) <= 20, f"{len(phases)} phases of 20 steps")
    prompt_tags.extract_loras(prompt)
    kept = prompt_tags.without_comments(prompt)
    must(len(kept.text) <= len(prompt), "a text that grows without its comments")


def _hear_worker(content: bytes) -> None:
    """A worker that was taken over says what it likes: it is believed, or not to be trusted any further."""
    try:
        said = WORKER_REPORTS(memoryview(content))
        if not isinstance(said, Question):
            believed(cast(Up, said), {DRAWN: GenerateRequest(prompt="a", seed=1)}, {DRAWN})
    except BrokenProtocol as error:
        must(str(error).isprintable(), "a reason cannot be printed")


def _reports() -> Iterator[bytes]:
    memory = Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3)
    failure = Failure(kind=FailureKind.BAD_INPUT, message="a", mend="b")
    made = make(Task(job_id=DRAWN, request=GenerateRequest(prompt="a", seed=1)))
    told = (
        *(Loading(model="m", done_bytes=1, total_bytes=2), LogLine(level="INFO", message="a")),
        *(Finished(job_id=DRAWN, outcome=end, memory=memory, models=("m",)) for end in (failure, made)),
        Ready(device="cpu", device_name="a", dtype="float32", rung="cpu", versions=(("torch", "2"),)),
        PictureWanted(job_id=DRAWN, number=0),
    )
    return (b"".join(encoded(report)) for report in told)


def _receive_command(content: bytes) -> None:
    received = received_command(content[:MAX_MESSAGE_BYTES])
    if received is not None:
        must("/" not in received.reply and received.reply.startswith("answer-"), "an answer that goes elsewhere")
        must(isinstance(received.command.name, str) and isinstance(received.command.path, str), "no texts")


_ONE_HEAD: Final = re.compile(rb"HTTP/1\.1 [0-9]{3} [ -~]+\r\n(?:[A-Za-z-]+: [ -~]*\r\n)+\r\n")
_PAGES: Final = Pages(
    token=b"secret", checks_host=True, health=lambda: None, metrics=lambda: b"metrics\n", metrics_type="text/plain"
)
_OPEN_PAGES: Final = Pages(
    token=None, checks_host=True, health=lambda: None, metrics=lambda: b"metrics\n", metrics_type="text/plain"
)


def _answer_http(content: bytes) -> None:
    end = END_OF_HEAD.search(content[: MOST_HEAD_BYTES + 4])
    if end is None:
        return
    request = parsed(content[: end.start()])
    answers = (
        [page.answer(request) for page in (_PAGES, _OPEN_PAGES)] if isinstance(request, HttpRequest) else [request]
    )
    for answer in answers:
        written = answer.to_bytes()
        head = _ONE_HEAD.match(written)
        must(head is not None and written[head.end() :] == answer.content, f"no answer of HTTP: {written[:200]!r}")
        must(b"secret" not in written, "an answer that tells the token")
    if isinstance(request, HttpRequest):
        must(answers[0].content != b"metrics\n" or b"secret" in content, "metrics without the token")


def _files(*extensions: str) -> Iterator[bytes]:
    """Of the corpus."""
    for name, content in corpus.inputs().items():
        if PurePosixPath(name).suffix in extensions:
            yield content


def _written_prompts() -> Iterator[bytes]:
    yield from (
        b"a (red:1.3) circle, [[dim]] AND a square :0.5",
        b"[cat:dog:0.5] and [a|b] <lora:x:0.5>",
        b"# comment\n{2$$a|b|c} __list__ \\(x\\)",
    )
    yield from _files(".txt")


_IMAGES: Final = (".png", ".jpg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic")
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
_XMP: Final = packet_with_caption(None, "a caption")[0]
_YAML_WORDS: Final = (
    *(b"prompt: ", b"task: caption", b"steps: ", b"image: ", b"matrix: ", b"seed: ", b"loras: ", b"hires: "),
    *(b"---\n", b"- ", b"&a ", b"*a", b"!!str ", b"<<: ", b"%YAML", b"|-\n", b"? ", b"aspect_ratio: 16:9", b"{a|b}"),
    *(b"__list__", b"{2$$", b"\xef\xbb\xbf", b"recipe: ", b"regenerate", b"reflect", b"count: ", b"1e400", b"0x1F"),
)

TARGETS: Final[dict[str, FuzzTarget]] = {
    "job-file": FuzzTarget(
        read=partial(_read_jobs, SourceKind.JOB_FILE, "a.yaml"),
        seeds=partial(_files, ".yaml", ".yml"),
        words=_YAML_WORDS,
    ),
    "prompt-text": FuzzTarget(
        read=partial(_read_any, "a.txt"),
        seeds=_written_prompts,
        words=(b"prompt: ", b"--steps ", b"--no ", b"\n\n", b"Negative prompt: ", b"Steps: 20, ", b"{\\rtf", b"<html"),
    ),
    "prompt-csv": FuzzTarget(
        read=partial(_read_any, "a.csv"),
        seeds=lambda: iter(
            (b"prompt,steps,seed\na cat,4,1\n", b'prompt;negative\n"a ""b""";c\n', b"prompt\tsize\nx\t1\n")
        ),
        words=(b"prompt", b"negative_prompt", b"steps", b",", b";", b"\t", b'"', b'""', b"\r\n", b"seed", b"tags"),
    ),
    "prompt-json": FuzzTarget(
        read=partial(_read_any, "a.json"),
        seeds=lambda: iter((b'{"prompts": ["a", {"prompt": "b", "steps": 4}]}', b'[{"prompt": "a"}]', SIDECAR)),
        words=(b'"prompt": ', b'"prompts": [', b"{", b"}", b"[", b"]", b'"steps": 4', b"\\u0000", b"null", b"1e999"),
    ),
    "sidecar": FuzzTarget(read=_read_sidecar, seeds=lambda: iter((SIDECAR, *_files(".json")))),
    "infotext": FuzzTarget(
        read=_read_infotext,
        seeds=lambda: iter((_INFOTEXT, _GRAPH, _INFOTEXT.replace(b"\n", b". "))),
        words=(b"Steps: ", b"Sampler: ", b"Negative prompt:", b'"class_type":', b'"inputs":', b"Size: 1x1", b'["4",0]'),
    ),
    "embedded": FuzzTarget(
        read=_read_embedded,
        seeds=partial(_files, *_IMAGES),
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
    "caption-copy": FuzzTarget(
        read=_write_caption,
        seeds=partial(_files, *_IMAGES),
        words=(
            b"VP8X",
            b"XMP ",
            b"8BIM",
            b"http://ns.adobe.com/xap/1.0/\0",
            b"Photoshop 3.0\0",
            b"MPF\0",
            b"infe",
            b"pitm",
        ),
    ),
    "xmp": FuzzTarget(
        read=_edit_xmp,
        seeds=lambda: iter((_XMP, _XMP.replace(b"x-default", b"de"), b"<rdf:RDF/>")),
        words=(
            b"<rdf:Description ",
            b"<rdf:Alt>",
            b"<rdf:li xml:lang='x-default'>",
            b"dc:description",
            b"<!DOCTYPE ",
            b"<![CDATA[",
            b"]]>",
            b"<!--",
            b"-->",
            b"&#0;",
            b"&amp;",
            b"/>",
            b"<?",
            b"?>",
            b"\0",
        ),
    ),
    "image-head": FuzzTarget(
        read=_look_at_image,
        seeds=partial(_files, *_IMAGES),
        words=(
            b"\x89PNG\r\n\x1a\n",
            b"IEND",
            b"\xff\xd8\xff",
            b"\xff\xda",
            b"\xff\xd9",
            b"GIF89a",
            b"RIFF",
            b"WEBP",
            b"ftypavif",
            b"ftypheic",
            b"mdat",
            b"P6\n1 1\n",
            b"II*\0",
            b"MM\0*",
            b"BM",
        ),
    ),
    "prompt-syntax": FuzzTarget(
        read=_read_prompt,
        seeds=_written_prompts,
        words=(
            b"(",
            b")",
            b"[",
            b"]",
            b":0.5",
            b"|",
            b" AND ",
            b"BREAK",
            b"<lora:a:1>",
            b"\\",
            b"#",
            b"//",
            b"/*",
            b"*/",
        ),
    ),
    "control-socket": FuzzTarget(
        read=_receive_command,
        seeds=lambda: iter(
            (b'{"verb":"cancel","name":"a","path":"b","reply":"answer-1-0123abcd.sock"}', b'{"verb":"retry"}', b"[[[[")
        ),
        words=(b'"verb":', b'"cancel"', b'"retry"', b'"reply":', b'"name":', b'"path":', b"null", b"\\ud800", b"../"),
    ),
    "worker-message": FuzzTarget(
        read=_hear_worker,
        seeds=_reports,
        words=(
            b'"is": "Finished"',
            b'"bytes": 0',
            b'"job_id": "drawn"',
            b"NaN",
            b"1e999",
            b"null",
            b"[[],",
            b"\\ud800",
        ),
    ),
    "http": FuzzTarget(
        read=_answer_http,
        seeds=lambda: iter(
            (
                b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n",
                b"HEAD /health HTTP/1.0\r\n\r\n",
                b"POST /health?x=1 HTTP/1.1\nHost: [::1]:80\n\n",
            )
        ),
        words=(
            b"Host: ",
            b"\r\n\r\n",
            b"HTTP/1.1",
            b"Authorization: Bearer ",
            b"127.0.0.1",
            b"[::1]",
            b"/metrics",
            b"%00",
        ),
    ),
}
"""Name -> reader."""
