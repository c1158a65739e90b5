"""What is read otherwise than a prompt's writer may have meant, and how LoRAs are named in prompts."""

import pytest

from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults, parse_defaults
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile, parse_job_file
from aura_daemon.jobfile.prompt_lists.prompt_texts import parse_prompt_text
from aura_daemon.jobfile.remarks import remarks_on_request, remarks_on_texts
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Lora
from tests.unit.jobfile.test_expansion import complaints, folder, jobs, requests

LORAS = Catalogue(
    loras=("a__b__c", "styles/ink", "one/oil", "two/oil", "Pen"), wildcards={"b": ("x",), "names": ("ink", "Pen")}
)


def prompts(text: str) -> list[str]:
    return [request.prompt for request in requests(text)]


def named(prompt: str, more: str = "") -> list[tuple[Lora, ...]]:
    text = f"prompt: '{prompt}'\n{more}"
    found = parse_job_file(text.encode(), file="cat.yaml", catalogue=LORAS)
    assert isinstance(found, ParsedFile), [str(problem) for problem in found.problems]
    asked = [job.spec.request for job in found.jobs]
    return [request.loras for request in asked if isinstance(request, GenerateRequest)]


def refused(prompt: str, more: str = "") -> list[str]:
    found = parse_job_file(f"prompt: '{prompt}'\n{more}".encode(), file="cat.yaml", catalogue=LORAS)
    assert isinstance(found, RejectedFile), found
    return [str(problem) for problem in found.problems]


@pytest.mark.parametrize(
    ("prompt", "loras"),
    [
        ("x <lora:a__b__c:1>", [[("a__b__c", 1.0)]]),
        (r"x <lora:a\__b__c:1>", [[("a__b__c", 1.0)]]),
        (r"x <lora:a\__b\__c:0.5>", [[("a__b__c", 0.5)]]),
        ("x <lora:ink:0.8>", [[("ink", 0.8)]]),
        ("x <lyco:styles/ink:0.8>", [[("styles/ink", 0.8)]]),
        ("x <lora:pen>", [[("pen", 1.0)]]),
        ("x <lora:{ink|Pen}:1>", [[("ink", 1.0)], [("Pen", 1.0)]]),
        ("x <lora:__names__:{0.5|1}>", [[("ink", 0.5)], [("ink", 1.0)], [("Pen", 0.5)], [("Pen", 1.0)]]),
        ("x <lora:ink:1> # <lora:zebra:1>", [[("ink", 1.0)]]),
    ],
)
def test_a_lora_is_found_however_its_name_is_written(prompt: str, loras: list[list[tuple[str, float]]]) -> None:
    assert named(prompt) == [tuple(Lora(name=name, weight=weight) for name, weight in job) for job in loras]


def test_a_file_that_is_named_twice_is_one_lora_and_the_prompt_s_weight_counts() -> None:
    assert named("x <lora:ink:0.5>", "loras: [{name: styles/ink, weight: 1}]") == [(Lora(name="ink", weight=0.5),)]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("x <lora:oil:1>", "names several LoRAs: one/oil, two/oil; write one of these names"),
        ("x <lora:x__b__y:1>", "is none of the LoRAs that the configuration allows: a__b__c"),
        ("x <lora:{ink|zebra}:1>", "(given: zebra)"),
        ("x <lora:ink:{1|9}>", "holds what is no `<lora:NAME>`"),
        ("x <lora:ink:1:0.5>", "nor `<lora:NAME:WEIGHT>` with one WEIGHT"),
    ],
)
def test_a_lora_that_is_not_found_is_refused(prompt: str, words: str) -> None:
    (complaint,) = refused(prompt)
    assert complaint.startswith("cat.yaml:1: prompt: ")
    assert words in complaint


def test_a_folder_s_lora_that_is_not_told_apart_is_refused_too() -> None:
    (complaint,) = refused("x", "loras: [oil]")
    assert complaint.startswith("cat.yaml:2: loras: names several LoRAs")


def test_a_choice_of_many_loras_is_not_too_many() -> None:
    names = "|".join(f"<lora:ink:0.{number}>" for number in range(10)) + "|<lora:Pen:1>|<lora:styles/ink:1>"
    assert len(named("x {" + names + "}")) == 12


