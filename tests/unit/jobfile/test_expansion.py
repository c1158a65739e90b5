"""What a document of a job file becomes: seeds, counts, choices, matrices."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.parser import ParsedFile, ParsedJob, RejectedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.templates import escape_choices
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, PictureCheck
from aura_daemon.jobs.sources import SourceKind

CATALOGUE = Catalogue(
    models=("aura-mini", "sd-1.4"),
    loras=("ink", "sub/grain"),
    wildcards={"animals": ("cat", "dog"), "one": ("fox",), "long": ("x", "y" * 6000)},
)


def folder(**keys: object) -> FolderDefaults:
    return FolderDefaults(name="_defaults.yaml", sha256="0" * 64, keys=keys)


def jobs(text: str, *folders: FolderDefaults, first: int = 100) -> tuple[ParsedJob, ...]:
    numbers = count(first)
    found = parse(
        SourceKind.JOB_FILE,
        text.encode(),
        file="cat.yaml",
        folders=folders,
        catalogue=CATALOGUE,
        draw=lambda: next(numbers),
    )
    assert isinstance(found, ParsedFile), [str(problem) for problem in found.problems]
    return found.jobs


def requests(text: str, *folders: FolderDefaults) -> list[GenerateRequest]:
    found = [job.spec.request for job in jobs(text, *folders)]
    return [one for one in found if isinstance(one, GenerateRequest)]


def complaints(text: str, *folders: FolderDefaults) -> list[str]:
    found = parse(SourceKind.JOB_FILE, text.encode(), file="cat.yaml", folders=folders, catalogue=CATALOGUE)
    assert isinstance(found, RejectedFile), found
    return [str(problem) for problem in found.problems]


# -- seeds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "seeds"),
    [
        ("seed: 7", [7]),
        ("seed: [3, 1, 2]", [3, 1, 2]),
        ("seed: [9]", [9]),
        ("seed: 1-4", [1, 2, 3, 4]),
        ("seed: 7..9", [7, 8, 9]),
        ("seed: 5 - 5", [5]),
        ("count: 3", [100, 101, 102]),
        ("seed: 7\ncount: 3", [7, 8, 9]),
        ("seed: 9223372036854775806\ncount: 2", [2**63 - 2, 2**63 - 1]),
        ("count: 1", [None]),
        ("seed: -1", [None]),
        ("seed: -1.0", [None]),
        ("seed: -1\ncount: 3", [100, 101, 102]),
        ("seed: -1\nmatrix: {steps: [1, 2]}", [100, 100]),
        ("steps: 7", [None]),
        ("matrix: {seed: [4, 2]}", [4, 2]),
        ("matrix: {seed: [4.0, null]}", [4, 100]),
    ],
)
def test_each_seed_is_a_picture(keys: str, seeds: list[int | None]) -> None:
    found = requests(f"prompt: x\n{keys}\n")
    assert [one.seed for one in found] == seeds
    assert {replace(one, seed=None, steps=None) for one in found} == {GenerateRequest(prompt="x")}


def test_a_random_seed_wins_over_the_folder_s() -> None:
    assert [one.seed for one in requests("prompt: x", folder(seed=7))] == [7]
    assert [one.seed for one in requests("prompt: x\nseed: -1", folder(seed=7))] == [None]
    assert [one.seed for one in requests("prompt: x\nseed: -1\ncount: 2", folder(seed=7))] == [100, 101]


def test_a_job_whose_random_seed_was_drawn_is_handed_back_with_it() -> None:
    found = jobs("prompt: x\nseed: -1\nmatrix: {steps: [1, 2]}")
    assert [requests(job.text.decode())[0].seed for job in found] == [100, 100]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("seed: 4-1", "seed: is a range that counts down: write 1-4 (given: 4-1)"),
        ("seed: 1-501", "seed: is a range of 501 seeds; at most 500 are allowed"),
        ("seed: '7'", "a range as `1-4`; -1 draws one, without quotes"),
        ("seed: many", "seed: must be a whole number from 0 to 2**63 - 1, a list of at most 500 of them, or a range"),
        ("seed: [1, -1]", "`-1` stands alone, and `count` makes several pictures of it (given: [1, -1])"),
        ("seed: '-1'", "or a range as `1-4`; -1 draws one, without quotes (given: '-1')"),
        ("matrix: {seed: [-1, 4]}", "matrix.seed.0: is a random seed, which stands beside `matrix`"),
        ("seed: [1, -2]", "seed: holds -2, which is no seed; a seed is a whole number from 0 to 2**63 - 1"),
        ("seed: []", "seed: holds 0 seeds"),
        ("seed: [1, 2]\ncount: 3", "`count` numbers the seeds itself: leave it out, or name one `seed`"),
        ("seed: 9223372036854775807\ncount: 2", "cat.yaml:3: count: so many seeds do not fit"),
        ("count: 0", "count: must be a whole number from 1 to 500"),
        ("count: 501", "count: must be a whole number from 1 to 500"),
        ("seeds: 7", "unknown key; did you mean `seed`?"),
        ("grid: 1", "grid: must be true or false"),
    ],
)
def test_seeds_that_cannot_be_are_refused_with_the_mend(keys: str, words: str) -> None:
    (found,) = complaints(f"prompt: x\n{keys}\n")
    assert words in found


# -- choices -----------------------------------------------------------------------------------------------------------


def test_without_a_count_every_combination_is_a_job_of_one_seed() -> None:
    found = requests("prompt: a {2::red|blue} {circle|ring}\nnegative_prompt: '{|blurry}'\n")
    assert [(one.prompt, one.negative_prompt) for one in found] == [
        (f"a {colour} {shape}", negative)
        for colour in ("red", "blue")
        for shape in ("circle", "ring")
        for negative in ("", "blurry")
    ]
    assert {one.seed for one in found} == {100}


def test_with_a_count_each_picture_draws_its_own_texts_and_the_same_seed_draws_the_same() -> None:
    text = "prompt: a {red|green|blue} {circle|ring|cross} __animals__\nseed: {}\ncount: {}\n"
    found = requests(text.replace("{}", "7", 1).replace("{}", "20"))
    assert [one.seed for one in found] == list(range(7, 27))
    assert len({one.prompt for one in found}) > 5
    later = requests(text.replace("{}", "10", 1).replace("{}", "3"))
    assert later == found[3:6]
    assert requests(text.replace("{}", "10-12", 1).replace("count: {}", "")) == later


def test_escapes_are_plain_text_in_the_request_and_a_job_alone_keeps_its_text() -> None:
    text = "# mine\nprompt: a \\{red|blue\\} {word} \\__animals__\n"
    (job,) = jobs(text)
    assert job.spec.request == GenerateRequest(prompt="a {red|blue} {word} __animals__")
    assert job.text == text.encode()


def test_a_bar_in_square_brackets_is_no_choice() -> None:
    found = requests(r"prompt: a {red|blue} [cow|horse] [x\\|y]")
    assert [one.prompt for one in found] == [f"a {colour} [cow|horse] [x\\|y]" for colour in ("red", "blue")]


def test_a_word_list_counts_as_a_choice_even_where_it_has_one_line() -> None:
    (job,) = jobs("prompt: a __one__\n")
    assert job.spec.request == GenerateRequest(prompt="a fox", seed=100)
    assert job.text == b"prompt: a fox\nseed: 100\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prompt: a {red|blue", r"cat.yaml:1: prompt: a choice is opened with `{` and never closed"),
        ("prompt: __animal__", "cat.yaml:1: prompt: `__animal__` is no word list (known are animals, one, long)"),
        ("prompt: __animal__", '(given: "__animal__"); did you mean `__animals__`?'),
        ("prompt: x\nnegative_prompt: '{a|'", "cat.yaml:2: negative_prompt: a choice is opened"),
        ("matrix: {prompt: [x, '{a|']}", "cat.yaml:1: matrix.prompt.1: a choice is opened"),
        ("prompt: '{|red}'", "cat.yaml:1: prompt: must be text of 1 to 10000 characters: what to draw"),
        ("prompt: __long__ __long__", "prompt: can become 12,001 characters long; at most 10,000 are allowed"),
    ],
)
def test_choices_that_cannot_be_are_refused(text: str, words: str) -> None:
    (found,) = complaints(text)
    assert words in found


def test_a_prompt_text_expands_as_a_job_file_does() -> None:
    found = parse(
        SourceKind.PROMPT_TEXT, b"a {red|blue} __one__\n", file="cat.txt", catalogue=CATALOGUE, draw=lambda: 9
    )
    assert isinstance(found, ParsedFile)
    assert [job.spec.request for job in found.jobs] == [
        GenerateRequest(prompt="a red fox", seed=9),
        GenerateRequest(prompt="a blue fox", seed=9),
    ]
    assert found.jobs[0].text == b"prompt: a red fox\nseed: 9\n"
    found = parse(SourceKind.PROMPT_TEXT, b"a {red|blue", file="cat.txt")
    assert isinstance(found, RejectedFile)
    assert str(found.problems[0]).startswith("cat.txt: prompt: a choice is opened")


# -- matrix ------------------------------------------------------------------------------------------------------------


def test_a_matrix_is_every_combination_the_last_key_varying_fastest() -> None:
    found = requests("prompt: x\nmatrix:\n  steps: [10, 20]\n  scheduler: [Euler, DDIM]\n  loras: [[ink], []]\n")
    assert [(one.steps, one.scheduler, len(one.loras)) for one in found] == [
        (steps, scheduler, loras) for steps in (10, 20) for scheduler in ("euler", "ddim") for loras in (1, 0)
    ]
    assert {one.seed for one in found} == {100}


def test_matrix_then_seeds_then_choices() -> None:
    found = requests("prompt: '{a|b}'\nseed: 7\nmatrix: {steps: [10, 20], prompt: null}\n")
    assert [(one.steps, one.prompt) for one in found] == [(10, "a"), (10, "b"), (20, "a"), (20, "b")]
    found = requests("prompt: '{a|b}'\nseed: [1, 2]\nmatrix: {steps: [10, 20]}\n")
    assert [(one.steps, one.seed) for one in found] == [(10, 1), (10, 2), (20, 1), (20, 2)]
    assert found[0].prompt == found[2].prompt
    found = requests("prompt: '{a|b}'\nmatrix: {seed: [1, 2]}\n")
    assert [(one.seed, one.prompt) for one in found] == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]


def test_prompts_can_be_varied_and_are_text_as_they_are_written() -> None:
    found = requests(
        "matrix: {prompt: [no, 1984, '{a|b}'], negative_prompt: [null, 16:9]}\n", folder(negative_prompt="y")
    )
    prompts = ["no", "no", "1984", "1984", "a", "b", "a", "b"]
    negatives = ["y", "16:9", "y", "16:9", "y", "y", "16:9", "16:9"]
    assert [(one.prompt, one.negative_prompt) for one in found] == list(zip(prompts, negatives, strict=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prompt: x\nmatrix:\n  steps: [10, 0]", ["cat.yaml:3: matrix.steps.1: must be a whole number from 1 to 150"]),
        (
            "prompt: x\nmatrix: {scheduler: [eular, ddim], hires: [{scale: 2, strenght: 1}]}",
            [
                "cat.yaml:2: matrix.scheduler.0: must be one of",
                "cat.yaml:2: matrix.hires.0.strenght: unknown key; did you mean `strength`?",
            ],
        ),
        ("prompt: x\nmatrix: {stepz: [1]}", ["cat.yaml:2: matrix.stepz: unknown key; did you mean `steps`?"]),
        ("prompt: x\nmatrix: {zzzzzz: [1]}", ["matrix.zzzzzz: unknown key; known are prompt, negative_prompt"]),
        ("prompt: x\nmatrix: {tags: [[a]]}", ["matrix.tags: is the same for all combinations: say it beside `matrix`"]),
        ("prompt: x\nmatrix: {steps: 10}", ["matrix.steps: must be a list of 1 to 500 values of `steps` (given: 10)"]),
        ("prompt: x\nmatrix: {steps: []}", ["matrix.steps: must be a list"]),
        ("matrix: {prompt: x}", ["matrix.prompt: must be a list"]),
        ("matrix: {prompt: null}", ["prompt: is missing: what should be drawn?"]),
        ("matrix: {prompt: [x, null]}", ["matrix.prompt.1: is missing"]),
        ("prompt: x\nmatrix: [1]", ["matrix: must be keys of the job, each with a list of values"]),
        ("prompt: x\nsteps: 3\nmatrix: {steps: [10]}", ["`steps` stands beside `matrix` too: say it in one place"]),
        ("prompt: x\ncount: 3\nmatrix: {seed: [10]}", ["matrix.seed: `count` numbers the seeds itself"]),
        ("prompt: x\nmatrix: {seed: [1, 2-3, [4]]}", ["matrix.seed.1: must be one seed", "seed.2: must be one seed"]),
        ("prompt: x\nmatrix: {seed: [1, many]}", ["matrix.seed.1: must be a whole number from 0"]),
        ("prompt: x\nsteps: 0\nmatrix: {width: [64, 1]}", ["cat.yaml:2: steps: must", "3: matrix.width.1: must be"]),
        ("prompt: x\nstrength: 0.5\nmatrix: {image: [a.png, null]}", ["`strength` goes with `image`"]),
        ("image: a.png\ntask: caption\nmatrix: {steps: [1]}", ["`matrix` does not go with `task: caption`"]),
        ("prompt: x\nmatrix: {model: [sd-1.4, sd-1.5]}", ["matrix.model.1: is none of the models that the conf"]),
        (
            "prompt: x\nsteps: 0\nmodel: sd-1.5\nloras: [{name: inc, weight: 9}, ink, 7, sub]",
            [
                "cat.yaml:2: steps: must be",
                "cat.yaml:4: loras.0.weight: must be",
                "cat.yaml:4: loras.2: must be a list",
                "cat.yaml:4: loras: is none of the LoRAs that the configuration allows: ink, sub/grain (given: inc)",
                "cat.yaml:4: loras: is none of the LoRAs that the configuration allows: ink, sub/grain (given: sub)",
                "cat.yaml:3: model: is none of the models that the configuration allows",
            ],
        ),
        ("prompt: x\nsteps: 0\nmodel: 7\nloras: ink", ["2: steps:", "3: model:", "4: loras:"]),
        ("task: caption\nimage: a.png\nmodel: sd-1.5", ["`model` does not go with `task: caption`"]),
        ("steps: 4\nprompt: a <lora:inc:0.5> x", ["cat.yaml:2: prompt: is none of the LoRAs"]),
        ("prompt: a <lora:inc>\nloras: [ink, subgrain]", ["2: loras: is none of", "1: prompt: is none of"]),
        ("matrix:\n  prompt: [x, '<lora:inc:1> y']", ["cat.yaml:2: matrix.prompt.1: is none of the LoRAs"]),
        ("prompt: x\nloras: [inc]", ["cat.yaml:2: loras: is none of the LoRAs that the configuration allows: ink"]),
    ],
)  # fmt: skip
def test_a_wrong_matrix_is_refused_value_by_value(text: str, words: list[str]) -> None:
    found = complaints(text)
    assert len(found) == len(words), found
    for one, part in zip(found, words, strict=True):
        assert part in one


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prompt: x\nmatrix: {steps: [1, 2, 3]}\nseed: 1-167\n", "501 jobs; a file has at most 500: take values out"),
        ("prompt: '" + "{a|b|c|d|e|f|g|h}" * 3 + "'", "512 jobs; a file has at most 500: `count: 20`"),
        ("prompt: '" + "{a|b}" * 100 + "'", "more than 10**15 jobs"),
        ("prompt: x\ncount: 300\n---\nprompt: y\ncount: 200\n---\ntask: caption\nimage: a.png\n", "501 jobs"),
        ("prompt: x\nmatrix: {steps: [" + "10," * 400 + "], width: [64, 72]}", "800 jobs"),
    ],
)  # fmt: skip
def test_more_jobs_than_anyone_wants_are_refused_with_their_number(text: str, words: str) -> None:
    assert words in complaints(text)[-1]


def test_as_many_as_are_allowed_are_made_and_drawing_does_not_count_combinations() -> None:
    assert len(jobs("prompt: x\ncount: 300\n---\nprompt: y\ncount: 199\n---\ntask: caption\nimage: a.png\n")) == 500
    assert len(jobs("prompt: '" + "{a|b}" * 100 + "'\ncount: 9\n")) == 9


def test_what_may_be_drawn_anew_steps_past_the_seeds_of_the_document() -> None:
    text = b"prompt: x\nseed: [3, 5]\nmatrix: {verify: [0.5, true, false]}\n---\nprompt: x\nseed: 7\nbest_of: 2\n"
    found = parse(SourceKind.JOB_FILE, text, file="cat.yaml")
    assert isinstance(found, ParsedFile)
    requests = [job.spec.request for job in found.jobs]
    checks = [request.check for request in requests if isinstance(request, GenerateRequest)]
    steps = [PictureCheck(verify=verify, seed_step=3) for verify in (0.5, 0.5, 0.0, 0.0)]
    assert checks == [*steps, None, None, PictureCheck(best_of=2)]


def test_expanding_and_refusing_are_quick() -> None:
    document = "prompt: a {red|green} __animals__, oil painting\nnegative_prompt: blurry\nloras: [ink]\ntags: [a, b]\n"
    full = document + "matrix: {steps: [" + ",".join(map(str, range(1, 126))) + "]}\n"
    over = document + "matrix: {steps: [" + "10," * 499 + "], width: [" + "64," * 499 + "]}\n"
    many = "---\n" + document + "count: 500\n"
    assert 0 < _calls(full, is_well=True) < 300_000  # a thousand for each of the 250 jobs, which are validated
    assert 0 < _calls(over, is_well=False) < 30_000  # hardly more than its lists have values: no product is made
    assert 0 < _calls(many * 200, is_well=False) < 220_000  # a thousand for each of the 200 documents


def _calls(text: str, *, is_well: bool) -> int:
    """Of functions, Python's own included, while a file is read: the same however busy the machine is."""
    calls = 0

    def count_one(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count_one)
    try:
        found = parse(SourceKind.JOB_FILE, text.encode(), file="cat.yaml", catalogue=CATALOGUE)
    finally:
        sys.setprofile(before)
    assert isinstance(found, ParsedFile) is is_well
    return calls


