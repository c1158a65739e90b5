"""Bad inputs: the whole corpus through the real daemon with its real models, and fuzzing of the first readers."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import PurePosixPath

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import read_picture
from aura_daemon.formats import file_types
from aura_daemon.formats.image_ends import ends_properly
from aura_daemon.jobfile import from_sidecar, parser
from aura_daemon.jobfile.prompt_lists import reading
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.watch import file_kinds
from aura_daemon.watch.decisions import Leave
from aura_daemon.watch.file_kinds import HEAD_BYTES
from tests.corpus import inputs
from tests.fuzzing import runs
from tests.support.house import House
from tests.support.programs import REAL
from tests.torture.ledger import Ledger, Verdict, torture_program

ALL = frozenset(Accept)
PIECES = (b"\0" * 8, b"\xff" * 8, b": ", b"- ", b"\n", b"---\n", b"&a ", b"*a", b"!!", b"[{", b"\\u0000")
WORDS = ("prompt", "steps", "image", "task", "%YAML 1.1\n", "!!str ", "1e9", "x", "~", "<<", "\ufeff", "\u2028", "\t")
SIGNS = (": ", "- ", "? ", "\n", "\n  ", "---\n", "...\n", *"#|>!,[]{}'\"", "&a", "*a")
AT_A_TIME = 500
"""How many examples run between two looks at the clock."""


def whole_corpus(house: House) -> Verdict:
    """Delivers the corpus at once: each file of a known kind becomes a result or a failure, other files stay."""
    ledger = Ledger(house)
    left = []
    for name, content in inputs().items():
        (house.inbox / name).write_bytes(content)
        if isinstance(file_kinds.route(name, content[:HEAD_BYTES], ALL), Leave):
            left.append(name)
        else:
            ledger.note(name, content, documents=documents_in(name, content))
    patience = {"AURA_INCOMPLETE_AFTER": "2", "AURA_REFERENCE_WAIT": "2", "AURA_PAIR_WAIT": "0.5"}
    program = torture_program(house, REAL, **patience)
    program.start("run")
    try:
        ledger.wait(program, patience_s=600.0)
        program.until(lambda: program.health()["jobs"]["queued"] == 0)
        health = program.health()
        status = program.end()
    finally:
        program.close()
    verdict = ledger.verdict()
    verdict.tried += len(left)
    verdict.lost += [name for name in left if not (house.inbox / name).exists()]
    verdict.wrong += [f"taken: {name}" for name in house.waiting() if name not in left]
    if health["status"] not in ("ok", "busy") or status != 0:
        verdict.wrong.append(f"health {health['status']}, exit {status}")
    return verdict


def documents_in(name: str, content: bytes) -> int:
    """How many documents with fates of their own a file holds; 0 where the file has one fate as a whole."""
    if PurePosixPath(name).suffix not in file_types.JOB_FILE_EXTENSIONS:
        return 0
    parsed = parse(SourceKind.JOB_FILE, content, file=name)
    return len(parsed.jobs) if isinstance(parsed, parser.ParsedFile) and len(parsed.jobs) > 1 else 0


def read_as_text(name: str, content: bytes) -> None:
    """Reads a file that may be a job, as intake does."""
    match file_kinds.route(name, content[:HEAD_BYTES], ALL):
        case SourceKind.JOB_FILE | SourceKind.PROMPT_TEXT | SourceKind.PROMPT_TABLE as kind:
            reading.parse(kind, content, file=name)
        case SourceKind.SIDECAR:
            from_sidecar.parse(content, file=name)


def read_as_image(name: str, content: bytes) -> None:
    """Reads a file that may be an image, as intake and the worker do."""
    if file_kinds.route(name, content[:HEAD_BYTES], ALL) is SourceKind.IMAGE:
        ends_properly(BytesIO(content))
        read_picture(content, name, EngineSettings(max_image_pixels=1_000_000))


def _of_corpus(extensions: tuple[str, ...]) -> st.SearchStrategy[tuple[str, bytes]]:
    chosen = [(name, content) for name, content in inputs().items() if PurePosixPath(name).suffix in extensions]
    return st.sampled_from(chosen)


@st.composite
def accidents(draw: st.DrawFn, extensions: tuple[str, ...]) -> tuple[str, bytes]:
    """A file of the corpus with parts cut, changed, doubled, or replaced by parts of another file."""
    name, content = draw(_of_corpus(extensions))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 64)))
        _, other = draw(_of_corpus(extensions))
        patch = draw(
            st.one_of(
                st.binary(max_size=16),
                st.just(content[start:end] * 2),
                st.just(b""),
                st.just(other[start : start + 64]),
                st.sampled_from(PIECES),
            )
        )
        content = content[:start] + patch + content[end:]
    return name, content


def _yaml_like() -> st.SearchStrategy[tuple[str, bytes]]:
    """Pieces with a meaning in YAML, in any order."""
    pieces = st.sampled_from((*WORDS, *SIGNS))
    texts = st.lists(pieces | st.text(max_size=4), max_size=40).map("".join)
    return st.tuples(st.just("a.yaml"), texts.map(lambda text: text.encode("utf-8", "surrogatepass")))


ANY_BYTES = st.tuples(st.just("a.yaml"), st.binary(max_size=200))
TEXTS = accidents((".yaml", ".yml", ".txt", ".json")) | _yaml_like() | ANY_BYTES
IMAGES = accidents((".png", ".jpg", ".webp", ".gif", ".bmp", ".tif", ".avif", ".heic"))


def fuzzed(
    house: House, *, strategy: st.SearchStrategy[tuple[str, bytes]], read: Callable[[str, bytes], None], seconds: float
) -> Verdict:
    """Runs as many examples as time allows; Hypothesis prints the shrunk example that fails, with its bytes."""
    verdict, until_s, number = Verdict(tried=0), time.monotonic() + seconds, time.time_ns() % 2**32
    while time.monotonic() < until_s:
        number += 1

        @seed(number)
        @settings(
            max_examples=AT_A_TIME,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def tried(example: tuple[str, bytes]) -> None:
            verdict.tried += 1
            read(*example)

        try:
            tried()
        except Exception as error:  # noqa: BLE001 - any exception is a finding
            print(f"seed {number}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ()), sep="\n")
            verdict.wrong.append(f"seed {number}: {type(error).__name__}")
    return verdict


def fuzzed_by_coverage(house: House, *, reader: str, seconds: float) -> Verdict:
    """Fuzzes one reader of `tests.fuzzing`; what is found is written beside the log, as short as it can be made."""
    run = runs.fuzzed(reader, seconds)
    verdict = Verdict(tried=run.executions)
    if run.finding is not None:
        print(f"{reader}: {run.reason}: {run.finding[:2000]!r}")
        verdict.wrong.append(run.reason)
    return verdict
