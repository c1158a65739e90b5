"""Every key, command, option, file and variable that a message of the package names exists.

A message is a text with a space in it, anywhere in the package but in docstrings, SQL and `training`. What it names is
looked for in backticks, behind words like "set" and "raise", and by its form (`snake_case`, `section.key`,
`UPPER_CASE`, `--option`).
"""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from aura_daemon.cli.app import app
from aura_daemon.config.engine import ALIASES, EMBEDDED
from aura_daemon.config.settings import Settings
from aura_daemon.file_names import FAILED_FOLDER, GALLERY_FOLDER, OWN_FOLDER
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, JOB_FILE_EXTENSIONS
from aura_daemon.gallery.paging import INDEX
from aura_daemon.jobfile.folder_defaults import FILE_NAME as FOLDER_DEFAULTS
from aura_daemon.jobfile.schema import job_schema
from aura_daemon.mcp_server.tools import TOOLS

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "aura_daemon"
LEAST_MESSAGES: Final = 400

ELSEWHERE: Final = {
    # what other programs call their things
    "OOMPolicy=continue": "a setting of systemd",
    "MemoryDenyWriteExecute=yes": "a setting of systemd",
    "ProcSubset=pid": "a setting of systemd",
    "NOTIFY_SOCKET": "a variable of systemd",
    "XDG_RUNTIME_DIR": "a variable of a session",
    "systemd=true": "a setting of WSL2",
    "systemctl cat": "a command of systemd",
    "loginctl enable-linger": "a command of systemd",
    "useradd --system …": "a command of the shell",
    "--home-dir": "an option of useradd",
    "--shell": "an option of useradd",
    "chown -R": "a command of the shell",
    "python3 -m venv /opt/aura-daemon": "a command of the shell",
    "nvidia-smi": "a command of NVIDIA's driver",
    "fs.file": "a setting of the kernel, `fs.file-max`",
    "constraints.txt": "a file of the project",
    "AF_UNIX": "a family of addresses",
    "AF_INET": "a family of addresses",
    "AF_INET6": "a family of addresses",
    "memory.oom.group": "a file of a control group",
    "fs.inotify.max_user_watches": "a setting of the kernel",
    "fs.inotify.max_user_instances": "a setting of the kernel",
    "hf auth login": "a command of huggingface_hub",
    "hf download …": "a command of huggingface_hub",
    "mkdir -p … && touch …": "commands of the shell",
    "--force-reinstall": "an option of pip",
    "config.json": "a file of a model, as transformers writes it",
    "model_index.json": "a file of a model, as diffusers writes it",
    "aura.json": "the file that tells aura-mini from other models",
    "sm_86": "a compute capability of NVIDIA's",
    "chmod +x": "a command of the shell",
    "--url": "an option of a hook that is shipped",
    "--secret-file": "an option of a hook that is shipped",
    "aura_daemon.hooks.webhook": "a module, run as a program",
    "AURADAEMON_TITLE": "a variable of a hook that is shipped",
    "AURADAEMON_TEXT": "a variable of a hook that is shipped",
    "sys.argv": "Python, in a program that `bench` starts",
    "sys.exit": "Python, in a program that `bench` starts",
    "parse": "a function, in an exception for programmers",
    "chmod o= …": "a command of the shell",
    "chmod u+… …": "a command of the shell",
    "chown … …": "a command of the shell",
    "setfacl -m u:…:… …": "a command of the shell",
    "setfacl -m u:…:x …": "a command of the shell",
    "root_squash": "an option of NFS servers",
    "openssl rand -hex 32": "a command of OpenSSL",
    "node_exporter": "a program of Prometheus",
    "HF_ENDPOINT": "a variable of huggingface_hub",
    "HF_HOME": "a variable of huggingface_hub",
    "HF_HUB_OFFLINE": "a variable of huggingface_hub",
    "HF_TOKEN": "a variable of huggingface_hub",
    "CUDNN_STATUS_NOT_SUPPORTED": "a text of cuDNN",
    "set/**": "an example of a pattern for `images`",
    "*.jpg": "an example of a pattern for `images`",
    "metadata.jsonl": "the list of a set of pictures, as Hugging Face reads it",
    "RAY_AUTH_MODE": "a variable of Ray",
    "RAY_REDIS_ADDRESS": "a variable of Ray",
    "RAY_USE_TLS": "a variable of Ray",
    "ray status": "a command of Ray",
    "ray start --address=… --num-cpus=0 --num-gpus=0": "a command of Ray",
    # our own
    "key: value": "stands for any key",
    "memory for …": "the name of a hold-up in the health document",
    "photos/*.jpg": "an example of a pattern",
}
"""Names that stand in messages and are no key, command or file of ours, each with what it is."""

