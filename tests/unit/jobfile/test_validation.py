"""What one job may ask for."""

import pytest

from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.image_names import image_names
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec, validated, with_loras_of_prompt
from aura_daemon.jobs.requests import CaptionRequest, CaptionSampling, GenerateRequest, Lora
from tests.unit.jobfile.test_parser import complaints, requests


def test_the_issue_s_example_is_a_job() -> None:
    assert requests("prompt: a lighthouse at dawn, oil painting\naspect_ratio: 16:9\n") == [
        GenerateRequest(prompt="a lighthouse at dawn, oil painting", aspect_ratio="16:9")
    ]


@pytest.mark.parametrize("text", ["no", "1984", "true", "2026-01-01", "0777", "16:9", "[bracketed"[1:]])
def test_a_prompt_is_taken_as_it_is_written(text: str) -> None:
    assert requests(f"prompt: {text}\nnegative_prompt: {text}") == [GenerateRequest(prompt=text, negative_prompt=text)]


def test_every_key_of_a_generate_job() -> None:
    text = """
        task: generate
        prompt: ' a cat '
        negative_prompt: dogs
        steps: 7
        guidance_scale: 7
        scheduler: DPM++ 2M Karras
        seed: 0x10
        aspect_ratio: 16 x 9
        width: 682
        height: 512
    """
    assert requests(text) == [
        GenerateRequest(
            prompt="a cat",
            negative_prompt="dogs",
            steps=7,
            guidance_scale=7.0,
            scheduler="dpm++_2m_karras",
            seed=16,
            aspect_ratio="16:9",
            width=682,
            height=512,
        )
    ]


def test_keys_without_a_value_are_as_good_as_none() -> None:
    text = "task:\nprompt: x\nsteps:\nseed: ~\nscheduler: null\naspect_ratio: ~\nnegative_prompt: null\n"
    assert requests(text) == [GenerateRequest(prompt="x")]
    assert requests("image: a.png\nprompt: null") == [CaptionRequest(image="a.png")]


def test_a_whole_number_may_be_written_with_a_point() -> None:
    (found,) = requests("prompt: x\nsteps: 25.0\nwidth: 64.0\nseed: 1e3")
    assert found == GenerateRequest(prompt="x", steps=25, width=64, seed=1000)
    assert isinstance(found, GenerateRequest)
    assert (type(found.steps), type(found.seed)) == (int, int)


@pytest.mark.parametrize(("ratio", "known"), [("auto", "Auto"), ("4/3", "4:3"), ("21:9", "21:9"), ("9X16", "9:16")])
def test_aspect_ratios_are_understood_in_many_spellings(ratio: str, known: str) -> None:
    assert requests(f"prompt: x\naspect_ratio: {ratio}") == [GenerateRequest(prompt="x", aspect_ratio=known)]


@pytest.mark.parametrize("name", ["./a/b.png", "a//b.png", "a/./b.png", r"a\b.png", r".\a\b.png", " a/b.png "])
def test_the_path_of_an_image_may_be_written_in_many_ways(name: str) -> None:
    assert requests(f"image: {name}") == [CaptionRequest(image="a/b.png")]
    assert image_names(f"image: {name}".encode(), file="cat.yaml") == ("a/b.png",)


@pytest.mark.parametrize(
    ("keys", "request_"),
    [
        ("beams: 3", CaptionRequest(beams=3)),
        ("sampling: true", CaptionRequest(sampling=CaptionSampling())),
        ("sampling: {seed: -1, top_p: 1}", CaptionRequest(sampling=CaptionSampling(top_p=1))),
        ("sampling: false\nbeams: 3", CaptionRequest(beams=3)),
        ("candidates: 1", CaptionRequest(candidates=1)),
        ("candidates: 5", CaptionRequest(candidates=5, sampling=CaptionSampling())),
        ("candidates: 5\nsampling: false", CaptionRequest(candidates=5)),
        ("candidates: 5\nbeams: 3", CaptionRequest(candidates=5, beams=3)),
        ("candidates: 5\nsampling: {seed: 7}", CaptionRequest(candidates=5, sampling=CaptionSampling(seed=7))),
    ],
)
def test_candidates_are_drawn_by_chance_unless_the_job_says_how_words_are_found(
    keys: str, request_: CaptionRequest
) -> None:
    assert requests(f"task: caption\n{keys}") == [request_]


