"""What a plain scalar means."""

import math

import pytest

from aura_daemon.formats.yaml_scalars import resolved
from tests.unit.formats.test_yaml_reader import documents


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16:9", "16:9"),
        ("1:1", "1:1"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("1984", 1984),
        ("0777", 777),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5E-1", -0.15),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01 10:00:00", "2026-01-01 10:00:00"),
        ("1_000", "1_000"),
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("", None),
        ("nULL", "nULL"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        (".", "."),
        ("=", "="),
        ("9" * 401, "9" * 401),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert resolved(text) == value
    assert type(resolved(text)) is type(value)
    assert documents(f"key: {text}\n")[0].mapping["key"] == value


def test_not_a_number_is_a_number() -> None:
    value = resolved(".nan")
    assert isinstance(value, float)
    assert math.isnan(value)