OF_NEIGHBOURS: Final = frozenset(
    [
        "AND",
        "animals",
        "prompts",
        "sampler_name",
        "enable_hr",
        "hr_scale",
        "batch_size",
        "n_iter",
        "cfg_scale",
        "neg_prompt",
        "--prompt",
        "--negative_prompt",
    ]
)
"""Words of AUTOMATIC1111 and others, and of their examples, that a message may quote to say what is meant here."""

_SMALL_WORDS: Final = frozenset(
    [
        "a",
        "an",
        "and",
        "as",
        "be",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "so",
        "that",
        "the",
        "to",
        "with",
    ]
)

_BACKTICKS: Final = re.compile(r"`([^`]+)`")
_SQL: Final = re.compile(
    r"[\s…]*(SELECT|CREATE|INSERT|UPDATE|DELETE|ALTER|PRAGMA|DROP|AND|BEGIN|FROM|ORDER|WHERE|CAST)\b"
)
_SNAKE: Final = re.compile(r"(?<![\w.$/…-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w(./])")
_DOTTED: Final = re.compile(r"(?<![\w./…-])[a-z][a-z_]*(?:\.[a-z][a-z_]*)+(?![\w(/])")
_SET: Final = re.compile(r"\b(?:[Ss]et|[Rr]aise|[Ll]ower|[Uu]nset|[Cc]orrect) ([a-z_.]*[a-z]: \w+)")
_VARIABLE: Final = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_OPTION: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_NAME: Final = re.compile(r"[a-z][a-z0-9_+]*(?:\.[a-z0-9_]+)*")


def messages_of(source: str) -> Iterator[tuple[int, str]]:
    """The lines and texts of a module, `…` where a value is filled in."""
    tree = ast.parse(source)
    parts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values),
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value


@cache
def messages() -> tuple[tuple[str, str], ...]:
    """Every message with its place."""
    return tuple(
        (f"{file.relative_to(ROOT)}:{line}", text)
        for file in sorted(PACKAGE.rglob("*.py"))
        if "training" not in file.parts
        for line, text in messages_of(file.read_text(encoding="utf-8"))
        if " " in text.strip() and not _SQL.match(text) and not is_table(text)
    )


def is_table(text: str) -> bool:
    """Whether a text is a row of words for a table (`"sampler sampler_name sampling".split()`), and no sentence."""
    words = text.split()
    return all(re.fullmatch(r"[a-z0-9_+-]+", word) for word in words) and _SMALL_WORDS.isdisjoint(words)


@cache
def commands() -> dict[str, frozenset[str]]:
    """Every command with its options."""
    group: Any = typer.main.get_command(app)
    return {
        name: frozenset(
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        )
        for name, command in group.commands.items()
    }


@cache
def config_keys() -> frozenset[str]:
    """As the file names them: `deadline`, `limits`, `limits.image_bytes`; a key of a section never stands alone."""

    def below(model: Any, prefix: str) -> Iterator[str]:
        for key, field in getattr(model, "model_fields", {}).items():
            yield f"{prefix}{key}"
            yield from below(field.annotation, f"{prefix}{key}.")

    return frozenset(below(Settings, ""))


@cache
def job_keys() -> frozenset[str]:
    """The keys of a job, and those of the mappings in it (`scale`, `weight`)."""
    schema = job_schema()
    parts = (*schema["anyOf"], *schema.get("$defs", {}).values())
    inner = (choice for part in parts for choice in part.get("anyOf", ()))
    return frozenset(key for part in (*parts, *inner) for key in part.get("properties", {}))


def choices_in(schema: Any) -> Iterator[str]:
    """Every word that a published schema allows as a value."""
    if isinstance(schema, dict):
        yield from (str(choice) for choice in (*schema.get("enum", ()), schema.get("const", "")))
        for part in schema.values():
            yield from choices_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from choices_in(part)


@cache
def choices() -> frozenset[str]:
    """What may be said of a key: `caption`, `euler_a`, `keep`."""
    return frozenset((*choices_in(job_schema()), *choices_in(Settings.model_json_schema()), "regenerate"))


@cache
def tools() -> frozenset[str]:
    """The tools for agents, and what they take: `wait`, `timeout_s`."""
    return frozenset(name for tool in TOOLS for name in (tool.name, *tool.question.model_fields))