def test_an_image_alone_is_to_be_captioned() -> None:
    assert requests("image: sub/beach.jpg") == [CaptionRequest(image="sub/beach.jpg")]
    assert requests("task: caption") == [CaptionRequest()]  # the image that is called as the job file
    assert requests("task: caption\nimage: beach.jpg\nprompt: a photo of\nmax_new_tokens: 9") == [
        CaptionRequest(image="beach.jpg", prompt="a photo of", max_new_tokens=9)
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("promt: x", "cat.yaml:1: promt: unknown key; did you mean `prompt`?"),
        ("prompt: x\nnegativ_prompt: y", "cat.yaml:2: negativ_prompt: unknown key; did you mean `negative_prompt`?"),
        ("prompt: x\naspect-ratio: 16:9", "cat.yaml:2: aspect-ratio: unknown key; did you mean `aspect_ratio`?"),
        ("prompt: x\nSteps: 3", "cat.yaml:2: Steps: unknown key; did you mean `steps`?"),
        ("prompt: x\nfoo: 3", "cat.yaml:2: foo: unknown key; known are task, prompt, negative_prompt"),
        ("prompt: x\nsteps: 0", "cat.yaml:2: steps: must be a whole number from 1 to 150 (given: 0)"),
        ("prompt: x\nsteps: 25.5", "steps: must be a whole number from 1 to 150 (given: 25.5)"),
        ('prompt: x\nsteps: "25"', 'steps: must be a whole number from 1 to 150, without quotes (given: "25")'),
        ("prompt: x\nsteps: yes", "steps: must be a whole number from 1 to 150 (given: yes)"),
        ("prompt: x\nsteps: true", "steps: must be a whole number from 1 to 150 (given: true)"),
        ("prompt: x\nwidth: 100000", "width: must be a whole number of pixels from 64 to 2048"),
        ("prompt: x\nheight: 63", "multiple of 8 (given: 63)"),
        ("prompt: x\nseed: -2", "seed: must be a whole number from 0 to 2**63 - 1, a list of at most 500 of them, or"),
        ("prompt: x\nseed: 9223372036854775808", "(given: 9223372036854775808)"),
        ("prompt: x\nseed: 1e30", "or a range as `1-4`; -1 draws one (given: 1e30)"),
        ("prompt: x\nguidance_scale: .nan", "guidance_scale: must be a number from 0 to 30 (given: .nan)"),
        ("prompt: x\nguidance_scale: .inf", "guidance_scale: must be a number from 0 to 30 (given: .inf)"),
        ("prompt: x\nguidance_scale: -.inf", "(given: -.inf)"),
        ("prompt: x\nguidance_scale: true", "(given: true)"),
        (
            "prompt: [a, b]",
            "prompt: must be text of 1 to 10000 characters: what to draw;"
            " a text that begins with `[` needs quotes around it (given: [a, b])",
        ),
        ("prompt: {a: b}", "(given: {a: b})"),
        ("prompt: ' '", "prompt: must say what to draw; it is blank"),
        ("prompt: ''", "prompt: must be text of 1 to 10000 characters"),
        ('prompt: "a\\x07b"', "prompt: holds the control character U+0007"),
        ("prompt: " + "x" * 10_001, "…)"),
        ("prompt: ~", "cat.yaml:1: prompt: is missing: what should be drawn?"),
        ("prompt: null", "cat.yaml:1: prompt: is missing: what should be drawn?"),
        ("prompt:", "cat.yaml:1: prompt: is missing: what should be drawn?"),
        ("prompt: x\n---\nsteps: 3", "cat.yaml:3: prompt: is missing: what should be drawn?"),
        ("prompt: x\nscheduler: DDIMM", "scheduler: must be one of dpm++_2m_karras"),
        ("prompt: x\nscheduler: DDIMM", "(given: DDIMM); did you mean `ddim`?"),
        ("prompt: x\naspect_ratio: 16:10", "`width` and `height` give any other size (given: 16:10)"),
        (
            "task: capton\nimage: a.png",
            "task: must be one of generate, caption, upscale, regenerate, reflect, benchmark (given: capton);"
            " did you mean `caption`?",
        ),
        ("prompt: x\naspect_ratio: [16, 9]", "(given: [16, 9])"),
        ("task: [a]", "task: must be one of generate, caption, upscale, regenerate, reflect, benchmark (given: [a])"),
        (
            "prompt: x\nsampling: euler",
            "cat.yaml:2: sampling: `sampling` does not go with `task: generate`: the sampler is named with `scheduler`",
        ),
        (
            "task: caption\nbeams: 3\nsampling: true",
            "cat.yaml:1: `beams` looks for the likeliest words and `sampling` draws them by chance: leave one out",
        ),
        ("task: caption\nnum_beams: 3", "cat.yaml:2: num_beams: unknown key; did you mean `beams`?"),
        ("task: caption\nimage: a.png\nsteps: 4", "cat.yaml:3: steps: `steps` does not go with `task: caption`"),
        ("prompt: x\nmask: a.png", "`mask` goes with `image`: name the image that it is about"),
        ("prompt: x\nstrength: 0.5", "`strength` goes with `image`: name the image that it is about"),
        ("prompt: x\nloras: [{name: ink, weight: 9}]", "loras.0.weight: must be a number from -4 to 4 (given: 9)"),
        ("prompt: x <lora:ink:9>", "cat.yaml:1: prompt: holds what is no `<lora:NAME>` nor `<lora:NAME:WEIGHT>`"),
        ("prompt: x\nnegative_prompt: <lora:ink>", "cat.yaml:2: negative_prompt: names a LoRA, which belongs into"),
        (f"prompt: {''.join(f'<lora:{n}>' for n in range(11))}", "names LoRAs beyond the 10 that a job may have"),
        ("prompt: x\nhires: 2", "hires: must be keys of the second pass: `scale` and `strength` (given: 2)"),
        ("prompt: x\nhires: {scal: 2}", "hires.scal: unknown key; did you mean `scale`?"),
        ("prompt: x\nformat: wepb", "format: must be one of png, jpg, webp, avif (given: wepb); did you mean `webp`?"),
        ("prompt: x\nclip_skip: 0", "clip_skip: must be a whole number from 1 to 12"),
        ("prompt: x\ntags: a", "tags: must be a list of at most 50 texts"),
        ("image: ../a.png", "image: must name a file below the inbox"),
        ("image: /etc/a.png", "image: must name a file"),
        ("image: a/./.hidden/a.png", "image: must name a file"),
        ("image: sub/a.png/", "image: must name a file"),
        ("image: .hidden/a.png", "image: must name a file"),
        ("image: C:\\pictures\\a.png", "image: must name a file"),
        ("image: \\\\server\\a.png", "image: must name a file"),
        ("image: ./../a.png", "image: must name a file"),
        ("image: a.txt", "image: must name an image: .png, .jpg"),
        (f"image: {'ü' * 130}.png", "more than 255 bytes"),
        (f"image: {'a/' * 500}a.png", "image: must be the name of an image"),
        ('image: "a\\0.png"', "control character U+0000"),
        ("prompt: x\nprompt: y", "cat.yaml:2: prompt: is given twice, first in line 1"),
        ("# nothing", "cat.yaml: the file holds nothing; it needs at least `prompt: …`"),
    ],
)
def test_a_problem_says_what_is_wrong_what_is_allowed_and_where(text: str, words: str) -> None:
    assert words in complaints(text)[-1]


