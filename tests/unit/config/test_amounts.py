"""Ages and sizes: what people write, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from aura_daemon.config.amounts import bytes_of, no_boolean, seconds_of
from aura_daemon.config.housekeeping import HooksConfig, KeptFor, RetentionConfig
from aura_daemon.config.loading import load
from aura_daemon.errors import UserError

DAY_S = 86_400


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30d", 30 * DAY_S), ("30 days", 30 * DAY_S), ("1 day", DAY_S), ("2w", 14 * DAY_S), ("2 weeks", 14 * DAY_S),
        ("1.5h", 5400), ("90min", 5400), ("90 minutes", 5400), ("90m", 5400), ("5s", 5), ("1y", 365.25 * DAY_S),
        ("3 years", 3 * 365.25 * DAY_S), ("12 hours", 12 * 3600), (" 7D ", 7 * DAY_S), (None, None),
    ],
)  # fmt: skip
def test_an_age_is_a_number_and_a_unit(written: object, seconds: float | None) -> None:
    assert seconds_of(written) == seconds


@pytest.mark.parametrize("written", [30, "30", "d", "", "-1d", "0d", "3 moons", True, ["1d"]])
def test_what_is_no_age_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValueError, match="an age such as 30d"):
        seconds_of(written)


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("10 GB", 10 * 10**9), ("10GiB", 10 * 2**30), ("1.5 MB", 1_500_000), ("500kb", 500_000), ("7 B", 7), ("7", 7),
        ("2TB", 2 * 10**12), (0, 0), (123, 123), (None, None),
    ],
)  # fmt: skip
def test_a_size_is_a_number_and_a_unit(written: object, count: int | None) -> None:
    assert bytes_of(written) == count


@pytest.mark.parametrize("written", ["lots", "10 XB", -1, True, 1.5, ""])
def test_what_is_no_size_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValueError, match="a size such as 10 GB"):
        bytes_of(written)


def test_a_boolean_is_no_number() -> None:
    assert no_boolean(1) == 1
    with pytest.raises(ValueError, match="must be a number"):
        no_boolean(True)


def test_nothing_goes_unless_it_is_said() -> None:
    assert not any(kept.is_limited for kept in dict(RetentionConfig()).values())
    assert KeptFor(age="1d").is_limited  # type: ignore[arg-type]
    assert KeptFor(size=0).is_limited


def test_a_hook_is_a_list_and_no_line_for_a_shell() -> None:
    with pytest.raises(ValidationError):
        HooksConfig(on_done="notify me")  # type: ignore[arg-type]


def test_an_age_in_a_file_and_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aura.yaml").write_text("retention:\n  archive: {age: 30d}\n  failed: {size: 1 GB}\n", encoding="utf-8")
    monkeypatch.setenv("AURA_RETENTION__ARCHIVE__SIZE", "5 GB")
    retention = load(tmp_path / "aura.yaml").settings.retention
    assert (retention.archive.age, retention.archive.size) == (30 * DAY_S, 5 * 10**9)
    assert (retention.failed.age, retention.failed.size) == (None, 10**9)
    (tmp_path / "aura.yaml").write_text("retention:\n  archive: {age: 30}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"yaml:2: retention.archive.age: must be an age such as 30d.*\(given: 30\)"):
        load(tmp_path / "aura.yaml")
