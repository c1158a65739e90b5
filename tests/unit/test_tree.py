"""The tree: no name stands twice, and no list of packages in the contracts has a hole."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import grimp

from tests.conftest import LONG

ROOT = Path(__file__).parents[2]
WITH_TORCH = {"engines", "mini", "training"}


def contracts() -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in project["tool"]["importlinter"]["contracts"]}


def test_every_package_is_in_the_layers_and_free_of_torch_but_for_those_that_compute() -> None:
    layers = {name for layer in contracts()["layers"]["layers"] for name in layer.split(" | ")}
    without_torch = {name.removeprefix("aura_daemon.") for name in contracts()["no-torch"]["source_modules"]}
    assert without_torch == layers - WITH_TORCH
    found = {file.stem for file in (ROOT / "aura_daemon").glob("*.py")} | {
        folder.name for folder in (ROOT / "aura_daemon").iterdir() if (folder / "__init__.py").exists()
    }
    assert layers == found - {"__init__"}


def test_what_is_pure_exists() -> None:
    for name in contracts()["pure"]["source_modules"]:
        place = ROOT / Path(*name.split("."))
        assert place.is_dir() or place.with_suffix(".py").exists(), name


def test_no_class_name_stands_twice() -> None:
    names = Counter(
        node.name
        for file in (ROOT / "aura_daemon").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_no_folder_holds_more_files_than_a_reader_takes_in() -> None:
    crowded = {
        str(folder.relative_to(ROOT)): len(files)
        for folder in (ROOT / "aura_daemon").rglob("*")
        if folder.is_dir() and len(files := list(folder.glob("*.py"))) > 15
    }
    assert crowded == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("aura_daemon")
    TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()


def test_the_test_files_that_run_first_exist() -> None:
    assert [file for file in LONG if not (ROOT / file).is_file()] == []


def test_what_tests_and_checks_import_of_this_project_is_there() -> None:
    """Checks that need a GPU or root run seldom: a module that was moved would be noticed by nobody."""
    lost = [
        f"{file.relative_to(ROOT)}: {node.module}"
        for file in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("aura_daemon", "tests")
        if not any((ROOT / f"{node.module.replace('.', '/')}{end}").exists() for end in (".py", "/__init__.py"))
    ]
    assert lost == []
