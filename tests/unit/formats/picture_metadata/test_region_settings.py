"""The regions of a picture in its text, and back."""

from __future__ import annotations

import pytest

from aura_daemon.formats.picture_metadata.infotext import parse
from aura_daemon.formats.picture_metadata.region_settings import read_regions, written_regions
from aura_daemon.jobs.guidance.regions import Region
from tests.unit.formats.picture_metadata.test_infotext import changed, keys_of, written

BOXED = (
    Region(prompt='a "red": circle,\nleft', box=(0.0, 0.0, 0.5, 1.0)),
    Region(prompt="ein grüner Stern", box=(0.5, 0.0, 1.0, 1.0), weight=0.75),
)
MASKED = (*BOXED, Region(prompt="x", mask="private/m.png"))


def test_boxes_come_back() -> None:
    assert keys_of(written(changed(regions=BOXED)))["regions"] == [
        {"prompt": 'a "red": circle,\nleft', "weight": 1.0, "box": [0.0, 0.0, 0.5, 1.0]},
        {"prompt": "ein grüner Stern", "weight": 0.75, "box": [0.5, 0.0, 1.0, 1.0]},
    ]
    settings = parse(written(changed(regions=BOXED)))
    assert settings is not None
    assert settings.lost == ()


def test_masks_do_not_and_that_is_said() -> None:
    text = written(changed(regions=MASKED))
    assert "private" not in text
    settings = parse(text)
    assert settings is not None
    assert "regions" not in settings.keys
    assert settings.lost == ("its regions have masks, which it does not hold: it is drawn without regions",)


def test_a_picture_without_regions_has_no_such_setting() -> None:
    assert written_regions(()) == ""
    assert "Regions" not in written(changed())


@pytest.mark.parametrize("text", ["", "left and right", "{}", "[1]", '{"a": 1}', "[" * 100_000])
def test_what_another_program_calls_so_is_a_setting_that_is_lost(text: str) -> None:
    assert read_regions(text) is None


def test_a_foreign_setting_of_that_name_is_told() -> None:
    settings = parse(written(changed()) + ", Regions: 2")
    assert settings is not None
    assert settings.lost == ("settings that have no counterpart here were left out: Regions: 2",)
