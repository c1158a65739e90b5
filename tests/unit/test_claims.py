"""What the pages promise is held by tests: `tests/claims.toml` names them, claim by claim."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from aura_daemon.outbox.source_policy import TWO_WAY_SYNC_MARKS

ROOT: Final = Path(__file__).parents[2]
TABLE: Final = ROOT / "tests" / "claims.toml"
NOT_TESTED: Final = "not tested: "

WHOLE_PAGES: Final = (
    "docs/contract.md",
    "docs/folders.md",
    "docs/sync-tools.md",
    "docs/prompts.md",
    "docs/memory.md",
    "docs/benchmark.md",
    "docs/recipes.md",
    "docs/hooks.md",
    "docs/housekeeping.md",
    "docs/hostile-input.md",
    "docs/folder-recipes.md",
    "docs/control.md",
)
"""Every bullet, table row and paragraph of these pages stands in the table."""

SECTIONS: Final = {
    "README.md": ("The first job", "What you drop, and what you get"),
    "docs/agents.md": ("Setting it up", "The tools", "What is refused"),
    "docs/monitoring.md": ("Without a server: node_exporter's textfile", "Over HTTP", "Who may ask"),
}
"""Of these pages, the sections."""

NO_PROMISES: Final = ("How the promise is tested", "What was run")
"""Sections that tell of tests and of figures."""


@cache
def claims() -> dict[str, dict[str, list[str]]]:
    """Page -> text -> tests."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def joined(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())


@cache
def page_text(page: str) -> str:
    return joined((ROOT / page).read_text(encoding="utf-8"))


def statements(page: str) -> Iterator[tuple[str, str]]:
    """The bullets, table rows (without their heads) and paragraphs of a page, each with the heading above it."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^\|.*\n\|[-|: ]+\|$", "", text, flags=re.MULTILINE)
    heading, block = "", ""
    for line in (*text.splitlines(), ""):
        begins_anew = not line.strip() or line.startswith(("#", "|", "- "))
        if begins_anew and block.strip():
            yield heading, joined(block)
        block = "" if begins_anew else block
        if line.startswith("#"):
            heading = line.lstrip("# ")
        else:
            block += " " + line.removeprefix("- ")


def statements_to_hold() -> Iterator[tuple[str, str]]:
    for page in (*WHOLE_PAGES, *SECTIONS):
        for heading, statement in statements(page):
            if heading not in NO_PROMISES and (page in WHOLE_PAGES or heading in SECTIONS[page]):
                yield page, statement


@cache
def places_of_tests() -> dict[str, list[str]]:
    """Name of a test -> the files that hold one of this name."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.setdefault(node.name, []).append(str(file.relative_to(ROOT)))
    return found


@pytest.mark.parametrize(("page", "claim"), [(page, claim) for page, table in claims().items() for claim in table])
def test_every_claim_stands_in_its_page_and_its_tests_exist(page: str, claim: str) -> None:
    assert claim in page_text(page), f"{page} says this no longer: change the claim, and look whether its tests hold it"
    for test in claims()[page][claim]:
        assert test.startswith(NOT_TESTED) or len(places_of_tests().get(test, ())) == 1, (
            f"{test}: there must be one test of this name: {places_of_tests().get(test)}"
        )


@pytest.mark.parametrize(("page", "statement"), sorted(set(statements_to_hold())))
def test_nothing_is_promised_that_no_test_is_named_for(page: str, statement: str) -> None:
    is_held = any(claim in statement for claim in claims()[page])
    assert is_held, f'add to tests/claims.toml, below ["{page}"]:\n\'{statement}\' = ["test_…"]'


def test_hardly_anything_is_promised_untested() -> None:
    excuses = [test for table in claims().values() for tests in table.values() for test in tests]
    assert sum(test.startswith(NOT_TESTED) for test in excuses) <= len(excuses) / 10


def test_every_mark_of_a_sync_tool_stands_in_the_page() -> None:
    rows = [line for line in (ROOT / "docs/sync-tools.md").read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    for mark, tools in TWO_WAY_SYNC_MARKS.items():
        told = next(row for row in rows if f"`{mark}`" in row)
        assert any(tool in told for tool in tools.split(" or ")), f"{mark}: {tools}"
