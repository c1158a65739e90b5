"""One run of the daemon, as a user has it, over an inbox with a folder for each public report in README.md.

The embedded model draws and captions. Each test looks at its own folder: at every picture, caption and failure report
that came of it, and at every file that stayed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from aura_daemon.config.loading import load
from aura_daemon.daemon.explain import explain
from tests.field import folders, lists, photos, prompts, sets, settings
from tests.field.report import Report
from tests.support.deadline import DEADLINE_S

REPORTS: Final = (
    *prompts.REPORTS, *lists.REPORTS, *sets.REPORTS, *folders.REPORTS, *settings.REPORTS, *photos.REPORTS,
)  # fmt: skip

README: Final = Path(__file__).with_name("README.md")
OF_THE_MODEL: Final = "aura-mini "
"""How the warnings begin that only the embedded model gives."""

CONFIG: Final = """\
inbox: {root}/inbox
outbox: {root}/outbox
state: {root}/state
pair_wait: 0.5
reference_wait: 0
incomplete_after: 0
generate: {{wildcards: {root}/wildcards}}
"""

DEFAULTS: Final = "steps: 1\nwidth: 64\nheight: 64\n"
SHADES: Final = '# cc0. validated with "a __shades__ circle"\nred\n\nblue\n'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `aura-daemon once` has run."""
    root = tmp_path_factory.mktemp("field")
    for report in REPORTS:
        for name, content in report.files.items():
            place = root / "inbox" / report.name / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    for folder in ("outbox", "state", "wildcards"):
        (root / folder).mkdir()
    (root / "inbox" / "_defaults.yaml").write_text(DEFAULTS, encoding="utf-8")
    (root / "wildcards" / "shades.txt").write_text(SHADES, encoding="utf-8")
    (root / "aura.yaml").write_text(CONFIG.format(root=root), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
    command = [sys.executable, "-m", "aura_daemon", "once", "--config", str(root / "aura.yaml")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
    (root / "log").write_text(done.stdout + done.stderr, encoding="utf-8")
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    return root


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_each_file_becomes_what_its_owner_means(run: Path, report: Report) -> None:
    sidecars = list(documents(run / "outbox" / report.name))
    drawn = [one["request"] for one in sidecars if one["request"]["task"] == "generate"]
    assert_same_pictures(drawn, report.drawn)
    captions = {below(one, report): one["caption"] for one in sidecars if one["request"]["task"] == "caption"}
    assert captions == dict(report.captions)
    failures = {below(one, report): reason(one) for one in documents(run / "outbox" / "failed" / report.name)}
    assert_each_says(failures, report.failed)
    assert_each_says(dict(whys(run, report)), report.left)
    warnings = [text for one in sidecars for text in one["warnings"] if not text.startswith(OF_THE_MODEL)]
    assert bool(warnings) == bool(report.warned), warnings
    assert any(report.warned in text for text in warnings) or not report.warned, warnings


def test_the_log_names_every_report_and_its_source() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| \[[^]]+\]\((https://[^)]+)\)", README.read_text(encoding="utf-8"), re.M)
    assert Counter(name for name, _ in rows) == Counter(report.name for report in REPORTS)


def assert_same_pictures(drawn: list[dict[str, Any]], expected: tuple[Mapping[str, object], ...]) -> None:
    """Each expected picture is found once, in any order, and no other."""
    prompts = sorted(str(one["prompt"]) for one in drawn)
    assert prompts == sorted(str(one["prompt"]) for one in expected)
    for one in expected:
        assert any(one.items() <= request.items() for request in drawn), (one, drawn)


def assert_each_says(texts: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """The same files, and each with its words."""
    assert texts.keys() == expected.keys(), texts
    for name, words in expected.items():
        assert words.casefold() in texts[name].casefold()


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    """Sidecars or failure reports below a folder; previews and results are none."""
    for place in sorted(folder.rglob("*.json")):
        document = json.loads(place.read_text(encoding="utf-8"))
        if str(document.get("schema", "")).startswith("aura-daemon/"):
            yield document


def below(document: dict[str, Any], report: Report) -> str:
    """The source of a result, below the folder of its report."""
    return str(document["source"]["name"]).removeprefix(f"{report.name}/")


def reason(document: dict[str, Any]) -> str:
    """All that a failure report says."""
    return " ".join((document["reason"], document["mend"], *document["problems"]))


def whys(run: Path, report: Report) -> Iterator[tuple[str, str]]:
    """Each file that stayed in the inbox, with what `why` says of it."""
    settings = load(run / "aura.yaml").settings
    folder = run / "inbox" / report.name
    for place in sorted(folder.rglob("*")):
        if place.is_file():
            yield str(place.relative_to(folder)), explain(place, settings, None).text