# -- texts of their own ------------------------------------------------------------------------------------------------


KEYS = st.fixed_dictionaries(
    {"prompt": st.sampled_from(["x", "a {red|blue}", "__animals__ {|sits}", "\\{a|b\\} {word}", "1e3", "no"])},
    optional={
        "negative_prompt": st.sampled_from(["", "{a|b}", "no"]),
        "seed": st.sampled_from([7, 8.0, [1, 2], "3-5"]),
        "count": st.integers(1, 3),
        "steps": st.integers(1, 150),
        "notes": st.sampled_from(["{a|b}", "it's\nlong", "# no"]),
        "tags": st.lists(st.sampled_from(["0o17", "1e3", "a b", "null"]), max_size=2),
        "loras": st.sampled_from([["ink"], [{"name": "sub/grain", "weight": 0.5}, "ink"]]),
        "grid": st.booleans(),
        "priority": st.integers(-5, 5),
        "matrix": st.fixed_dictionaries(
            {}, optional={"scheduler": st.just(["euler", None]), "hires": st.just([{"scale": 1.5}, {}])}
        ),
    },
).filter(lambda keys: "count" not in keys or not isinstance(keys.get("seed"), str | list))

FOLDERS = st.fixed_dictionaries(
    {},
    optional={
        "count": st.integers(1, 3),
        "negative_prompt": st.sampled_from(["blurry", "{a|b}", r"\{a|b\}"]),
        "steps": st.just(9),
    },
) | st.fixed_dictionaries({}, optional={"seed": st.sampled_from([5, [5, 6], "5-6"]), "grid": st.just(True)})