def test_a_prompt_s_loras_come_after_the_job_s_own_and_their_weights_count() -> None:
    text = "prompt: a <lora:ink:0.8> cat <lora:oil>\nloras: [{name: old, weight: 0.3}, {name: ink, weight: 0.5}]"
    (found,) = requests(text)
    assert found == GenerateRequest(
        prompt="a <lora:ink:0.8> cat <lora:oil>",
        loras=(Lora(name="old", weight=0.3), Lora(name="ink", weight=0.8), Lora(name="oil", weight=1.0)),
    )
    assert with_loras_of_prompt(found, file="") == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "prompt: x\n\u00a0\u00a0steps: 3",
            "unknown key: it holds a no-break space (U+00A0), which no one sees; did you",
        ),
        (
            "prompt: x\nste\u200bps: 3",
            "unknown key: it holds a zero-width space (U+200B), which no one sees; did you mean",
        ),
        ("prompt: x\nhires:\n\u3000scale: 2", "unknown key: it holds an ideographic space (U+3000)"),
        (
            "prompt: x\nsteps: \u00a08",
            "from 1 to 150; this holds a no-break space (U+00A0), which no one sees (given: ",
        ),
        ("prompt: x\nseed: 8\u2009", "this holds a typographic space (U+2009), which no one sees"),
        ("prompt: x\nscheduler: euler\u200b", "this holds a zero-width space (U+200B), which no one sees"),
        ("prompt: x\ngrid: \u00a0true", "this holds a no-break space (U+00A0), which no one sees"),
        ("prompt: {red: 1}", "a text that begins with `{` needs quotes around it (given: {red: 1})"),
        ("prompt: #1 cat", "to YAML `#1 cat` is a comment; a text that begins with `#` needs quotes around it"),
        ("prompt:", "prompt: is missing: what should be drawn?"),
    ],
)
def test_what_no_one_sees_is_named(text: str, complaint: str) -> None:
    assert complaint in complaints(text)[-1]


