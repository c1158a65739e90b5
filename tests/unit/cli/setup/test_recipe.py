"""`recipe`: listed, shown, installed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from aura_daemon.cli.setup.recipe import recipe
from aura_daemon.cli.shell.completing import recipes
from aura_daemon.config.recipes_shipped import shipped
from aura_daemon.errors import UserError
from aura_daemon.jobfile.folder_defaults import FolderDefaults, parse_defaults


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("AURA_INBOX", "in")
    monkeypatch.setenv("AURA_OUTBOX", "out")
    return tmp_path / "in"


@pytest.mark.parametrize("name", [one.name for one in shipped()])
def test_every_recipe_is_valid_and_says_what_it_does(name: str) -> None:
    (found,) = [one for one in shipped() if one.name == name]
    assert isinstance(parse_defaults(found.text.encode(), file=name, sha256=""), FolderDefaults)
    assert found.text.startswith("# ")
    assert found.summary.endswith(".")
    assert max(map(len, found.text.splitlines())) <= 120


def test_recipes_are_packed_with_the_program() -> None:
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text(encoding="utf-8"))
    assert "recipes/*.yaml" in project["tool"]["setuptools"]["package-data"]["aura_daemon.config"]


def test_recipes_are_listed_in_a_table_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert recipe("list", None, None, None) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-2]] == [one.name for one in shipped()]
    assert len({line.index(one.summary) for line, one in zip(lines, shipped(), strict=False)}) == 1
    assert max(map(len, lines)) <= 120
    assert recipe("show", "restyle", None, None) == 0
    assert capsys.readouterr().out == next(one.text for one in shipped() if one.name == "restyle")
    assert [name for name, _ in recipes("re")] == ["regenerate", "restyle"]


@pytest.mark.parametrize("folder", ["photos/oil", "in/photos/oil", "./in/photos/oil"])
def test_a_recipe_is_installed_into_a_folder_of_the_inbox(
    inbox: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    inbox.mkdir()
    assert recipe("install", "restyle", folder, None) == 0
    place = inbox / "photos" / "oil"
    assert (place / "_defaults.yaml").read_text(encoding="utf-8") == next(
        one.text for one in shipped() if one.name == "restyle"
    )
    assert [path.name for path in inbox.iterdir()] == ["photos"]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{place / '_defaults.yaml'}: restyle"
    assert said[1] == f"Drop files into {place}; what comes of them lies in {inbox.parent / 'out' / 'photos' / 'oil'}."


@pytest.mark.parametrize(
    ("name", "folder", "words"),
    [
        (None, None, "which recipe? There are caption-for-training, colour-a-drawing,"),
        ("restile", "x", "there is no recipe restile; caption-for-training, .*; did you mean `restyle`?"),
        ("restyle", None, "into which folder of the inbox? `aura-daemon recipe install NAME FOLDER`"),
        ("restyle", "../x", r"\.\./x is no folder that is read below the inbox"),
        ("restyle", "/etc", "/etc is no folder that is read below the inbox"),
        ("restyle", "failed", "failed is no folder that is read below the inbox"),
        ("restyle", " ", "is no folder that is read below the inbox"),
        (
            "restyle",
            "old",
            "_defaults.yaml is there already, and stays as it is: add to it what `aura-daemon",
        ),
        ("restyle", "file", "file cannot be written: "),
    ],
)
def test_what_cannot_be_installed_gets_one_line_with_the_mend(
    inbox: Path, name: str | None, folder: str | None, words: str
) -> None:
    (inbox / "old").mkdir(parents=True)
    (inbox / "old" / "_defaults.yaml").write_text("steps: 3\n", encoding="utf-8")
    (inbox / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=words.replace("?", r"\?").replace("(", r"\(")):
        recipe("install", name, folder, None)
    assert (inbox / "old" / "_defaults.yaml").read_text(encoding="utf-8") == "steps: 3\n"