@given(KEYS, st.lists(FOLDERS, max_size=2))
def test_the_text_of_each_job_asks_for_this_job_alone(keys: dict[str, object], said: list[dict[str, object]]) -> None:
    folders = [folder(**one) for one in said]
    found = jobs(json.dumps(keys), *folders)
    for job in found:
        alone = jobs(job.text.decode(), *folders, first=555)
        assert len(alone) == 1
        assert replace(alone[0].spec, grid=job.spec.grid) == job.spec
        assert alone[0].text == job.text or len(found) == 1
    assert len({job.spec.grid for job in found}) == 1


def test_a_folder_may_say_how_many_and_which_seeds() -> None:
    assert [one.seed for one in requests("prompt: x", folder(count=2))] == [100, 101]
    assert [one.seed for one in requests("prompt: x\nseed: 7", folder(count=2))] == [7, 8]
    assert [one.seed for one in requests("prompt: x\nseed: 7", folder(seed=[1, 2]))] == [7]
    assert [one.seed for one in requests("prompt: x\nseed: [7, 9]", folder(count=3))] == [7, 9]
    assert [one.seed for one in requests("prompt: x\ncount: 2", folder(seed="1-3"))] == [100, 101]
    assert [one.seed for one in requests("prompt: x\ncount: 2", folder(seed=5))] == [5, 6]
    assert [one.seed for one in requests("prompt: x\nmatrix: {seed: [1]}", folder(count=3), folder(seed=5))] == [1]
    assert [one.seed for one in requests("prompt: x", folder(count=2), folder(seed="1-3"))] == [100, 101]


