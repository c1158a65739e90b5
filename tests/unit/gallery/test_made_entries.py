from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.errors import Problem
from aura_daemon.formats.sidecars.requests import (
    BenchmarkRecord,
    DatasetRecord,
    EnlargementRecord,
    GridRecord,
    LoraRecord,
    RegionRecord,
    UpscaleRecord,
)
from aura_daemon.formats.sidecars.schema import MatchRecord, OutputRecord, Sidecar, TextRecord, TryRecord
from aura_daemon.gallery.entries import EntryKind
from aura_daemon.gallery.made_entries import of_failure, of_result
from aura_daemon.jobfile.from_sidecar import parse, request_of
from aura_daemon.jobfile.validation import JobSpec, validated
from aura_daemon.jobs.caption_files import AskedCaptionFile, CaptionFile, CaptionPlace
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    GridRequest,
    ImageFormat,
    Lora,
    Request,
    UpscaleRequest,
    kind_of,
)
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.records import Job, Source
from tests.support.steps import sidecar_bytes

SOURCE = Source(
    id="s",
    path="pets/cat.yaml",
    kind=SourceKind.JOB_FILE,
    size_bytes=1,
    modified_ns=1,
    inode=1,
    settled_s=0.0,
    claimed_at=5.0,
)


def job(request: Request, **changes: object) -> Job:
    made = Job(
        id="20260101T000000.000-abcdef",
        source_id="s",
        number=None,
        kind=kind_of(request),
        request=request,
        text=b"prompt: a red circle\n",
        folder="",
        stem="cat",
        finished_at=60.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def document(request: GenerateRequest | CaptionRequest, **changes: object) -> Sidecar:
    parsed = parse(sidecar_bytes(request), file="x.json")
    assert isinstance(parsed, Sidecar)
    return parsed.model_copy(update=changes)


DRAWN = GenerateRequest(prompt="a red circle", seed=7, negative_prompt="blurry")


def test_a_picture_shows_what_it_was_made_from_and_where_it_lies() -> None:
    output = OutputRecord(name="cat.webp", bytes=1, sha256="", width=96, height=64)
    entry = of_result(
        3,
        job(DRAWN, folder="pets & co"),
        "cat.json",
        document(DRAWN, outputs=[output]),
        thumbnail_size=(48, 32),
    )
    assert (entry.kind, entry.prompt, entry.negative) == (EntryKind.PICTURE, "a red circle", "blurry")
    assert entry.picture == "pets%20%26%20co/cat.webp"
    assert entry.sidecar == "pets%20%26%20co/cat.json"
    assert entry.thumbnail == "aura-gallery/thumbnails/20260101/20260101T000000.000-abcdef.webp"
    assert (entry.width, entry.height) == (96, 64)
    assert dict(entry.settings)["Seed"] == "7"


def test_the_job_file_of_a_picture_asks_for_the_same() -> None:
    made = document(DRAWN)
    entry = of_result(3, job(DRAWN), "cat.json", made, thumbnail_size=None)
    spec = validated(yaml.safe_load(entry.job), file="copied.yaml")
    assert isinstance(spec, JobSpec)
    again = request_of(made)
    assert isinstance(again, GenerateRequest)
    assert spec.request == replace(again, format=None, metadata=None, variant="")


def test_regions_are_shown_with_their_places() -> None:
    boxed = RegionRecord(prompt="a star", weight=1, box=[0.5, 0, 1, 1], mask=None)
    masked = RegionRecord(prompt="a ring", weight=0.5, box=None, mask="m.png")
    base = document(DRAWN)
    made = base.model_copy(update={"request": base.request.model_copy(update={"regions": [boxed, masked]})})
    entry = of_result(3, job(DRAWN), "cat.json", made, thumbnail_size=None)
    assert dict(entry.settings)["Regions"] == "a star (0.5, 0, 1, 1); a ring (m.png, 0.5)"


def test_a_caption_shows_its_words_and_the_shape_of_its_thumbnail() -> None:
    asked = CaptionRequest(image="beach.png")
    entry = of_result(3, job(asked), "cat.json", document(asked, caption="a beach"), thumbnail_size=(480, 270))
    assert (entry.kind, entry.caption, entry.picture, entry.text) == (EntryKind.CAPTION, "a beach", "", "cat.txt")
    assert (entry.width, entry.height) == (480, 270)
    assert entry.job == ""
    assert not {"Beams", "Seed", "Candidates", "Most words"} & dict(entry.settings).keys()


def test_a_caption_beside_its_picture_is_named_and_no_page_leads_into_the_inbox() -> None:
    asked = CaptionRequest(image="beach.png", picture="beach.png", caption=AskedCaptionFile(place=CaptionPlace.BESIDE))
    text = TextRecord(name="set/beach.txt", bytes=1, sha256="", is_kept=False)
    entry = of_result(3, job(asked), "cat.json", document(asked, caption="a beach", text=text), thumbnail_size=None)
    assert (entry.caption, entry.text, dict(entry.settings)["Text"]) == ("a beach", "", "set/beach.txt")
    output = OutputRecord(name="cat.caption", bytes=1, sha256="", width=None, height=None)
    kept = text.model_copy(update={"is_kept": True})
    made = document(asked, caption="a beach", text=kept, outputs=[output])
    entry = of_result(3, job(asked), "cat.json", made, thumbnail_size=None)
    assert (entry.text, "Text" in dict(entry.settings)) == ("cat.caption", False)


@pytest.mark.parametrize(
    ("request_", "address_of"),
    [
        (DRAWN, "cat.png"),
        (replace(DRAWN, format=ImageFormat.AVIF), "cat.avif"),
        (CaptionRequest(image="beach.png"), "cat.txt"),
        (GridRequest(cells=("a", "b"), columns=2), "cat.png"),
        (DatasetRequest(images=("set/**",), base="set", file=CaptionFile()), "cat-sheet.html"),
        (UpscaleRequest(format=ImageFormat.WEBP), "cat.webp"),
    ],
    ids=["picture", "another format", "caption", "sheet", "set", "enlarged"],
)
def test_without_its_sidecar_a_result_shows_what_the_journal_knows(request_: Request, address_of: str) -> None:
    entry = of_result(3, job(request_), "cat.json", None, thumbnail_size=None, source=SOURCE)
    assert address_of in (entry.picture, entry.text)
    assert (entry.sidecar, entry.thumbnail, entry.ended) == ("", "", "1970-01-01T00:01:00+00:00")
    assert ("File", "pets/cat.yaml") in entry.settings


def test_a_sheet_shows_what_lies_on_it() -> None:
    base = document(DRAWN)
    record = GridRecord(cells=["a", "b"], columns=2, column_labels=["steps 4", "steps 8"], row_labels=[])
    made = base.model_copy(update={"request": record, "outputs": [], "rung": ""})
    entry = of_result(3, job(GridRequest(cells=("a", "b"), columns=2)), "cat.json", made, thumbnail_size=(30, 20))
    assert (entry.kind, entry.prompt, entry.ratio_class) == (EntryKind.SHEET, "steps 4, steps 8", "r150")
    assert (entry.stages, dict(entry.settings)["Pictures"]) == ({}, "2")


def test_a_set_leads_to_its_contact_sheet_and_tells_its_figures() -> None:
    base = document(DRAWN)
    record = DatasetRecord(images=["set/**"], base="set", pictures=1000, captioned=998, kept=0, failed=2)
    made = base.model_copy(update={"request": record, "rung": ""})
    request = DatasetRequest(images=("set/**",), base="set", file=CaptionFile())
    entry = of_result(3, job(request), "cat.json", made, thumbnail_size=None)
    assert (entry.kind, entry.caption, entry.text) == (EntryKind.CAPTION, "A set of 1,000 pictures", "cat-sheet.html")
    figures = dict(entry.settings)
    assert (figures["Captioned"], figures["Failed"], "Kept" in figures) == ("998", "2", False)


def test_an_enlarged_picture_says_how_much_larger_it_is() -> None:
    upscale = UpscaleRecord(model=None, scale=2.0, tile=256)
    record = EnlargementRecord(image="beach.png", upscale=upscale, tags=["a"])
    made = document(DRAWN).model_copy(update={"request": record})
    entry = of_result(3, job(UpscaleRequest(image="beach.png")), "cat.json", made, thumbnail_size=None)
    assert (entry.kind, entry.prompt) == (EntryKind.PICTURE, "Enlarged 2 times")
    figures = dict(entry.settings)
    assert (figures["Image"], figures["Tile"], figures["Tags"]) == ("beach.png", "256", "a")
    drawn = document(DRAWN)
    drawn = drawn.model_copy(update={"request": drawn.request.model_copy(update={"upscale": upscale})})
    assert ("Enlarged", "× 2") in of_result(3, job(DRAWN), "cat.json", drawn, thumbnail_size=None).settings


def test_a_failure_shows_reason_mend_and_its_own_text() -> None:
    failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="it needs 9 GiB", mend="take a smaller size")
    entry = of_failure(4, SOURCE, job(DRAWN, failure=failure, attempts=3))
    assert (entry.kind, entry.reason, entry.mend) == (EntryKind.FAILURE, "it needs 9 GiB", "take a smaller size")
    assert entry.settings[0] == ("Kind", "out of memory")
    assert entry.job == "prompt: a red circle\n"


