"""Flags in the lines of a list of prompts, and what the settings of other programs become."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.errors import Problem
from aura_daemon.formats.prompt_lists.foreign_settings import Translation, translated
from aura_daemon.formats.prompt_lists.prompt_flags import MOST_CHARACTERS, flags_in
from tests.support.examples import examples


def read(line: str) -> tuple[Translation, tuple[Problem, ...]]:
    found = flags_in(line)
    assert found is not None
    translation = translated(found.settings)
    return translation, (*found.faults, *translation.faults)


def keys(line: str) -> dict[str, object]:
    translation, faults = read(line)
    assert faults == ()
    return dict(translation.keys)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            '--prompt "a small red circle on blue" --negative_prompt "text" --steps 8 --seed 5 --cfg_scale 7',
            {
                "prompt": "a small red circle on blue",
                "negative_prompt": "text",
                "steps": 8,
                "seed": 5,
                "guidance_scale": 7,
            },
        ),
        (
            '--prompt a cat, "on a mat" --width 512 --height 768 --sampler_name "DPM++ 2M Karras" --batch_size 2'
            " --n_iter 3",
            {
                "prompt": 'a cat, "on a mat"',
                "width": 512,
                "height": 768,
                "scheduler": "dpm++_2m_karras",
                "count": 6,
            },
        ),
        ('--prompt "a cat" at night --sd_model sd-1.4', {"prompt": "a cat at night", "model": "sd-1.4"}),
        ('--prompt "a cat --steps up" --steps 9', {"prompt": "a cat --steps up", "steps": 9}),
        ("--seed -1 --prompt a cat", {"prompt": "a cat"}),
        ("--prompt a cat --restore_faces false --tiling false --subseed -1 --subseed_strength 0", {"prompt": "a cat"}),
        ("a cat's eye --steps=8", {"prompt": "a cat's eye", "steps": 8}),
        (
            "a cat --n text, watermark --w 512 --h 768 --s 20 --l 7.5 --d 1 --t 0.5",
            {
                "prompt": "a cat",
                "negative_prompt": "text, watermark",
                "width": 512,
                "height": 768,
                "steps": 20,
                "guidance_scale": 7.5,
                "seed": 1,
            },
        ),
        (
            "a cat --W 512 --D 1,2,3 --ss euler_a",
            {"prompt": "a cat", "width": 512, "seed": [1, 2, 3], "scheduler": "euler_a"},
        ),
        (
            "ashley riding a camel -n2 -s150 -S 416354203 -Ak_euler_a -C7.5 -W640 -H480",
            {
                "prompt": "ashley riding a camel",
                "count": 2,
                "steps": 150,
                "seed": 416354203,
                "scheduler": "euler_a",
                "guidance_scale": 7.5,
                "width": 640,
                "height": 480,
            },
        ),
        (
            '"there\'s a -s 5 fly in my soup" -n6 -g',
            {"prompt": "there's a -s 5 fly in my soup", "count": 6, "grid": True},
        ),
        ("a cat -s 8 -G 0 -v0.0 -A k_dpmpp_2", {"prompt": "a cat", "steps": 8, "scheduler": "dpm++_2m"}),
        ("a cat --ar 16:9 --no text", {"prompt": "a cat", "aspect_ratio": "16:9", "negative_prompt": "text"}),
        ("a cat --size 512x768", {"prompt": "a cat", "width": 512, "height": 768}),
        ("a cat --sampler dpmpp_2m --scheduler karras", {"prompt": "a cat", "scheduler": "dpm++_2m_karras"}),
        ("a cat --sampler dpmpp_2m --scheduler Automatic", {"prompt": "a cat", "scheduler": "dpm++_2m_karras"}),
        ("a cat --sampler euler_ancestral --scheduler normal", {"prompt": "a cat", "scheduler": "euler_a"}),
        ("a cat --sampler 'Euler a' --scheduler Karras", {"prompt": "a cat", "scheduler": "Euler a Karras"}),
        ("a cat --scheduler ddim", {"prompt": "a cat", "scheduler": "ddim"}),
        ("a cat --sampler dpm_2", {"prompt": "a cat", "scheduler": "dpm_2"}),
        ("a cat --sampler 5", {"prompt": "a cat", "scheduler": 5}),
        ("a cat --steps many --n_iter 2 --batch_size few", {"prompt": "a cat", "steps": "many", "count": "few"}),
        ("a cat --n_iter few --batch_size 2", {"prompt": "a cat", "count": "few"}),
        ("a cat --image x.png --strength 0.4", {"prompt": "a cat", "image": "x.png", "strength": 0.4}),
        (
            "a cat --enable_hr true --hr_scale 1.5 --denoising_strength 0.4",
            {"prompt": "a cat", "hires": {"scale": 1.5, "strength": 0.4}},
        ),
        ("a cat --enable_hr", {"prompt": "a cat", "hires": {"scale": 2.0}}),
        ("--steps 8", {"steps": 8}),
        ("a cat --ss euler_a --strength 0", {"prompt": "a cat", "scheduler": "euler_a"}),
        ("a cat --enable_hr false --hr_scale 2", {"prompt": "a cat"}),
    ],
)
def test_the_flags_of_the_neighbours_become_keys(line: str, expected: dict[str, object]) -> None:
    assert keys(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "a man -- no, a woman",
        "a man --no, a woman",
        "high-contrast, well-known, a T-shirt -20 C",
        "shot at f-8 -C 50mm -W wide",
        "a cat -x -g",
        "an arrow -->",
        "a man \u2014 no, a woman \u2014dancing in the rain, a garden\u2014seed",
        "a -S curve",
        '"a cat --steps 8"',
        "a" * MOST_CHARACTERS + " --steps 8",
        "",
    ],
)
def test_text_with_dashes_stays_text(line: str) -> None:
    assert flags_in(line) is None


@pytest.mark.parametrize(
    ("line", "label", "words"),
    [
        ("a cat --stepz 8", "--stepz", "is no known flag"),
        ("a cat \u2014steps 8", "\u2014steps", "an editor made of two: write `--steps`"),
        ("\u2013prompt a cat", "\u2013prompt", "write `--prompt`"),
        ("a --sitting cat", "--sitting", "text has a space behind its dashes"),
        ("a cat -s 50 -q 3", "-q", "is no known flag"),
        ("a cat --steps", "--steps", "needs a value behind it"),
        ("a cat --niji", "--niji", "it is Midjourney's"),
        ("a cat --negative_prompt --steps 8", "--negative_prompt", "needs a text behind it"),
        ("a cat --steps 8 on a mat", "--steps", "has `on a mat` behind its value: text stands before the flags"),
        ("a cat --steps 8 --steps 9", "--steps", "says again what `--steps` says"),
        ("a cat --prompt a dog", "--prompt", "says again what `the text` says"),
        ("a cat --styles anime", "--styles", "write their words into the prompt"),
        ("a cat --restore_faces true", "--restore_faces", "faces are not restored here"),
        ("a cat --tiling", "--tiling", "can be tiled"),
        ("a cat --subseed 4", "--subseed", "variation seeds"),
        ("a cat --seed_resize_from_w 512", "--seed_resize_from_w", "variation seeds"),
        ("a cat --sampler_index 3", "--sampler_index", "name the sampler, with `sampler_name`"),
        ("a cat --ow 1024", "--ow", "SDXL"),
        ("a cat --am 0.5", "--am", "<lora:NAME:0.8>"),
        ("a cat --v 5", "--v", "Midjourney"),
        ("a cat --size large", "--size", "512x768"),
        ("a cat --hr_scale 2", "--hr_scale", "`enable_hr`"),
    ],
)
def test_a_flag_that_means_nothing_here_is_a_fault_with_its_word(line: str, label: str, words: str) -> None:
    _, faults = read(line)
    (fault,) = faults
    assert fault.key == label
    assert words in fault.message
    assert not fault.given or fault.given.startswith(label)


def test_a_misspelt_flag_is_told_the_nearest() -> None:
    assert read("a cat --stepz 8")[1][0].suggestion == "--steps"
    assert read("a cat --qqqqq 8")[1][0].suggestion == ""
    assert read("a cat -s 5 -q 8")[1][0].suggestion == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a cat --do_not_save_samples true", "`--do_not_save_samples` was left out: results go to the outbox"),
        ("a cat --outpath_samples /tmp/x", "`--outpath_samples` was left out"),
        ("a cat --prompt_for_display cats", "the sidecar holds the prompt"),
        ("a cat --strength 0.5", "`--strength` was left out: it counts for a picture that is made from an image"),
    ],
)
def test_what_does_not_change_the_picture_is_a_warning(line: str, words: str) -> None:
    translation, faults = read(line)
    assert faults == ()
    (warning,) = translation.warnings
    assert words in warning


def test_it_is_known_how_a_key_was_written() -> None:
    translation, _ = read("a cat --steps 200 --batch_size 9999 --sampler foo")
    assert translation.written == {
        "prompt": "a cat",
        "steps": "--steps 200",
        "count": "--batch_size 9999",
        "scheduler": "--sampler foo",
    }


def test_flags_with_one_dash_are_invokeais() -> None:
    one, two = flags_in("a cat -s 8"), flags_in("a cat --steps 8")
    assert one is not None
    assert two is not None
    assert (one.is_invokeai, two.is_invokeai) == (True, False)


@given(st.text(alphabet="ab -'\"\\=1.nsSA", max_size=40))
@settings(max_examples=examples(200))
def test_every_line_is_read(line: str) -> None:
    found = flags_in(line)
    if found is not None:
        translated(found.settings)