def test_a_name_that_a_folder_says_is_refused_where_it_is_said() -> None:
    (found,) = complaints("prompt: x", folder(steps=7), folder(model="sd-1.5"))
    assert found.startswith("_defaults.yaml: model: is none of the models that the configuration allows: aura-mini")


def test_a_caption_job_is_left_as_it_is() -> None:
    (job,) = jobs("task: caption\nimage: a.png\nprompt: a {photo|drawing} of __animals__", folder(count=3))
    assert job.spec.request == CaptionRequest(image="a.png", prompt="a {photo|drawing} of __animals__")


def test_a_sheet_is_asked_for_by_every_job_of_the_file_but_not_by_one_that_stands_alone() -> None:
    found = jobs("prompt: x\ncount: 2\ngrid: true\n")
    assert [job.spec.grid for job in found] == [True, True]
    assert found[0].text == b"prompt: x\nseed: 100\n"
    assert not jobs("prompt: x\n")[0].spec.grid
    assert jobs("prompt: x\n", folder(grid=True))[0].spec.grid


@given(st.text("ab{|}\\_ ", min_size=1, max_size=12).filter(str.strip))
def test_any_prompt_can_be_said_with_escapes(text: str) -> None:
    found = requests("prompt: '" + escape_choices(text) + "'")
    assert [one.prompt for one in found] == [text.strip()]
