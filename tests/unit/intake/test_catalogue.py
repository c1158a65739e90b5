"""The folders of word lists and LoRAs: what is in them now, and what of it cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aura_daemon.config.settings import GenerateConfig
from aura_daemon.intake.catalogue import MOST_BYTES, CatalogueReader, WordLists
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.keys.types import MOST_PROMPT_CHARACTERS
from aura_daemon.jobs.guidance.controls import CONTROLNETS, EMBEDDED_READS

MINI = (*EMBEDDED_READS, "aura-mini")
"""ControlNets that fit aura-mini."""


def test_each_text_file_is_a_list_of_the_lines_that_say_something(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "animals.txt").write_bytes("\ufeffcat\r\n\n  # pets\n dög # mine\n{a|b}".encode())
    (tmp_path / "sub" / "my colours.TXT").write_bytes("red\n".encode("utf-16"))
    (tmp_path / ".hidden" / "a.txt").write_text("x")
    (tmp_path / "notes.md").write_text("x")
    found = WordLists(tmp_path).now()
    assert found == ({"animals": ("cat", "dög", "{a|b}"), "sub/my colours": ("red",)}, {})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x\n" * (MOST_BYTES // 2 + 1), "it has more than 1,048,576 bytes"),
        (b"\xff\xfa", "it is no text: save it as UTF-8"),
        (b"a\0b", "it is no text"),
        (b"\n# nothing\n", "it holds no line"),
        (b"x" * (MOST_PROMPT_CHARACTERS + 1), "it holds a line of more than 10,000 characters"),
    ],
)
def test_a_list_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    lists, unusable = WordLists(tmp_path).now()
    assert lists == {}
    assert unusable["list"].startswith(reason)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.txt").write_text("the key")
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "key.txt").symlink_to(tmp_path / "secret" / "key.txt")
    (folder / "all").symlink_to(tmp_path / "secret")
    assert WordLists(folder).now() == ({}, {"key": "it is a link or no regular file; only those are opened"})


def test_a_list_is_read_once_for_every_state_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    open_file = os.open

    def noted(path: Path, flags: int) -> int:
        reads.append(path.name)
        return open_file(path, flags)

    monkeypatch.setattr(os, "open", noted)
    lists = WordLists(tmp_path)
    place = tmp_path / "a.txt"
    place.write_text("one")
    assert lists.now() == lists.now() == ({"a": ("one",)}, {})
    place.write_text("two")
    os.utime(place, ns=(5, 5))
    assert lists.now() == ({"a": ("two",)}, {})
    place.unlink()
    assert lists.now() == ({}, {})
    assert reads == ["a.txt", "a.txt"]


def test_the_catalogue_is_what_the_configuration_allows_now(tmp_path: Path) -> None:
    for name in ("loras/ink.safetensors", "loras/sub/Grain.SafeTensors", "loras/readme.md", "words/animals.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("cat\n")
    configured = GenerateConfig(
        model="sd-1.4", models=("aura-mini", "sd-1.4"), loras=tmp_path / "loras", wildcards=tmp_path / "words"
    )
    reader = CatalogueReader(configured)
    assert reader.now() == Catalogue(
        models=("sd-1.4", "aura-mini"),
        loras=("ink", "sub/Grain"),
        controlnets=(*CONTROLNETS, "aura-mini"),
        adapters=("ip-adapter",),
        adapter="ip-adapter",
        wildcards={"animals": ("cat",)},
    )
    (tmp_path / "loras" / "ink.safetensors").unlink()
    assert reader.now().loras == ("sub/Grain",)
    assert CatalogueReader(GenerateConfig()).now() == Catalogue(
        models=("aura-mini",), controlnets=MINI, adapters=("ip-adapter",), adapter="ip-adapter"
    )
    assert CatalogueReader(GenerateConfig(), answers=True).now().answers
    away = GenerateConfig(loras=tmp_path / "away", wildcards=tmp_path / "away")
    assert CatalogueReader(away).now() == Catalogue(
        models=("aura-mini",), controlnets=MINI, adapters=("ip-adapter",), adapter="ip-adapter"
    )


def test_adapters_are_files_and_one_on_the_hub_has_a_short_name(tmp_path: Path) -> None:
    (tmp_path / "sub" / "image_encoder").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name in (
        "style.safetensors",
        "sub/Plus.SAFETENSORS",
        "sub/image_encoder/model.safetensors",
        ".hidden/a.safetensors",
    ):
        (tmp_path / name).touch()
    several = CatalogueReader(GenerateConfig(adapters=tmp_path)).now()
    assert (several.adapters, several.adapter) == (("style", "sub/Plus", "ip-adapter"), None)
    assert CatalogueReader(GenerateConfig(adapters=tmp_path, adapter="style")).now().adapter == "style"
    (tmp_path / "style.safetensors").unlink()
    assert CatalogueReader(GenerateConfig(adapters=tmp_path)).now().adapter == "sub/Plus"
    none = CatalogueReader(GenerateConfig()).now()
    assert (none.adapters, none.adapter) == (("ip-adapter",), "ip-adapter")