def test_tags_are_texts() -> None:
    (found,) = requests("prompt: x\ntags: [1984, cats, no]")
    assert isinstance(found, GenerateRequest)
    assert found.tags == ("1984", "cats", "no")


def test_a_list_at_the_top_is_several_jobs() -> None:
    found = requests("- prompt: a\n  steps: 3\n- b\n- {prompt: c}\n")
    assert found == [GenerateRequest(prompt="a", steps=3), GenerateRequest(prompt="b"), GenerateRequest(prompt="c")]
    assert requests('[{"prompt": "\\ud83d\\ude00"}, "b"]')[0] == GenerateRequest(prompt="😀")
    assert complaints("- prompt: a\n- stepz: 3\n  prompt: b") == [
        "cat.yaml:2: stepz: unknown key; did you mean `steps`?"
    ]


def test_a_misspelt_key_is_not_reported_as_missing_too() -> None:
    assert len(complaints("promt: x")) == 1


@pytest.mark.parametrize(
    "template", ["../{stem}", "/tmp/{stem}", "a//b", ".hidden", "a/.b", "{stem", "{nothing}", "a\\b", "{number:x}"]
)
def test_a_name_that_leads_elsewhere_or_has_no_such_field_is_refused_with_the_fields(template: str) -> None:
    (found,) = complaints(f"prompt: x\noutput: '{template}'\n")
    assert found.startswith("cat.yaml:2: output: must be a name in its folder of the outbox")
    assert "{stem}, {number}, {seed}, {prompt}, {model}, {date}, {time}; no `..`, hidden or absolute path" in found


@pytest.mark.parametrize("text", ["task: caption\nquestion: no\nimage: a.png", "image: a.png\nquestion: no"])
def test_a_question_is_about_an_image_and_is_taken_as_it_is_written(text: str) -> None:
    assert requests(text) == [CaptionRequest(image="a.png", question="no")]


def test_a_question_that_no_model_answers_is_refused_at_the_door() -> None:
    keys = {"image": "a.png", "question": "what is it?"}
    assert isinstance(validated(keys, file="a.yaml", catalogue=Catalogue(answers=True)), JobSpec)
    found = validated(keys, file="a.yaml", lines={"question": 2}, catalogue=Catalogue())
    assert isinstance(found, tuple)
    (problem,) = found
    assert (problem.key, problem.line) == ("question", 2)
    assert "set `caption.question_model`" in problem.message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cany", "is none of the ControlNets that the configuration allows: canny, a/pose, b/pose"),
        ("pose", "names several ControlNets: a/pose, b/pose; write one of these names, with its folder"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"steps": "x"}])
def test_a_controlnet_that_is_not_allowed_is_told_with_the_others(
    name: str, said: str, more: dict[str, object]
) -> None:
    catalogue = Catalogue(controlnets=("canny", "a/pose", "b/pose"))
    keys = {"prompt": "x", "control": {"image": "m.png", "model": name}, **more}
    found = validated(keys, file="a.yaml", catalogue=catalogue)
    assert isinstance(found, tuple)
    assert any(problem.key == "control" and said in problem.message for problem in found)
    meant = {"prompt": "x", "control": [{"image": "m.png", "model": "CANNY"}]}
    assert isinstance(validated(meant, file="a.yaml", catalogue=catalogue), JobSpec)


def test_a_picture_that_is_made_again_names_controlnets_that_are_allowed() -> None:
    keys = {"task": "regenerate", "control": {"image": "m.png", "model": "odd"}}
    found = validated(keys, file="a.yaml", catalogue=Catalogue(controlnets=("canny",)))
    assert isinstance(found, tuple)
    assert "is none of the ControlNets" in found[0].message
    assert isinstance(validated({**keys, "control": {"image": "m.png"}}, file="a.yaml"), RegenerateSpec)
