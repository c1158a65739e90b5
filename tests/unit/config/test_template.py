"""The shipped configuration with other values."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from aura_daemon.config.loading import load
from aura_daemon.config.template import with_values
from tests.support.programs import ROOT

SHIPPED = ROOT / "config" / "aura.yaml"


def test_only_the_named_values_and_the_top_differ_from_the_shipped_file() -> None:
    text = with_values({"inbox": "/in", "caption.model": "blip-base"}, head="Mine.\nReally.")
    lines, shipped = text.splitlines(), SHIPPED.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["# Mine.", "# Really.", ""]
    shipped = shipped[shipped.index("") :]
    changed = [(before, after) for before, after in zip(shipped, lines[2:], strict=True) if before != after]
    assert changed == [("inbox: inbox", "inbox: /in"), ("  model: aura-mini", "  model: blip-base")]
    assert yaml.safe_load(text)["generate"]["model"] == "aura-mini"


@pytest.mark.parametrize("value", ["/a b", "/a: b", "/a #b", "/ünï/c'd", '/"x"', "/{x}", "/1e3", "/\\1"])
def test_any_path_is_read_back_as_it_was_given(tmp_path: Path, value: str) -> None:
    file = tmp_path / "aura.yaml"
    file.write_text(with_values({"inbox": value}, head="x"), encoding="utf-8")
    assert str(load(file).settings.inbox) == value


def test_there_is_one_template() -> None:
    assert (ROOT / "aura_daemon" / "config" / "aura.yaml").resolve() == SHIPPED.resolve()
