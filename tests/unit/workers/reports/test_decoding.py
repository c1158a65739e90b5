"""Reports as data: each arrives as it was said, and nothing else is taken for one."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aura_daemon.workers.cluster.messages import FromDriver
from aura_daemon.workers.protocol import Finished, Loading, LogLine, Memory, Progress, Up
from aura_daemon.workers.reports.decoding import INTEGER_END, MOST_TOLD_BYTES, BrokenProtocol, ReportReader
from aura_daemon.workers.reports.encoding import HEAD, encoded
from tests.support.any_of import any_of
from tests.support.worker_contract import batch_of, outcome_of

ROOT = Path(__file__).parents[4]
UP = ReportReader(get_args(Up))
OUTCOME = outcome_of(batch_of("fine").tasks[0])
assert OUTCOME is not None
MEMORY = Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3)
FINISHED = Finished(job_id="a", outcome=OUTCOME, memory=MEMORY, models=("m",))


def frame_of(report: object) -> memoryview:
    return memoryview(b"".join(encoded(report)))


def framed(sizes: object, content: object, behind: bytes = b"") -> memoryview:
    told = json.dumps([sizes, content]).encode()
    return memoryview(HEAD.pack(len(told)) + told + behind)


@pytest.mark.parametrize("kind", [*get_args(Up), *get_args(FromDriver)], ids=lambda kind: kind.__name__)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_report_arrives_as_it_was_said(kind: Any, data: st.DataObject) -> None:
    said = data.draw(any_of(kind))
    assert ReportReader((kind,))(frame_of(said)) == said


def test_a_picture_crosses_as_it_is() -> None:
    assert UP(frame_of(FINISHED)) == FINISHED


def test_numbers_of_numpy_arrive_as_numbers() -> None:
    said = replace(FINISHED, step_s=np.float32(0.5), memory=replace(MEMORY, resident_bytes=np.int64(7)))
    heard = UP(frame_of(said))
    assert isinstance(heard, Finished)
    assert (heard.step_s, heard.memory.resident_bytes) == (0.5, 7)


def test_halves_of_characters_arrive_escaped_as_no_file_could_hold_them() -> None:
    assert UP(frame_of(LogLine(level="INFO", message="a\udc80b\ud800"))) == LogLine(
        level="INFO", message="a\\x80b\\ud800"
    )


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), object(), {"a": 1}.keys()])
def test_what_no_report_may_hold_is_not_sent(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encoded(replace(FINISHED, step_s=wrong))


LOADING = {"is": "Loading", "model": "m", "done_bytes": 1, "total_bytes": 2, "job_ids": []}
PROGRESS = {"is": "Progress", "job_id": "a", "step": 1, "steps": 2, "preview": {"bytes": 0}}


def test_the_forms_below_would_be_read_if_nothing_were_wrong_with_them() -> None:
    assert UP(framed([], LOADING)) == Loading(model="m", done_bytes=1, total_bytes=2)
    assert UP(framed([2], PROGRESS, b"ab")) == Progress(job_id="a", step=1, steps=2, preview=b"ab")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0\0",
        HEAD.pack(MOST_TOLD_BYTES + 1) + b" " * 10,
        HEAD.pack(100) + b"[]",
        HEAD.pack(2) + b"[]",
        HEAD.pack(1) + b"1",
        HEAD.pack(3) + b"\xff\xfe\xfd",
        HEAD.pack(200_000) + b"[" * 200_000,
        HEAD.pack(5010) + b"[[]," + b"1" * 5005 + b"]",
        pickle.dumps("anything"),
    ],
)
def test_what_has_no_form_is_no_report(frame: bytes) -> None:
    with pytest.raises(BrokenProtocol):
        UP(memoryview(frame))


@pytest.mark.parametrize(
    "content",
    [
        None,
        1,
        "Loading",
        [],
        {},
        {**LOADING, "is": "Configure"},
        {**LOADING, "is": "EngineSettings"},
        {**LOADING, "is": ["Loading"]},
        {**LOADING, "is": None},
        {**LOADING, "further": 1},
        {name: value for name, value in LOADING.items() if name != "total_bytes"},
        {**LOADING, "model": 1},
        {**LOADING, "model": None},
        {**LOADING, "model": ["m"]},
        {**LOADING, "done_bytes": "1"},
        {**LOADING, "done_bytes": True},
        {**LOADING, "done_bytes": 1.0},
        {**LOADING, "done_bytes": float("nan")},
        {**LOADING, "done_bytes": INTEGER_END},
        {**LOADING, "done_bytes": -INTEGER_END},
    ],
)
def test_what_is_no_value_of_its_field_is_no_report(content: object) -> None:
    with pytest.raises(BrokenProtocol):
        UP(framed([], content))


@pytest.mark.parametrize(
    ("sizes", "place", "behind"),
    [
        ([2], 0, b"abc"),
        ([2], 0, b"a"),
        ([2], 1, b"ab"),
        ([2], -1, b"ab"),
        ([2], True, b"ab"),
        ([2], "0", b"ab"),
        ([1, 1], 1, b"ab"),
        ([1, 1], 0, b"ab"),
        ([-1, 3], 0, b"ab"),
        ([1 << 70], 0, b"ab"),
        ({"0": 2}, 0, b"ab"),
        ("2", 0, b"ab"),
        ([True, 1], 0, b"ab"),
    ],
)
def test_byte_strings_that_do_not_fit_are_no_report(sizes: object, place: object, behind: bytes) -> None:
    with pytest.raises(BrokenProtocol):
        UP(framed(sizes, {**PROGRESS, "preview": {"bytes": place}}, behind))


@pytest.mark.parametrize("preview", ["ab", None, {"bytes": 0, "is": "Loading"}, {}, 0])
def test_bytes_are_nothing_else(preview: object) -> None:
    with pytest.raises(BrokenProtocol):
        UP(framed([], {**PROGRESS, "preview": preview}))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("step_s", 10**400),
        ("step_s", "1"),
        ("step_s", True),
        ("models", "m"),
        ("models", {"0": "m"}),
        ("models", [1]),
        ("tried", {"is": "Failure"}),
        ("tried", 0),
        ("outcome", None),
        ("outcome", {"is": "Failure", "kind": "fatal", "message": "", "mend": ""}),
        ("outcome", {"is": "Failure", "kind": ["crashed"], "message": "", "mend": ""}),
        ("outcome", {"is": "Failure", "kind": 1, "message": "", "mend": ""}),
    ],
)
def test_a_wrong_value_deep_inside_is_no_report(field: str, wrong: object) -> None:
    first, *blobs = encoded(FINISHED)
    sizes, content = json.loads(first[HEAD.size :])
    assert UP(framed(sizes, content, b"".join(blobs))) == FINISHED
    with pytest.raises(BrokenProtocol):
        UP(framed(sizes, {**content, field: wrong}, b"".join(blobs)))


def test_pairs_have_two_members() -> None:
    told = {
        "is": "Ready",
        "device": "",
        "device_name": "",
        "dtype": "",
        "rung": "",
        "versions": [["torch", "2"]],
        "sandbox_lacks": [],
    }
    assert UP(framed([], told))
    for versions in ([["torch"]], [["torch", "2", "3"]], ["to"], [None]):
        with pytest.raises(BrokenProtocol):
            UP(framed([], {**told, "versions": versions}))


@settings(max_examples=300, deadline=None)
@given(frame=st.binary(max_size=200))
def test_no_bytes_raise_anything_else(frame: bytes) -> None:
    with pytest.raises(BrokenProtocol):
        UP(memoryview(frame))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["Loading", "is"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*LOADING, "bytes"]), inner),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(sizes=JSON, content=JSON, behind=st.binary(max_size=4))
def test_no_json_raises_anything_else(sizes: object, content: object, behind: bytes) -> None:
    with suppress(BrokenProtocol):
        UP(framed(sizes, content, behind))


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 10_000), sign=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_no_damage_raises_anything_else(place: int, sign: int, cut: int) -> None:
    frame = bytearray(frame_of(FINISHED))
    frame[place % len(frame)] = sign
    del frame[len(frame) - cut % len(frame) :]
    with suppress(BrokenProtocol):
        UP(memoryview(frame))


def test_only_a_child_unpickles_and_only_what_its_daemon_says() -> None:
    """A pickle runs what its writer likes."""
    package = ROOT / "aura_daemon"
    found = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        for word in ("pickle.load", "read_order")
        if word in file.read_text(encoding="utf-8")
    }
    ours = ("channel", "child_main", "cluster/driver_main", "fetching/fetch_main")
    assert found == {f"workers/{name}.py" for name in ours}


def test_a_child_that_reports_imports_no_parser() -> None:
    code = "import sys; import aura_daemon.workers.child_main; print('pydantic' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
