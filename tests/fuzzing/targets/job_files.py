"""Readers of jobs: job files, prompt lists, sidecars."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final, Literal

from aura_daemon.jobfile import from_sidecar
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile
from aura_daemon.jobfile.prompt_lists import reading
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.watch import file_kinds
from aura_daemon.watch.file_kinds import HEAD_BYTES
from tests.fuzzing.limits import must
from tests.fuzzing.targets.fuzz_target import FuzzTarget, files, well_told, written_prompts

Kind = Literal[SourceKind.JOB_FILE, SourceKind.PROMPT_TEXT, SourceKind.PROMPT_TABLE]


def _read_jobs(kind: Kind, name: str, content: bytes) -> None:
    first, again = (reading.parse(kind, content, file=name) for _ in range(2))
    must(first == again, "other jobs of the same bytes")
    match first:
        case RejectedFile(problems=problems):
            well_told(problems)
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
        well_told(read)
        return
    must(read == from_sidecar.parse(content, file="a.json"), "another sidecar of the same bytes")
    must(from_sidecar.request_of(read) == from_sidecar.request_of(read), "another request of the same sidecar")


def _sidecar() -> bytes:
    from tests.support.steps import SIDECAR  # which imports the whole daemon

    return SIDECAR


def _written_lists() -> Iterator[bytes]:
    return iter((b'{"prompts": ["a", {"prompt": "b", "steps": 4}]}', b'[{"prompt": "a"}]', _sidecar()))


_YAML_WORDS: Final = (
    *(b"prompt: ", b"task: caption", b"steps: ", b"image: ", b"matrix: ", b"seed: ", b"loras: ", b"hires: "),
    *(b"---\n", b"- ", b"&a ", b"*a", b"!!str ", b"<<: ", b"%YAML", b"|-\n", b"? ", b"aspect_ratio: 16:9", b"{a|b}"),
    *(b"__list__", b"{2$$", b"\xef\xbb\xbf", b"recipe: ", b"regenerate", b"reflect", b"count: ", b"1e400", b"0x1F"),
)


TARGETS: Final = {
    "job-file": FuzzTarget(
        read=partial(_read_jobs, SourceKind.JOB_FILE, "a.yaml"),
        seeds=partial(files, ".yaml", ".yml"),
        words=_YAML_WORDS,
    ),
    "prompt-text": FuzzTarget(
        read=partial(_read_any, "a.txt"),
        seeds=written_prompts,
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
        seeds=_written_lists,
        words=(b'"prompt": ', b'"prompts": [', b"{", b"}", b"[", b"]", b'"steps": 4', b"\\u0000", b"null", b"1e999"),
    ),
    "sidecar": FuzzTarget(read=_read_sidecar, seeds=lambda: iter((_sidecar(), *files(".json")))),
}
"""Name -> reader."""
