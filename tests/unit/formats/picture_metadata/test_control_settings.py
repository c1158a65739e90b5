"""Maps in an infotext: as A1111's extension writes them, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.picture_metadata.control_settings import read_controls
from aura_daemon.formats.picture_metadata.infotext import parse
from aura_daemon.jobs.guidance.controls import Control, ControlledPass, ControlMode, Preparation
from tests.unit.formats.picture_metadata.test_infotext import MADE, changed, keys_of, written

POSE = Control(image="pose.png", model="openpose", weight=0.8, end=0.5, mode=ControlMode.PROMPT)
PLAIN = {"weight": 1.0, "start": 0.0, "end": 1.0, "mode": "balanced", "prepare": "none", "hires": "both"}


def said(control: Control) -> dict[str, object]:
    """What a picture says of a map: all but its name."""
    keys = ("model", "weight", "start", "end", "mode", "prepare", "hires")
    return {key: getattr(control, key) for key in keys}


def test_it_is_written_as_the_extension_writes_it() -> None:
    assert (
        'ControlNet 0: "Module: none, Model: openpose, Weight: 0.8, Resize Mode: Crop and Resize, Guidance Start: 0, '
        'Guidance End: 0.5, Pixel Perfect: True, Control Mode: My prompt is more important, Hr Option: Both"'
    ) in written(changed(control=(POSE,)))


@given(
    st.lists(
        st.builds(
            Control,
            image=st.just("x.png"),
            model=st.sampled_from(["canny", "aura-mini", "sub/my pose"]),
            weight=st.sampled_from([0.0, 0.35, 1.0, 2.0]),
            start=st.sampled_from([0.0, 0.25]),
            end=st.sampled_from([0.5, 1.0]),
            mode=st.sampled_from(ControlMode),
            prepare=st.sampled_from(Preparation),
            hires=st.sampled_from(ControlledPass),
        ),
        max_size=4,
    )
)
def test_all_but_the_images_comes_back(controls: list[Control]) -> None:
    keys = keys_of(written(changed(control=tuple(controls))))
    assert keys.get("control", []) == [said(control) for control in controls]
    found = parse(written(changed(control=tuple(controls))))
    assert found is not None
    assert found.lost == ()


@pytest.mark.parametrize(
    ("value", "keys", "lost"),
    [
        (
            "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 1.0, Resize Mode: Crop and Resize, "
            "Processor Res: 512, Threshold A: 100.0, Threshold B: 200.0, Guidance Start: 0.0, Guidance End: 1.0, "
            "Pixel Perfect: True, Control Mode: ControlNet is more important",
            {"model": "canny", "prepare": "canny", "mode": "control"},
            [],
        ),
        (
            "preprocessor: depth_midas, model: control_v11f1p_sd15_depth_fp16 [4b72d323], weight: 0.6, "
            "starting/ending: (0.1, 0.9), resize mode: Crop and Resize, pixel perfect: False, "
            "control mode: Balanced, preprocessor params: (512, 1, 0.1)",
            {"model": "depth", "weight": 0.6, "start": 0.1, "end": 0.9},
            ["depth_midas"],
        ),
        ("Model: mine, Weight: much, Control Mode: odd", {"model": "mine", "weight": "much", "mode": "odd"}, []),
    ],
)
def test_what_others_wrote_is_read(value: str, keys: dict[str, object], lost: list[str]) -> None:
    found, modules = read_controls({"Steps": "20", "ControlNet 0": value})
    assert (found, modules) == ([PLAIN | keys], lost)


def test_a_preprocessor_that_is_not_here_is_told() -> None:
    found = parse(written(changed(control=(POSE,))).replace("Module: none", "Module: dw_openpose_full"))
    assert found is not None
    assert found.lost == ("its maps were prepared by dw_openpose_full, which is not here: the image has to be the map",)


def test_without_maps_nothing_is_written() -> None:
    assert "ControlNet" not in written(MADE)
