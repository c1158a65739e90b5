"""The table of what maps cost."""

from __future__ import annotations

from tests.peers.controlled_rows import HEAD, ControlledRow


def test_a_row_says_how_far_the_prediction_is_off_and_what_plain_diffusers_took() -> None:
    row = ControlledRow(
        what="1 ControlNet",
        size="512x512",
        rung="cpu",
        step_s=9.0,
        peak_bytes=4 << 30,
        expected_bytes=5 << 30,
        plain_s=10.0,
        ratio=0.9,
        off=0.004,
        plain_peak_bytes=6 << 30,
    )
    assert row.line() == (
        "| 1 ControlNet | 512x512 | cpu | 9.00 s | 10.0 s | 0.90 | 0.00 | 4.00 GiB | 5.00 GiB (1.25) | 6.00 GiB |"
    )
    assert row.line().count("|") == HEAD.partition("\n")[0].count("|")
