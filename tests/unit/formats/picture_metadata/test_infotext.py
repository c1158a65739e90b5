"""The settings in a picture: as A1111 writes them, and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.picture_metadata.infotext import MOST_CHARACTERS, infotext, model_label, parse
from aura_daemon.jobs.requests import Hires, Lora
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import Speed

MADE = ResolvedGenerate(
    prompt="a lighthouse at dawn, (oil painting:1.2)",
    negative_prompt="",
    steps=25,
    guidance_scale=9.0,
    scheduler="dpm++_2m_karras",
    seed=1,
    width=512,
    height=768,
)


def written(made: ResolvedGenerate, model: str = "aura-mini") -> str:
    return infotext(made, model=model, model_sha256="0123456789abcdef", version="0.1.0")


def changed(**keys: object) -> ResolvedGenerate:
    fields = {name: getattr(MADE, name) for name in MADE.__slots__}
    return ResolvedGenerate(**{**fields, **keys})


def keys_of(text: str) -> dict[str, object]:
    said = parse(text)
    assert said is not None
    return dict(said.keys)


def test_it_is_written_as_a1111_writes_it() -> None:
    assert written(MADE) == (
        "a lighthouse at dawn, (oil painting:1.2)\n"
        "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 9, Seed: 1, Size: 512x768, "
        "Model hash: 0123456789, Model: aura-mini, RNG: CPU, Version: aura-daemon 0.1.0"
    )


def test_what_was_asked_for_beyond_the_usual_is_in_it() -> None:
    made = changed(negative_prompt="blurry", clip_skip=2, hires=Hires(scale=1.5, strength=0.4), guidance_scale=7.5)
    assert written(made) == (
        "a lighthouse at dawn, (oil painting:1.2)\n"
        "Negative prompt: blurry\n"
        "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 1, Size: 512x768, "
        "Model hash: 0123456789, Model: aura-mini, Denoising strength: 0.4, Clip skip: 2, RNG: CPU, "
        "Hires upscale: 1.5, Hires upscaler: Lanczos, Version: aura-daemon 0.1.0"
    )
    assert "Denoising strength: 0.75," in written(changed(image="a.png", strength=0.75))


def test_how_much_it_may_differ_is_told_and_of_another_program_s_picture_it_is_unknown() -> None:
    assert "RNG: CPU, Speed: fast, Version: aura-daemon" in written(changed(speed=Speed.FAST))
    assert keys_of(written(MADE))["speed"] == "exact"
    assert "speed" not in keys_of(written(MADE).replace("aura-daemon", "v"))


def test_loras_stand_in_the_prompt_once() -> None:
    made = changed(prompt="a cat <lora:ink:0.5>", loras=(Lora(name="ink", weight=0.5), Lora(name="grain")))
    assert written(made).startswith("a cat <lora:ink:0.5> <lora:grain:1>\n")
    assert keys_of(written(made))["prompt"] == "a cat <lora:ink:0.5> <lora:grain:1>"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("aura-mini", "aura-mini"),
        ("CompVis/stable-diffusion-v1-4", "stable-diffusion-v1-4"),
        ("/home/me/models/my model, v2.safetensors", "my model, v2"),
        ("./models/mine/", "mine"),
        ("/models/caf\udce9", "caf\\xe9"),
    ],
)
def test_a_model_is_called_by_its_name_and_nobodys_folders_are_told(name: str, label: str) -> None:
    assert model_label(name) == label
    said = parse(written(MADE, name))
    assert said is not None
    assert (said.model, said.model_hash, said.version) == (label, "0123456789", "aura-daemon 0.1.0")
    assert "/home" not in written(MADE, name)


@pytest.mark.parametrize(
    ("sampler", "scheduler"),
    [
        ("DPM++ 2M Karras", "dpm++_2m_karras"),  # up to A1111 1.8
        ("DPM++ 2M", "dpm++_2m"),
        ("DPM++ 2M, Schedule type: Karras", "dpm++_2m_karras"),
        ("DPM++ 2M, Schedule type: Automatic", "dpm++_2m_karras"),
        ("DPM++ 2M, Schedule type: Uniform", "dpm++_2m"),
        ("DPM++ 2M, Schedule type: Align Your Steps", "align_your_steps"),
        ("DPM++ SDE Karras", "dpm++_sde_karras"),
        ("DPM++ 2M SDE Karras", "dpm++_2m_sde_karras"),
        ("Euler a", "euler_a"),
        ("Euler a, Schedule type: Automatic", "euler_a"),
        ("Euler, Schedule type: Uniform", "euler"),
        ("LMS Karras", "lms_karras"),
        ("LMS", "lms"),
        ("PLMS", "pndm"),
        ("UniPC", "unipc"),
        ("dpmpp_2m_karras", "dpm++_2m_karras"),
        ("k_euler", "euler"),  # AI Horde, InvokeAI 2, DiffusionDB
        ("k_euler_a", "euler_a"),
        ("k_dpmpp_2m", "dpm++_2m"),
        ("k_lms", "lms"),
    ],
)
def test_a1111s_samplers_old_and_new_are_ours(sampler: str, scheduler: str) -> None:
    said = keys_of(f"x\nSteps: 20, Sampler: {sampler}, CFG scale: 7, Seed: 5, Size: 512x512")["scheduler"]
    assert Scheduler(said) == scheduler


SAID = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5"


@pytest.mark.parametrize(
    ("text", "prompt", "negative"),
    [
        (f"a fox.Negative prompt: blurry.{SAID}", "a fox", "blurry"),  # as exiftool shows it
        (f"a fox,.Negative prompt: blurry,.{SAID}", "a fox", "blurry,"),
        (f"a fox. Negative prompt: blurry. {SAID}", "a fox", "blurry"),
        (f"a fox Negative prompt: blurry {SAID}", "a fox", "blurry"),
        (f"a fox.{SAID}", "a fox", ""),
        (f"a fox at 7.5 metres.{SAID}", "a fox at 7.5 metres", ""),
    ],
)
def test_a_text_that_has_become_one_line_is_parted_again(text: str, prompt: str, negative: str) -> None:
    said = keys_of(text)
    assert (said["prompt"], said["negative_prompt"], said["steps"]) == (prompt, negative, 20)
    assert (said["guidance_scale"], said["seed"]) == (7, 5)


def test_settings_that_begin_with_another_one_stay_one_line() -> None:
    assert keys_of(f"Model: x, {SAID}")["prompt"] == ""


@pytest.mark.parametrize(
    ("sampler", "name"),
    [
        ("DPM++ 3M SDE, Schedule type: Exponential", "DPM++ 3M SDE Exponential"),
        ("DPM++ 2M SDE, Schedule type: Automatic", "DPM++ 2M SDE Automatic"),
        ("Euler, Schedule type: Simple", "Euler Simple"),
        ("Euler Karras", "Euler karras"),
        ("Restart", "Restart"),
    ],
)
def test_a_sampler_that_we_lack_keeps_its_name_to_be_refused_by_it(sampler: str, name: str) -> None:
    said = keys_of(f"x\nSteps: 20, Sampler: {sampler}, CFG scale: 7, Seed: 5, Size: 512x512")["scheduler"]
    assert said == name
    with pytest.raises(ValueError, match="is not a valid"):
        Scheduler(said)


def test_of_what_forge_and_civitai_add_what_matters_is_listed() -> None:
    text = (
        "masterpiece,\n  1girl  \nNegative prompt: low quality,\nbad hands\r\n"
        "Steps: 30, Sampler: Euler a, CFG scale: 5.5, Seed: 42, Size: 640x960, Model hash: abc, "
        'Model: "a, b: c", VAE: x.pt, Denoising strength: 0.35, Hires upscale: 1.5, Hires steps: 10, '
        'Hires upscaler: R-ESRGAN 4x+, Lora hashes: "ink: 0123, grain: 4567", Version: v1.10.1, '
        'Hashes: {"model": "abc"}, Civitai resources: [{"type":"checkpoint","weight":1.0}]'
    )
    said = parse(text)
    assert said is not None
    assert said.keys == {
        "prompt": "masterpiece,\n1girl",
        "negative_prompt": "low quality,\nbad hands",
        "steps": 30,
        "guidance_scale": 5.5,
        "seed": 42,
        "scheduler": "euler_a",
        "width": 640,
        "height": 960,
        "hires": {"scale": 1.5, "strength": 0.35},
    }
    assert (said.model, said.model_hash, said.version) == ("a, b: c", "abc", "v1.10.1")
    assert said.lost == (
        "it was enlarged by R-ESRGAN 4x+ before its second pass; `hires` takes no upscaler: here Lanczos enlarges it",
        "settings that have no counterpart here were left out: VAE: x.pt, Hires steps: 10",
    )


@pytest.mark.parametrize(
    ("more", "lost"),
    [
        ("Denoising strength: 0.7", "it was made from another image"),
        ("Denoising strength: 0.7, Mask blur: 4", "it was made from another image"),
        ("Denoising strength: 0.7, Hires resize: 1024x1024", "its second pass went to 1024x1024"),
    ],
)
def test_what_cannot_be_asked_for_again_is_said(more: str, lost: str) -> None:
    said = parse(f"x\nSteps: 20, Sampler: Euler, CFG scale: 7, {more}")
    assert said is not None
    assert "hires" not in said.keys
    (words,) = said.lost
    assert lost in words


@pytest.mark.parametrize(
    ("more", "lost"),
    [
        ("Variation seed: 7, Variation seed strength: 0.2", "Variation seed: 7, Variation seed strength: 0.2"),
        ("Tiling: True", "Tiling: True"),
        (
            'Ultimate upscale: "Module: canny, Model: x, Weight: 1"',
            "Ultimate upscale: Module: canny, Model: x, Weight: 1",
        ),
        (
            ", ".join(f"ADetailer setting {n}: {n}" for n in range(1, 8)) + ", Eta: 0.3",
            "ADetailer (7 settings), Eta: 0.3",
        ),
        ("Denoising strength: 0.5, Hires upscale: 2, Hires steps: 20, Hires upscaler: Lanczos", ""),
        ("Denoising strength: 0.5, Hires upscale: 2, Hires steps: 8, Hires upscaler: None", "Hires steps: 8"),
        ('Tiling: False, Face restoration: None, VAE: Automatic, Lora hashes: "a: b", TI hashes: x, RNG: GPU', ""),
    ],
)
def test_a_setting_without_a_counterpart_is_named_with_its_value(more: str, lost: str) -> None:
    found = parse(f"x\nSteps: 20, Sampler: Euler, CFG scale: 7, {more}")
    assert found is not None
    assert found.lost == ((f"settings that have no counterpart here were left out: {lost}",) if lost else ())


@pytest.mark.parametrize(
    "behind",
    [
        "\nTemplate: a {red|green} circle\nNegative Template: text",
        ",\nTemplate: a, b: c, d: e, f: g",
        ', Wildcard prompt: "a\nb, Steps: 3", Version: v1.6.0',
        ', Wildcard prompt: "a \\"quoted\\" word\n\nSeed: 3"\nTemplate: x',
    ],
)
def test_the_settings_may_stand_before_other_lines_and_hold_line_breaks_in_quotes(behind: str) -> None:
    found = keys_of(f"a small red circle\nNegative prompt: text\nSteps: 8, Sampler: Euler a, Seed: 1{behind}")
    assert found == {
        "prompt": "a small red circle",
        "negative_prompt": "text",
        "steps": 8,
        "scheduler": "euler_a",
        "seed": 1,
    }


def test_other_programs_begin_with_another_setting() -> None:
    assert keys_of("a cat\nSeed: 1, CFG scale: 7, Steps: 8")["prompt"] == "a cat"
    assert keys_of("Steps: to the beach\nSeed: 1, CFG scale: 7, Steps: 8")["prompt"] == "Steps: to the beach"


def test_of_a_picture_from_an_image_in_two_passes_both_strengths_are_told_and_the_image_is_lost() -> None:
    text = written(changed(image="a.png", strength=0.75, hires=Hires(scale=2.0, strength=0.4)))
    assert "Denoising strength: 0.4," in text
    assert "Image strength: 0.75," in text
    said = parse(text)
    assert said is not None
    assert said.keys["hires"] == {"scale": 2, "strength": 0.4}
    (lost,) = said.lost
    assert "it was made from another image" in lost


def test_a_number_that_is_none_stays_to_be_refused() -> None:
    keys = keys_of('x\nSteps: many, Seed: 1 2, CFG scale: "\\x", Size: big, Hires upscale: "2"')
    assert (keys["steps"], keys["seed"], keys["guidance_scale"]) == ("many", "1 2", '"\\x"')
    assert keys["hires"] == {"scale": 2}
    assert "width" not in keys
    assert "scheduler" not in keys


@pytest.mark.parametrize("text", ["", "a cat", "a cat\nSteps: 20, Seed: 1", "x" * (MOST_CHARACTERS + 1)])
def test_a_text_without_settings_is_none(text: str) -> None:
    assert parse(text) is None


LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(str.strip)
PROMPTS = (
    st.lists(LINES, min_size=1, max_size=3)
    .map("\n".join)
    .filter(lambda text: text and text == text.strip() and "Negative prompt:" not in text)
)
SCHEDULERS = st.sampled_from([str(scheduler) for scheduler in Scheduler])
SHARES = st.floats(0, 1)


@given(
    st.builds(
        ResolvedGenerate,
        prompt=PROMPTS,
        negative_prompt=st.just("") | PROMPTS,
        steps=st.integers(1, 150),
        guidance_scale=st.floats(0, 30),
        scheduler=SCHEDULERS,
        seed=st.integers(0, 2**63 - 1),
        width=st.integers(8, 256).map(lambda eighths: eighths * 8),
        height=st.integers(8, 256).map(lambda eighths: eighths * 8),
        hires=st.none() | st.builds(Hires, scale=st.floats(1, 4), strength=SHARES),
        clip_skip=st.integers(1, 12),
        speed=st.sampled_from(Speed),
    ),
    LINES,
)
@settings(deadline=None)
def test_what_is_read_back_is_what_was_written(made: ResolvedGenerate, model: str) -> None:
    said = parse(written(made, model))
    assert said is not None
    hires = made.hires
    assert dict(said.keys) == {
        "prompt": made.prompt,
        "negative_prompt": made.negative_prompt,
        "steps": made.steps,
        "guidance_scale": made.guidance_scale,
        "scheduler": made.scheduler,
        "seed": made.seed,
        "width": made.width,
        "height": made.height,
        "speed": made.speed,
        **({"clip_skip": made.clip_skip} if made.clip_skip > 1 else {}),
        **({"hires": {"scale": hires.scale, "strength": hires.strength}} if hires is not None else {}),
    }
    assert said.model == model_label(model)
    assert said.lost == ()


@given(st.text(max_size=300) | st.text('Steps:, "\\\n0x', max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    parse(text)


def test_a_long_line_is_read_in_a_moment() -> None:
    for sign in ("a", "a:", 'a1: "', 'a1:"\\', "a,", " ", "Steps:\n", 'Steps: "\n', "Steps: 1,\n"):
        parse("x\n" + (sign * MOST_CHARACTERS)[: MOST_CHARACTERS - 2])