def test_a_cancelled_job_says_so() -> None:
    assert of_failure(4, SOURCE, job(DRAWN, failure=CANCELLED)).settings[0] == ("Kind", "cancelled")


def test_a_refused_file_shows_every_problem() -> None:
    problems = tuple(Problem(file="cat.yaml", key=key, message="is wrong") for key in ("a", "b"))
    failure = Failure(kind=FailureKind.BAD_INPUT, message="2 problems")
    entry = of_failure(4, replace(SOURCE, failure=failure, problems=problems), None)
    assert (entry.id, entry.prompt, entry.job, len(entry.warnings)) == ("s", "", "", 2)
    assert of_failure(4, replace(SOURCE, failure=failure, problems=problems[:1]), None).warnings == ()
    assert of_failure(4, SOURCE, None).reason == ""


def test_what_a_sidecar_says_beyond_the_usual_is_shown() -> None:
    asked = replace(DRAWN, loras=(Lora(name="ink", weight=0.5),), tags=("a", "b"), notes="for the wall")
    base = document(DRAWN)
    record = base.request.model_copy(
        update={"loras": [LoraRecord(name="ink", weight=0.5)], "strength": 0.4, "image": "start.png", "clip_skip": 2}
    )
    timing = base.timing_s.model_copy(update={"total": 300.0, "waited": 12.0})
    tries = [TryRecord(seed=7, score=0.5), TryRecord(seed=8, score=0.75)]
    match = MatchRecord(score=0.75, by="words", caption="a cat", seed=8, tries=tries)
    judged = {"match": match, "attempts": 2}
    full = base.model_copy(update={"request": record, "timing_s": timing, "peak_bytes": 1 << 30, **judged})
    shown = dict(of_result(3, job(asked), "cat.json", full, thumbnail_size=None).settings)
    assert (shown["LoRAs"], shown["Fits"]) == ("ink 0.5", "0.75 by its words, the best of 2")
    assert (shown["Took"], shown["Waited"], shown["Attempts"]) == ("4 min 48 s", "12.0 s", "2")
    assert (shown["Strength"], shown["Clip skip"], shown["Memory"]) == ("0.4", "2", "1.00 GiB")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_copied_prompt_is_read_as_it_was_drawn(prompt: str) -> None:
    made = document(DRAWN)
    drawn = made.model_copy(update={"request": made.request.model_copy(update={"prompt": prompt})})
    entry = of_result(3, job(DRAWN), "cat.json", drawn, thumbnail_size=None)
    assert yaml.safe_load(entry.job)["prompt"] == prompt


BENCHMARK = BenchmarkRequest(picture=GenerateRequest(prompt="a red circle"))


def test_a_benchmark_shows_its_drawing() -> None:
    record = BenchmarkRecord(of="generate", repeats=3, sizes=["512x512", "768x512"], prompt="a red circle")
    outputs = [OutputRecord(name=f"cat{end}", bytes=1, sha256="", width=None, height=None) for end in (".md", ".svg")]
    made = document(DRAWN).model_copy(update={"request": record, "outputs": outputs})
    entry = of_result(3, job(BENCHMARK), "cat.json", made, thumbnail_size=None)
    assert (entry.kind, entry.picture, entry.job) == (EntryKind.BENCHMARK, "cat.svg", "")
    assert ("Sizes", "512x512, 768x512") in entry.settings
    assert of_result(3, job(BENCHMARK), "cat.json", None, thumbnail_size=None).picture == "cat.svg"