@pytest.mark.parametrize(
    ("text", "drawn", "remarks"),
    [
        (
            "prompt: 'a circle # comment at the end'",
            ["a circle"],
            [r"prompt: `# comment at the end` was read as a comment and is not drawn; `\#` is a `#` that stands"],
        ),
        (
            "prompt: |\n  # about\n  a {red|blue} circle\n  # {one|two}\n",
            ["a red circle", "a blue circle"],
            [
                r"prompt: `# about` was read as a comment and is not drawn; `\#` is a `#` that stands",
                r"prompt: `# {one|two}` was read as a comment and is not drawn; `\#` is a `#` that stands",
            ],
        ),
        (
            "prompt: 'a cat #masterpiece'",
            ["a cat #masterpiece"],
            ["prompt: `#masterpiece` is drawn as text; a comment begins with `# ` and a space"],
        ),
        (r"prompt: 'a \# b'", ["a # b"], []),
        (r"prompt: '{a|b} \# b'", ["a # b", "b # b"], []),
        ("prompt: 'color #ff8800, 35mm'", ["color #ff8800, 35mm"], []),
        (
            "prompt: x <hypernet:y:1>",
            ["x <hypernet:y:1>"],
            ["prompt: `<hypernet:y:1>` is not known here and is drawn as text"],
        ),
        (
            "prompt: x\nnegative_prompt: <random:1~3>",
            ["x"],
            [
                "negative_prompt: `<random:1~3>` is not known here and is drawn as text: "
                "`{1|2|3}` draws one of several texts"
            ],
        ),
        (
            "prompt: a cat -- asleep --ar 16:9 --v 6 --niji, a-dog--cat",
            ["a cat -- asleep --ar 16:9 --v 6 --niji, a-dog--cat"],
            [
                "prompt: `--ar 16:9` is drawn as text; in a job file `aspect_ratio` says it",
                "prompt: `--v 6` is drawn as text",
                "prompt: `--niji` is drawn as text",
            ],
        ),
        (
            "prompt: '{@a|b}'",
            ["@a", "b"],
            ["prompt: the `@` in `{@a|b}` is text: how one choice is drawn cannot be chosen"],
        ),
        (
            "matrix: {prompt: ['a # b', c]}",
            ["a", "c"],
            [r"prompt: `# b` was read as a comment and is not drawn; `\#` is a `#` that stands"],
        ),
    ],
)
def test_what_may_be_meant_otherwise_is_said(text: str, drawn: list[str], remarks: list[str]) -> None:
    assert prompts(text) == drawn
    assert all(list(job.warnings) == remarks for job in jobs(text))


def test_a_job_that_is_handed_back_alone_draws_the_same_text() -> None:
    for job in jobs(r"prompt: '{a|b} \# c <lora:ink:1>'"):
        request = job.spec.request
        assert isinstance(request, GenerateRequest)
        assert requests(job.text.decode())[0].prompt == request.prompt


def test_a_folder_s_text_is_remarked_on_too() -> None:
    (job,) = jobs("prompt: x", folder(negative_prompt="blurry # bad"))
    assert job.spec.request == GenerateRequest(prompt="x", negative_prompt="blurry")
    assert len(job.warnings) == 1


def test_what_yaml_cut_from_a_folder_s_text_is_said_of_every_picture() -> None:
    found = parse_defaults(b"negative_prompt: blurry #bad\nsteps: 8 # few\n", file="_defaults.yaml", sha256="0" * 64)
    assert isinstance(found, FolderDefaults)
    (job,) = jobs("prompt: x", found)
    assert job.warnings == (
        "_defaults.yaml: negative_prompt: what follows ` #` is a comment to YAML: `#bad` was left out;"
        " quote the text to keep it",
    )
    assert jobs("image: a.png", found)[0].warnings == ()


def test_notes_have_no_comments_of_their_own_so_that_quotes_keep_all() -> None:
    (job,) = jobs("prompt: x\nnotes: mine # for Ada\n")
    assert job.warnings[0].endswith("`# for Ada` was left out; quote the text to keep it")


def test_a_prompt_of_nothing_but_a_comment_is_refused() -> None:
    assert complaints("prompt: '# nothing'") == [
        'cat.yaml:1: prompt: holds nothing but a comment: what should be drawn? (given: "# nothing")'
    ]


def test_the_prompt_of_a_picture_made_again_has_no_comment() -> None:
    (job,) = jobs("task: regenerate\nimage: a.png\nprompt: 'a # b'\nnegative_prompt: 'c # d'")
    assert job.spec.request.keys["prompt"] == "a"  # type: ignore[union-attr]
    assert len(job.warnings) == 2
    assert remarks_on_request(CaptionRequest()) == ()


def test_texts_are_remarked_on_as_well() -> None:
    found = parse_prompt_text(b"a circle <lyco:ink:1> <wildcard:animal> # x", file="cat.txt", catalogue=LORAS)
    assert isinstance(found, ParsedFile)
    assert [warning.split("`")[1] for warning in found.jobs[0].warnings] == ["# x", "<wildcard:animal>"]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("{sparkle}, 1girl", ["`{sparkle}` is drawn with its braces, as no `|` makes it a choice; "]),
        ("{{{masterpiece}}}, [[low]]", ["`{{{masterpiece}}}` is drawn with its braces, as no `|` makes it a choice; "]),
        ("a {b|c} fox", []),
        ("a {2$$b|c} fox", []),
        (r"a \{b} fox", []),
        ("{|} {} fox", []),
    ],
)
def test_braces_of_novelai_are_said_to_be_text(prompt: str, said: list[str]) -> None:
    found = remarks_on_texts("prompt", [prompt])
    assert [remark.partition("NovelAI")[0].removeprefix("prompt: ") for remark in found] == said


@pytest.mark.parametrize(("prompt", "instead"), [("{a fox}", "(a fox:1.05)"), ("{{{a fox}}}", "(a fox:1.16)")])
def test_the_weight_of_braces_is_given_in_a1111s_way(prompt: str, instead: str) -> None:
    (remark,) = remarks_on_texts("prompt", [prompt])
    assert remark.endswith(f"NovelAI's emphasis is `{instead}` here")
