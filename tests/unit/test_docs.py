"""README.md and docs/: every key, command and message stands in its page, links resolve, examples parse."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel, ValidationError

from aura_daemon.cli.app import app
from aura_daemon.config.settings import Settings
from aura_daemon.formats import yaml_reader
from aura_daemon.formats.prompt_lists.foreign_settings import translated
from aura_daemon.formats.prompt_lists.prompt_flags import flags_in
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults, parse_defaults
from aura_daemon.jobfile.keys.output_name import FIELDS
from aura_daemon.jobfile.parser import ParsedFile
from aura_daemon.jobfile.prompt_lists import reading
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.schema import job_schema
from aura_daemon.jobs.sampling import NATIVE_512, Scheduler
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.ladder.rungs import Rung
from aura_daemon.watch import file_kinds

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MOST_README_LINES: Final = 150
LEAST_MESSAGES: Final = 30
LEAST_CHARACTERS: Final = 5
"""Of a part of a message that is looked for in the code."""

CATALOGUE: Final = Catalogue(
    models=("aura-mini", "sd-1.4"),
    loras=("ink",),
    controlnets=("canny", "openpose", "tile", "aura-mini"),
    adapters=("ip-adapter",),
    adapter="ip-adapter",
    wildcards={"animals": ("cat", "dog"), "sub/animals": ("eel",)},
    answers=True,
)
"""What the examples may name."""

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"``` (.+?) ```|`([^`]+)`")
_HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_PATH: Final = re.compile(r"`((?:[\w-]+/)+(?:[\w-]+\.(?:py|yaml))?|[\w-]+\.(?:py|toml))`")
"""A folder, or a file of the project, in a text."""


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A page without its examples."""
    return _FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """As GitHub names the headings of a page."""
    headings = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in _HEADING.findall(prose(text)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for target in _LINK.findall(prose(page.read_text(encoding="utf-8"))):
            if not re.match(r"https?:", target):
                yield str(page.relative_to(ROOT)), target


def examples() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for language, content in _FENCE.findall(page.read_text(encoding="utf-8")):
            if language == "yaml":
                yield str(page.relative_to(ROOT)), content


def job_keys() -> set[str]:
    return {key for job in job_schema()["anyOf"] for key in job["properties"]}


def config_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted; a section is named by its keys."""
    for key, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from config_keys(inner, f"{prefix}{key}.")
        else:
            yield prefix + key


def commands() -> set[str]:
    return {info.name or info.callback.__name__ for info in app.registered_commands if info.callback is not None}


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) <= MOST_README_LINES


def test_every_page_is_listed_in_the_readme() -> None:
    linked = {target.partition("#")[0] for page, target in links() if page == "README.md"}
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= linked


@pytest.mark.parametrize("key", sorted(job_keys()))
def test_every_key_of_a_job_has_its_place_and_an_example(key: str) -> None:
    page = text_of("docs/jobs.md")
    assert f"### `{key}`" in page
    section = page.partition(f"### `{key}`\n")[2].partition("\n###")[0]
    assert any(re.search(rf"^{key}:", content, re.MULTILINE) for _, content in _FENCE.findall(section))


@pytest.mark.parametrize("key", sorted(config_keys(Settings)))
def test_every_key_of_the_configuration_has_its_place(key: str) -> None:
    page = text_of("docs/configuration.md")
    assert (f"| `{key}` |" if "." in key else f"### `{key}`\n") in page
    assert any(
        re.search(rf"^ *{key.rpartition('.')[2]}:", content, re.MULTILINE) for _, content in _FENCE.findall(page)
    )


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_has_its_place(command: str) -> None:
    page = text_of("docs/commands.md")
    assert f"### `{command}`\n" in page
    assert re.search(rf"^aura-daemon {command}\b", page, re.MULTILINE)


def test_every_rung_has_its_place() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", text_of("docs/memory.md").partition("## The rungs")[2], re.MULTILINE)
    assert rows == list(Rung)


def test_every_field_of_a_result_name_has_its_place() -> None:
    assert [field for field in FIELDS if f"| `{{{field}}}` |" not in text_of("docs/jobs.md")] == []


def test_every_sampler_and_aspect_ratio_is_named() -> None:
    page = text_of("docs/jobs.md")
    assert [name for name in Scheduler if f"`{name}`" not in page] == []
    assert " ".join(ratio for ratio in NATIVE_512) in page


@pytest.mark.parametrize(("page", "target"), sorted(set(links())))
def test_every_link_leads_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
    assert file.exists()
    assert file.is_relative_to(ROOT)
    if anchor:
        assert anchor in anchors(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("page", "content"), list(examples()))
def test_every_example_is_valid(page: str, content: str) -> None:
    """The first line says what it is where it is no job file: `# config/aura.yaml`, `# inbox/x/_defaults.yaml`."""
    name = content.partition("\n")[0].removeprefix("# ")
    if name.endswith("aura.yaml"):
        (document,) = yaml_reader.parse(content.encode(), file=name, text_keys=frozenset())
        assert isinstance(document, yaml_reader.Document), document
        try:
            Settings(**document.mapping)  # type: ignore[arg-type]
        except ValidationError as error:
            pytest.fail(f"{page}: {error}")
    elif name.endswith("_defaults.yaml"):
        assert isinstance(parse_defaults(content.encode(), file=name, sha256=""), FolderDefaults)
    else:
        parsed = parse(SourceKind.JOB_FILE, content.encode(), file=page, catalogue=CATALOGUE)
        assert isinstance(parsed, ParsedFile), parsed


@pytest.mark.parametrize("language", ["txt", "csv", "json"])
def test_every_example_of_a_prompt_list_is_valid(language: str) -> None:
    found = [content for kind, content in _FENCE.findall(text_of("docs/prompt-lists.md")) if kind == language]
    assert found
    for content in found:
        name = f"list.{language}"
        kind = file_kinds.route(name, content.encode(), frozenset(Accept))
        assert kind in (SourceKind.PROMPT_TEXT, SourceKind.PROMPT_TABLE)
        parsed = reading.parse(kind, content.encode(), file=name, catalogue=CATALOGUE)
        assert isinstance(parsed, ParsedFile), parsed


def test_every_flag_in_the_table_becomes_the_key_of_its_row() -> None:
    table = text_of("docs/prompt-lists.md").partition("| key | AUTOMATIC1111 |")[2].partition("\n\n")[0]
    rows = [row for row in table.splitlines() if row.startswith("| [")]
    assert len(rows) >= 10
    for row in rows:
        keys, _, flags = row.strip("| ").partition(" | ")
        for flag in re.findall(r"`(--?[a-zA-Z_]+)`", flags):
            value = "ddim" if flag in ("-A", "--ss", "--sampler_name", "--scheduler") else "8"
            found = flags_in(f"a cat {flag} {value} -S 1" if flag not in ("-S", "--prompt") else f"{flag} 1 -S 1")
            assert found is not None, flag
            assert found.faults == (), flag
            known = translated(found.settings).keys.keys() - ({"prompt"} if flag != "--prompt" else set())
            assert any(f"`{key}`" in keys for key in known), flag


def paths_of_the_tree(tree: str) -> Iterator[str]:
    """The paths that an indented list of names means; `name/` is a folder."""
    folders: list[str] = []
    for line in tree.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        folders[depth:] = [name]
        yield "".join(folders)


def paths_of_the_architecture() -> list[str]:
    page = text_of("docs/architecture.md")
    trees = (content for _, content in _FENCE.findall(page))
    return sorted({*_PATH.findall(prose(page)), *(path for tree in trees for path in paths_of_the_tree(tree))})


@pytest.mark.parametrize("path", paths_of_the_architecture())
def test_every_path_in_the_architecture_exists(path: str) -> None:
    """A path counts from the root or from the package."""
    assert (ROOT / path).exists() or (ROOT / "aura_daemon" / path).exists()


@cache
def texts_of_the_code() -> str:
    """Every text in the package, `…` where a value is filled in."""
    found: list[str] = []
    for file in sorted((ROOT / "aura_daemon").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(re.sub(r"\{[^{}]*\}", "…", node.value))
    return "\n".join(found)


def messages() -> list[str]:
    """What `docs/troubleshooting.md` says that the program says."""
    rows = re.findall(r"^\| (`.+?) \| ", text_of("docs/troubleshooting.md"), re.MULTILINE)
    return [long or short for row in rows for long, short in _CODE.findall(row)]


def test_troubleshooting_knows_many_messages() -> None:
    assert len(messages()) >= LEAST_MESSAGES


@pytest.mark.parametrize("message", messages())
def test_every_message_is_one_of_the_code(message: str) -> None:
    parts = [part.strip(" ,;.()?`/") for part in re.split(r"…|[:;] |\d+", message)]
    long = [part for part in parts if len(part) >= LEAST_CHARACTERS]
    assert long, "too short to be found"
    assert [part for part in long if part not in texts_of_the_code()] == []


def test_every_module_stands_in_the_tree_of_the_architecture() -> None:
    trees = (content for _, content in _FENCE.findall(text_of("docs/architecture.md")))
    named = {path for tree in trees for path in paths_of_the_tree(tree)}
    modules = {file.relative_to(ROOT).as_posix() for file in (ROOT / "aura_daemon").rglob("*.py")}
    told_as_folders = ("aura_daemon/bench/", "aura_daemon/training/")
    missing = {name for name in modules - named if not name.startswith(told_as_folders)}
    assert {name for name in missing if not name.endswith("__init__.py")} == set()
