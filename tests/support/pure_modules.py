"""Prints where the tests of the contract "pure" are, and without `--tests` also its modules, for `make coverage`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pure_modules() -> list[str]:
    """The packages and modules that the import contract calls pure."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["id"]: contract for contract in project["tool"]["importlinter"]["contracts"]}
    modules: list[str] = contracts["pure"]["source_modules"]
    return modules


def tests_of(module: str) -> Path | None:
    """The folder or file that tests a module or package; None where others test it along."""
    place = Path("tests/unit", *module.split(".")[1:])
    file = place.with_name(f"test_{place.name}.py")
    return next((found for found in (place, file) if (ROOT / found).exists()), None)


def main() -> None:
    modules = pure_modules()
    tests = sorted({str(found) for module in modules if (found := tests_of(module)) is not None})
    print(*tests, *(f"--cov={module}" for module in modules if sys.argv[1:] != ["--tests"]))


if __name__ == "__main__":
    main()
