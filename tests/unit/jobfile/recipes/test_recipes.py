"""Folders that do one thing: what they make of what is dropped there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import yaml

from aura_daemon.jobfile.folder_defaults import FolderDefaults, defaults_schema, parse_defaults
from aura_daemon.jobfile.image_names import image_names, image_sets
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile, of_picture
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.recipes.pictures import in_order
from aura_daemon.jobfile.recipes.subject import PictureFacts, Subject
from aura_daemon.jobfile.validation import NO_TEXT, JobSpec, RegenerateSpec
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Request
from aura_daemon.jobs.sources import SourceKind

FACTS = PictureFacts(text="sea, {red|blue} <lora:x:2> (sun:1.5)", exif={"Model": "X-T1", "ISO": "200"})
WATERCOLOUR = 'task: generate\nimage: "{file}"\nprompt: "watercolour of {stem}, {date}"\nstrength: 0.5\n'

SCHEMA = jsonschema.Draft202012Validator(defaults_schema())


def folder(text: str, name: str = "in/_defaults.yaml") -> FolderDefaults:
    found = parse_defaults(text.encode(), file=name, sha256="0" * 64)
    assert isinstance(found, FolderDefaults), [str(problem) for problem in found]
    SCHEMA.validate(yaml.safe_load(text) or {})
    return found


def complaints(text: str) -> list[str]:
    found = parse_defaults(text.encode(), file="_defaults.yaml", sha256="")
    assert not isinstance(found, FolderDefaults)
    return [str(problem) for problem in found]


def subject(path: str, *, is_picture: bool = False, matches: tuple[str, ...] = (), facts: Any = FACTS) -> Subject:
    return Subject(
        path=path, is_picture=is_picture, date="2026-11-28", facts=lambda name: facts, matching=lambda pattern: matches
    )


def dropped(*texts: str, path: str = "in/Beach 1.jpg", facts: Any = FACTS) -> list[Request]:
    found = of_picture(list(map(folder, texts)), subject=subject(path, is_picture=True, facts=facts), draw=lambda: 7)
    assert isinstance(found, ParsedFile), found
    return [job.spec.request for job in found.jobs]  # type: ignore[misc]


def asked(
    text: str, *texts: str, path: str = "in/cat.yaml", kind: Any = SourceKind.JOB_FILE, matches: tuple[str, ...] = ()
) -> list[Any]:
    folders = list(map(folder, texts))
    about = subject(path, matches=matches)
    found = parse(kind, text.encode(), file=path, folders=folders, subject=about, draw=lambda: 7)
    assert isinstance(found, ParsedFile), found
    return [job.spec.request for job in found.jobs]


def refused(text: str, *texts: str, path: str = "in/cat.yaml", matches: tuple[str, ...] = ()) -> str:
    folders = list(map(folder, texts))
    about = subject(path, matches=matches)
    found = parse(SourceKind.JOB_FILE, text.encode(), file=path, folders=folders, subject=about)
    assert isinstance(found, RejectedFile), found
    return str(found.problems[0])


def test_a_picture_that_is_dropped_is_drawn_from_as_its_folder_says() -> None:
    expected = GenerateRequest(prompt="watercolour of Beach 1, 2026-11-28", image="Beach 1.jpg", strength=0.5)
    assert dropped(WATERCOLOUR) == [expected]


def test_the_nearest_folder_wins_key_by_key_and_a_job_over_all() -> None:
    (request,) = dropped('prompt: "oil of {stem}"\nsteps: 9', WATERCOLOUR)
    assert request == GenerateRequest(prompt="oil of Beach 1", image="Beach 1.jpg", strength=0.5, steps=9)
    assert dropped("task: caption", WATERCOLOUR) == [CaptionRequest()]
    (own,) = asked("prompt: a cat\nimage: cat.jpg", WATERCOLOUR)
    assert own == GenerateRequest(prompt="a cat", image="cat.jpg", strength=0.5)


def test_a_text_or_a_job_file_in_such_a_folder_is_still_what_it_is() -> None:
    prompts = asked("a cat\na dog\n", WATERCOLOUR, path="in/list.txt", kind=SourceKind.PROMPT_TEXT)
    assert prompts == [GenerateRequest(prompt="a cat"), GenerateRequest(prompt="a dog")]
    assert asked("task: caption\nimage: a.jpg", WATERCOLOUR) == [CaptionRequest(image="a.jpg")]
    (named,) = asked("image: a.jpg", WATERCOLOUR)
    assert named == GenerateRequest(prompt="watercolour of a, 2026-11-28", image="a.jpg", strength=0.5)
    (alone,) = asked("steps: 3", WATERCOLOUR)
    assert alone == GenerateRequest(prompt="watercolour of cat, 2026-11-28", steps=3)


def test_without_a_task_the_other_keys_of_a_folder_decide_as_in_a_job_file() -> None:
    assert dropped('image: "{file}"\nprompt: x') == [GenerateRequest(prompt="x", image="Beach 1.jpg")]
    assert dropped("prompt: x") == [CaptionRequest()]
    assert asked("image: a.jpg", "prompt: x") == [GenerateRequest(prompt="x", image="a.jpg")]
    assert asked("image: a.jpg", "steps: 3") == [CaptionRequest(image="a.jpg")]
    assert asked("image: a.jpg", "mask: m.png") == [CaptionRequest(image="a.jpg")]


def test_a_caption_takes_the_recipe_of_captions_alone() -> None:
    caption = 'task: caption\nprompt: "{folder}:"\ncaption: {prefix: "{exif:Model}", suffix: "by {exif:artist}"}'
    (request,) = dropped(caption, WATERCOLOUR)
    assert isinstance(request, CaptionRequest)
    assert (request.prompt, request.image, request.file.prefix, request.file.suffix) == ("in:", None, "X-T1", "by")
    assert dropped(f"{caption}\nimage: other.jpg") == [request]
    (named,) = asked("max_words: 3", "task: caption\nimage: a.jpg")
    assert named == CaptionRequest(image="a.jpg", max_words=3)


def test_a_value_that_is_not_there_is_told() -> None:
    folders = [folder('task: caption\nprompt: "{exif:Artist} {exif:Model}"')]
    found = of_picture(folders, subject=subject("a.jpg", is_picture=True))
    assert isinstance(found, ParsedFile)
    assert found.jobs[0].warnings == ("the picture's EXIF has no Artist: nothing stands for `{exif:Artist}`",)


def test_four_variations_are_four_jobs_each_of_which_can_be_handed_back() -> None:
    text = f"{WATERCOLOUR}matrix: {{strength: [0.2, null], seed: [1, 2]}}\n".replace("strength: 0.5\n", "")
    folders = [folder(text)]
    found = of_picture(folders, subject=subject("in/a.jpg", is_picture=True))
    assert isinstance(found, ParsedFile)
    assert len(found.jobs) == 4
    for job in found.jobs:
        assert asked(job.text.decode(), text, path="in/a-1.yaml") == [job.spec.request]


def test_what_a_job_says_is_no_list_of_the_folder() -> None:
    matrix = "matrix: {steps: [1, 2], seed: [5, 6], prompt: [a, b]}"
    assert len(asked("image: a.jpg", matrix)) == 8
    assert [request.steps for request in asked("prompt: x\nsteps: 9\ncount: 2\nseed: 1", matrix)] == [9, 9]
    assert len(asked("matrix: {prompt: [c]}", f"{matrix}\ntask: generate")) == 1


def test_no_value_is_read_as_a_sign() -> None:
    (request,) = dropped('task: generate\nprompt: "{a|b} {text}"\nnotes: "{text} \\\\{stem}"\nseed: 1\ncount: 1')
    assert isinstance(request, GenerateRequest)
    said = r"sea, \{red\|blue} <lora\:x\:\2> \(sun\:\1.5\)"
    assert request.prompt in (f"a {said}", f"b {said}")
    assert request.loras == ()
    assert request.notes == FACTS.text + " {stem}"


def test_a_text_in_braces_that_a_backslash_makes_text_stays_text() -> None:
    (request,) = asked(r"""prompt: '\{stem} {stem} \{caption} {a|a}'""" + "\nimage: a.jpg\nseed: 1\ncount: 1")
    assert request.prompt == r"\{stem} a \{caption} a"


def test_braces_stay_what_they_were_where_a_job_has_no_picture_and_no_recipe() -> None:
    text = "prompt: '{stem} {caption} {date}'\nnotes: '{text}'"
    assert asked(text) == [GenerateRequest(prompt="{stem} {caption} {date}", notes="{text}")]
    assert asked(text, "negative_prompt: '{stem}'")[0].negative_prompt == "{stem}"


def test_texts_of_folders_that_are_no_recipes_are_filled_where_there_is_a_picture() -> None:
    said = 'negative_prompt: "{stem}"\ntags: ["{file}", 7]\noutput: "{exif:Model}/{stem}-{seed}-{text}"'
    (request,) = asked("prompt: x\nimage: b/a.jpg", said)
    assert (request.negative_prompt, request.tags) == ("a", ("a.jpg", "7"))
    assert request.output == "X-T1/{stem}-{seed}-sea,-red-blue-lora-x-2-(sun-1.5)"


def test_names_of_masks_follow_the_picture() -> None:
    mask = 'mask: "masks/{stem}.png"'
    (request,) = dropped(f"{WATERCOLOUR}{mask}")
    assert isinstance(request, GenerateRequest)
    assert request.mask == "masks/Beach 1.png"
    assert asked("prompt: x\nimage: a.jpg", mask)[0].mask == "masks/a.png"
    assert asked("prompt: x", mask)[0].mask is None
    lists = f"{WATERCOLOUR}matrix: {{mask: ['masks/{{stem}}.png', 'b.png']}}"
    assert [request.mask for request in dropped(lists)] == ["masks/Beach 1.png", "b.png"]  # type: ignore[union-attr]


def test_the_images_that_recipes_name_are_known_before_a_job_is_made() -> None:
    def names(text: str, *texts: str) -> tuple[str | None, ...]:
        return image_names(text.encode(), file="in/cat.yaml", folders=list(map(folder, texts)))

    assert names("prompt: x", "image: pose.png\nmask: '{stem}.png'") == ("pose.png", "pose.png")[:1]
    assert names("prompt: x", 'image: "photos/*.jpg"') == ("photos/*.jpg",)
    assert names("prompt: x", WATERCOLOUR) == ()
    assert names("image: a.jpg", WATERCOLOUR) == ("a.jpg",)
    assert names("max_words: 3", "task: caption") == (None,)


def test_all_of_several_pictures_are_drawn_from_by_default() -> None:
    pictures = ("p/a.jpg", "p/b.jpg")
    made = asked('prompt: "{x|y} {stem}"\nimage: "p/*.jpg"', matches=pictures)
    assert [(job.image, job.prompt) for job in made] == [
        ("p/a.jpg", "x a"),
        ("p/a.jpg", "y a"),
        ("p/b.jpg", "x b"),
        ("p/b.jpg", "y b"),
    ]
    assert len(asked('prompt: x\nimage: "p/*"\nmatrix: {steps: [1, 2]}', matches=pictures)) == 4


def test_each_job_takes_the_next_picture_or_one_that_its_seed_draws() -> None:
    pictures = ("p/a.jpg", "p/b.jpg", "p/c.jpg")
    recipe = 'image: "p/*.jpg"\npick: each'
    made = asked("one\ntwo\nthree\nfour {stem}", recipe, path="in/x.txt", kind=SourceKind.PROMPT_TEXT, matches=pictures)
    assert [job.image for job in made] == ["p/a.jpg", "p/b.jpg", "p/c.jpg", "p/a.jpg"]
    assert made[3].prompt == "four a"
    text = 'prompt: x\nimage: "p/*.jpg"\npick: random\nseed: 1-9'
    drawn = [job.image for job in asked(text, matches=pictures)]
    assert set(drawn) == set(pictures)
    assert drawn == [job.image for job in asked(text, matches=pictures)]
    (one,) = asked('prompt: x\nimage: "p/*.jpg"\npick: random', matches=pictures)
    assert one.seed == 7


def test_a_pick_without_several_pictures_says_that_it_does_nothing() -> None:
    found = parse(SourceKind.JOB_FILE, b"prompt: x\nimage: a.jpg\npick: each", file="cat.yaml")
    assert isinstance(found, ParsedFile)
    assert found.jobs[0].warnings == ("pick: does nothing, as `image` does not stand for several: `photos/*.jpg`",)


@pytest.mark.parametrize(
    ("count", "pick", "words"),
    [
        (0, "each", "cat.yaml:2: image: stands for no picture: none fits, beside the file or below the inbox"),
        (501, "all", "stands for 501 pictures, and a file makes at most 500: name fewer, or say `pick: random` or"),
        (10_001, "each", "stands for more than 10,000 pictures: name fewer of them"),
        (2, "some", "pick: must be one of all, random, each"),
    ],
)
def test_patterns_that_cannot_be_drawn_from_get_one_line(count: int, pick: str, words: str) -> None:
    names = tuple(f"p/{number}.jpg" for number in range(count))
    assert words in refused(f'prompt: x\nimage: "p/*.jpg"\npick: {pick}', path="cat.yaml", matches=names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'image: a.jpg\nprompt: "{exif:Modell}"',
            "cat.yaml:2: prompt: `{exif:Modell}` is no tag that is read; known are",
        ),
        ('image: a.jpg\nprompt: "{exif:Modell}"', "did you mean `{exif:Model}`?"),
        ('image: a.jpg\nprompt: x\nnotes: "{caption}"', "`{caption}` is known only when the picture is drawn"),
        ('image: a.jpg\nprompt: x\nmask: "{text}.png"', "`{text}` has no place in the name of an image; `{file}`"),
        (
            'image: "{stem}.jpg"\nprompt: x',
            "cat.yaml:1: image: the job names itself: placeholders in `image`",
        ),
        ('image: a.jpg\nquestion: "is it {caption}?"', "a caption cannot hold itself"),
        ('task: regenerate\nimage: a.png\nprompt: "{caption}"', "`{caption}` does not go with `task: regenerate`"),
    ],
)
def test_placeholders_without_a_value_are_refused_with_the_mend(text: str, words: str) -> None:
    assert words in refused(text, path="cat.yaml")


def test_a_recipe_s_prompt_about_a_picture_is_refused_where_there_is_none() -> None:
    found = refused("steps: 3", 'task: generate\nimage: "{file}"\nprompt: "oil of {text}"')
    mend = "and this job has none: say `image`, or a `prompt` without it"
    assert found == f"in/_defaults.yaml: prompt: `{{text}}` is about a picture, {mend}"


def test_a_placeholder_that_is_misspelt_in_a_job_file_is_told() -> None:
    found = parse(SourceKind.JOB_FILE, b"prompt: 'a {captoin} {masterpiece}'\nimage: a.jpg", file="cat.yaml")
    assert isinstance(found, ParsedFile)
    said = "prompt: `{captoin}` is no placeholder and stays as it is; did you mean `{caption}`?"
    assert [warning for warning in found.jobs[0].warnings if "captoin" in warning] == [said]
    assert not any("{masterpiece}` is no placeholder" in warning for warning in found.jobs[0].warnings)


KNOWN = "known are {file}, {stem}, {folder}, {date}, {caption}, {text} and {exif:TAG}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task: paint", "yaml:1: task: must be one of generate, caption, upscale, regenerate, reflect (given"),
        ("task: benchmark", "a job file asks for a benchmark"),
        (
            "task: generate\nprompt: 'a {captoin}'",
            rf"_defaults.yaml:2: prompt: `{{captoin}}` is no placeholder; {KNOWN}",
        ),
        ("task: generate\nprompt: 'a {captoin}'", "; did you mean `{caption}`?"),
        ("task: generate\nprompt: 'a {prompt}'", f"prompt: `{{prompt}}` would stand for itself; {KNOWN}"),
        ("image: _defaults.yaml", "_defaults.yaml:1: image: the recipe names itself: `{file}` stands for the picture"),
        ("task: caption\nprompt: '{caption}'", "prompt: a caption cannot hold itself"),
        ("task: generate\nimage: ../a.png", "image: must name a file below the inbox"),
        ("task: caption\nmask: a.png", "mask: does not go with `task: caption`"),
        ("task: generate\nmatrix: {step: [1]}", "matrix.step: unknown key; did you mean `steps`?"),
        ("task: generate\nmatrix: {strength: [0.5, 3]}", "_defaults.yaml:2: matrix.strength.1: must be a number"),
        ("task: generate\nprompt: ''", "prompt:"),
        ("task: generate\npick: some", "pick: must be one of all, random, each"),
        ("task: generate\nimages: a/*", "images: does not go with `task: generate`"),
        ("task: caption\nimages: ../a", "images: must name pictures or folders below the inbox"),
        ("task: reflect\nprompt: a cat", "prompt: must hold `{caption}`"),
        ("rounds: 99", "rounds: must be a whole number from 1 to 20"),
        ("promt: x", "promt: unknown key; did you mean `prompt`?"),
    ],
)
def test_a_recipe_that_is_wrong_gets_a_clear_line_with_the_mend(text: str, words: str) -> None:
    assert any(words in problem for problem in complaints(text)), complaints(text)


def test_braces_of_folders_that_are_no_recipes_stay_what_they_were() -> None:
    assert asked("prompt: x", "task: regenerate\nnegative_prompt: '{ugly}'")[0].negative_prompt == "{ugly}"


def test_what_was_not_there_when_a_file_was_looked_at_stays_open() -> None:
    (request,) = dropped('task: generate\nprompt: "a {text} {stem}"', facts=None)
    assert isinstance(request, GenerateRequest)
    assert request.prompt == "a {text} Beach 1"


def test_a_picture_that_is_made_again_takes_the_prompt_of_its_folder() -> None:
    found = of_picture([folder('task: regenerate\nprompt: "a {folder}"')], subject=subject("in/a.png", is_picture=True))
    assert isinstance(found, ParsedFile)
    spec = found.jobs[0].spec
    assert isinstance(spec, RegenerateSpec)
    assert spec.request.keys == {"prompt": "a in"}


def test_a_picture_whose_name_no_job_can_say_is_refused() -> None:
    found = of_picture([folder(WATERCOLOUR)], subject=subject("in/a\\b.jpg", is_picture=True))
    assert isinstance(found, RejectedFile)


def test_a_name_of_a_result_about_a_picture_is_refused_where_there_is_none() -> None:
    assert "output: `{text}` is about a picture" in refused('prompt: x\noutput: "{text}"')
    assert asked('prompt: x\noutput: "{folder}-{seed}"')[0].output == "{folder}-{seed}"


def test_values_that_are_no_texts_hold_no_placeholders() -> None:
    assert "tags.0" in refused("prompt: x\nimage: a.jpg\ntags: [[1]]")
    assert "matrix.notes" in refused("prompt: x\nimage: a.jpg\nmatrix: {notes: [1]}")
    assert "matrix.prompt.0" in refused("image: a.jpg\nmatrix: {prompt: [[1]]}")


def test_pictures_come_in_the_order_in_which_people_count() -> None:
    assert in_order(["b/1.png", "a10.png", "a2.png", "3.png"]) == ("3.png", "a2.png", "a10.png", "b/1.png")


def test_a_caption_in_a_prompt_is_of_the_picture_that_is_dropped_or_drawn_from() -> None:
    (drawn,) = dropped(WATERCOLOUR.replace("{date}", "{caption}"))
    expected = GenerateRequest(prompt="watercolour of Beach 1, {caption}", image="Beach 1.jpg", strength=0.5)
    assert drawn == replace(expected, described="Beach 1.jpg")
    (told,) = dropped('task: generate\nprompt: "{caption}, at night"')
    assert told == GenerateRequest(prompt="{caption}, at night", described="Beach 1.jpg")
    (own,) = asked('prompt: x\nnegative_prompt: "{caption}"\nimage: a.jpg')
    assert own.described == "a.jpg"


def test_each_of_several_jobs_that_hold_a_caption_can_be_handed_back() -> None:
    text = r"""prompt: '{a|b} {caption} \{caption} # {text}'""" + "\nimage: a.jpg\nseed: 1"
    found = parse(SourceKind.JOB_FILE, text.encode(), file="cat.yaml", subject=subject("cat.yaml"))
    assert isinstance(found, ParsedFile)
    assert len(found.jobs) == 2
    for job in found.jobs:
        assert asked(job.text.decode()) == [job.spec.request]
        assert r"{caption} \{caption}" in job.spec.request.prompt  # type: ignore[union-attr]


def test_a_picture_that_is_dropped_can_be_reflected() -> None:
    text = 'task: reflect\nprompt: "{stem}: {caption}"\nrounds: 2\nstrength: 0.5\n'
    found = of_picture([folder(text)], subject=subject("in/a.png", is_picture=True))
    assert isinstance(found, ParsedFile)
    (job,) = found.jobs
    assert job.spec.request == GenerateRequest(prompt="a: {caption}", strength=0.5, image="a.png", described="a.png")
    assert isinstance(job.spec, JobSpec)
    assert job.spec.rounds == 2


def test_a_folder_may_name_a_set_for_the_job_files_in_it() -> None:
    def sets(text: str, recipe: str) -> tuple[tuple[str, ...], ...]:
        return image_sets(text.encode(), file="in/cat.yaml", folders=[folder(recipe)])

    assert sets("max_words: 3", 'images: "set/**"') == (("set/**",),)
    assert sets("image: a.jpg", 'images: "set/**"') == ()
    assert sets("prompt: a cat", 'images: "set/**"') == ()
    assert sets("images: x", "steps: 3") == (("x/**",),)
    assert sets("task: caption", "task: caption\nimage: a.jpg") == ()
    assert dropped('task: caption\nimages: "set/**"\nmax_words: 3') == [CaptionRequest(max_words=3)]


@pytest.mark.parametrize(
    ("recipe", "key"),
    [
        ('task: generate\nprompt: "oil of {stem}"\n', "prompt"),
        ("task: reflect\n", "image"),
        ('caption: {prefix: "{stem}"}\n', "caption.prefix"),
        ('tags: ["{stem}"]\ntask: generate\nprompt: x\n', "tags.0"),
    ],
)
def test_a_key_that_takes_a_name_with_bytes_that_are_no_text_says_so(recipe: str, key: str) -> None:
    found = of_picture([folder(recipe)], subject=subject("in/caf\udce9.png", is_picture=True))
    assert isinstance(found, RejectedFile)
    assert [(one.key, one.message) for one in found.problems] == [(key, NO_TEXT)]


@pytest.mark.parametrize("row", ["task,prompt\ncaption,a cat\n", "task,prompt\ncaption,a\ncaption,b\n"])
def test_a_row_is_about_no_set_that_its_folder_names(row: str) -> None:
    found = parse(SourceKind.PROMPT_TABLE, row.encode(), file="t.csv", folders=[folder('images: "set/**"\n')])
    assert isinstance(found, RejectedFile)
    (problem,) = found.problems
    assert "comes from the folder's settings, and is for a job file (.yaml)" in str(problem)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("task: caption\nimage: photos/*.jpg\n", "cat.yaml:2: image: is one picture; a set of them is `images: "),
        ("image: photos/*.jpg\n", "cat.yaml:1: image: is one picture; a set of them is `images: "),
        ("task: reflect\nimage: photos/*.jpg\n", "cat.yaml:2: image: is one picture, with which the reflection begins"),
        ("task: regenerate\nimage: photos/*.jpg\n", "cat.yaml:2: image: is one picture: name each in a job of its own"),
    ],
)
def test_a_task_about_one_picture_takes_no_pattern(text: str, told: str) -> None:
    found = parse(SourceKind.JOB_FILE, text.encode(), file="cat.yaml", subject=subject("cat.yaml"))
    assert isinstance(found, RejectedFile)
    (problem,) = found.problems
    assert str(problem).startswith(told)


def test_a_table_that_is_refused_for_its_folder_s_set_waits_for_no_image() -> None:
    rows = b'{"task": "caption", "image": "a.png"}\n{"task": "caption"}\n'
    assert image_names(rows, file="in/t.jsonl") == ("a.png", None)
    assert image_names(rows, file="in/t.jsonl", folders=[folder('images: "set/**"\n')]) == ()


def test_rows_that_draw_or_name_their_picture_run_beside_a_recipe_of_a_set() -> None:
    rows = "task,image,prompt\ncaption,a.png,\ngenerate,,a cat\n"
    caption, drawing = asked(rows, 'images: "set/**"\n', path="in/t.csv", kind=SourceKind.PROMPT_TABLE)
    assert (caption.image, drawing.prompt) == ("a.png", "a cat")
