"""Variables that override keys."""

from __future__ import annotations

import pytest

from aura_daemon.config.environment import merged, variables


@pytest.mark.parametrize(
    ("values", "environment", "result"),
    [
        ({"settle": 1}, {"AURA_SETTLE": "5"}, {"settle": "5"}),
        ({"settle": 1}, {"AURA_SETTLE": ""}, {"settle": 1}),
        ({"settle": 1}, {"aura_settle": "5", "SETTLE": "6"}, {"settle": 1}),
        ({"unload_after": 600}, {"AURA_UNLOAD_AFTER": "null"}, {"unload_after": None}),
        ({}, {"AURA_ACCEPT": "image, prompt"}, {"accept": "image, prompt"}),
        ({}, {"AURA_ACCEPT": "[image, prompt]"}, {"accept": "[image, prompt]"}),
        ({}, {"AURA_ACCEPT": '["image", "prompt"]'}, {"accept": ["image", "prompt"]}),
        ({}, {"AURA_GENERATE__MODELS": '["sd-1.4"]'}, {"generate": {"models": ["sd-1.4"]}}),
        (
            {"workers": {"kind": "ray"}},
            {"AURA_WORKERS__RESOURCES": '{"gpu_mem_gb": 8}'},
            {"workers": {"kind": "ray", "resources": {"gpu_mem_gb": 8}}},
        ),
        ({}, {"AURA_WORKERS__RESOURCES": "{gpu_mem_gb: 8}"}, {"workers": {"resources": "{gpu_mem_gb: 8}"}}),
        (
            {"generate": {"model": "sd-1.4", "steps": 8}},
            {"AURA_GENERATE__STEPS": "9"},
            {"generate": {"model": "sd-1.4", "steps": "9"}},
        ),
        ({"generate": "sd-1.4"}, {"AURA_GENERATE__STEPS": "9"}, {"generate": "sd-1.4"}),
        ({"unknown": 1}, {}, {"unknown": 1}),
    ],
)
def test_a_variable_overrides_its_key_and_no_other(
    values: dict[str, object], environment: dict[str, str], result: dict[str, object]
) -> None:
    before = str(values)
    assert merged(values, environment) == result
    assert str(values) == before


def test_every_key_has_its_variable() -> None:
    names = list(variables())
    assert {"AURA_INBOX", "AURA_GENERATE", "AURA_GENERATE__MODEL", "AURA_LIMITS__IMAGE_BYTES"} <= set(names)
    assert len(set(names)) == len(names)