def is_known(name: str) -> bool:
    """Whether something that a message names is there."""
    words = {*choices(), *tools(), "retry", "cancel"}
    files = {*IMAGE_EXTENSIONS, *JOB_FILE_EXTENSIONS, ".txt", ".json", ".safetensors", f"{FAILED_FOLDER}/", OWN_FOLDER}
    files |= {INDEX, f"{GALLERY_FOLDER}/"}
    if name in files or name == FOLDER_DEFAULTS or name in {EMBEDDED, *ALIASES, *ELSEWHERE} or name in OF_NEIGHBOURS:
        return True
    if not re.search(r"[A-Za-z]", name):  # `{`, `---`, `..`
        return True
    if name.startswith("aura-daemon "):
        return is_command(name)
    if name.startswith("make "):
        return re.search(rf"^{name.removeprefix('make ')}:", (ROOT / "Makefile").read_text(), re.MULTILINE) is not None
    if name.startswith("docs/"):
        return (ROOT / name).exists()
    if name.startswith("pip install "):
        return is_installable(name.removeprefix("pip install ").strip('"'))
    if name.startswith(("{", "\\", "<", "[", "(", "*", "_", "${", "…")):  # signs of prompts and of YAML
        return True
    key = name.partition(":")[0]
    return _NAME.fullmatch(key) is not None and key in job_keys() | config_keys() | words


def is_installable(name: str) -> bool:
    """Whether a package is one that the project needs, or the project itself with an extra that it has."""
    text = (ROOT / "pyproject.toml").read_text()
    extra = re.fullmatch(r"aura-daemon\[(\w+)\]", name)
    return name in text if extra is None else extra[1] in tomllib.loads(text)["project"]["optional-dependencies"]


def is_command(line: str) -> bool:
    """Whether `aura-daemon retry …` could be typed."""
    _, command, *arguments = shlex.split(line)
    options = {argument for argument in arguments if argument.startswith("-")}
    return command in commands() and options <= commands()[command]


def unknown_names(text: str) -> list[str]:
    """What a message names that is nowhere."""
    quoted = _BACKTICKS.findall(text)
    bare = _BACKTICKS.sub("", text)
    forms = (_SNAKE, _DOTTED, _SET, _VARIABLE)
    found = [*quoted, *(name for form in forms for name in form.findall(bare))]
    options = frozenset().union(*commands().values(), ELSEWHERE)
    unknown = [name for name in found if not is_known(name) and not name.startswith("AURA_")]
    return [*unknown, *(name for name in _OPTION.findall(bare) if name not in options)]


def test_messages_are_found() -> None:
    assert len(messages()) >= LEAST_MESSAGES


def test_every_key_command_and_file_that_a_message_names_exists() -> None:
    unknown = [f"{place}: {name} in: {text}" for place, text in messages() for name in unknown_names(text)]
    assert unknown == []


def test_no_excuse_is_left_over() -> None:
    used = "\n".join(text for _, text in messages())
    assert [name for name in ELSEWHERE if name not in used] == []


def test_every_setting_in_the_pages_exists() -> None:
    """`key: value` in the running text; the examples are held by `test_docs`."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    settings = [
        (page.name, code)
        for page in pages
        for code in _BACKTICKS.findall(re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))
        if re.fullmatch(r"[a-z_.]+: [\w.-]+", code)
    ]
    assert len(settings) > 10
    assert [(page, code) for page, code in settings if not is_known(code)] == []


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("save it smaller, or raise max_image_bytes", ["max_image_bytes"]),
        ("save it smaller, or raise limits.image_bytes", []),
        ("raise limits.image_byte or `limits.image_pixels`", ["limits.image_byte"]),
        ("set allow_pickle: true", ["allow_pickle", "allow_pickle: true"]),
        ("set device: auto", []),
        ("correct `revision`, or leave it out", ["revision"]),
        ("`aura-daemon redo …` runs it", ["aura-daemon redo …"]),
        ("`aura-daemon retry …` runs it", []),
        ("`aura-daemon doctor --plan 64x64` or `aura-daemon doctor --plans`", ["aura-daemon doctor --plans"]),
        ("give --config, not --configuration", ["--configuration"]),
        ("see `docs/nothing.md` or docs/jobs.md in `docs/jobs.md`", ["docs/nothing.md"]),
        ("put it into `failed/` or `lost/`", ["lost/"]),
        ("set HF_HOME or HF_HOUSE", ["HF_HOUSE"]),
        ("`keep` it, `euler_a` or `kept`", ["kept"]),
        ("`pip install pillow` or `pip install pilow`", ["pip install pilow"]),
    ],
)
def test_an_unknown_name_is_found(text: str, unknown: list[str]) -> None:
    assert sorted(unknown_names(text)) == sorted(unknown)
