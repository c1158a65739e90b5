"""How the words of captions are found: the tokens of BLIP's own generate, and chance that neighbours do not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings
from aura_daemon.engines.captioning.blip import Captioner
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.captioning.ranking import WrittenCaption
from aura_daemon.engines.captioning.writing import write
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Devices, find_devices
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest, CaptionSampling
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.rungs import Rung
from tests.support.listening import Listener

MOST_TOKENS = 12
PICTURES = 6
PROMPTS = ("", "a", "a red square and a")
CHANCE = CaptionSampling(temperature=1.5, top_p=0.95, seed=5)


class Beside:
    """A captioner with telling weights, and the plain model beside it."""

    def __init__(self, folder: Path) -> None:
        model = BlipForConditionalGeneration.from_pretrained(folder)
        torch.manual_seed(3)
        with torch.no_grad():  # random weights of the usual size find all words equally likely, and never end
            for name, weights in model.named_parameters():
                if weights.dim() > 1:
                    weights.normal_(std=0.6 if "text_decoder" in name else 0.3)
        self.folder = folder.with_name("telling")
        model.save_pretrained(self.folder)
        self.processor = BlipProcessor.from_pretrained(folder)
        self.processor.save_pretrained(self.folder)
        self.model = BlipForConditionalGeneration.from_pretrained(self.folder).eval()
        dice = numpy.random.default_rng(1)
        self.images = [
            Image.fromarray(dice.integers(0, 255, (5, 4, 3), dtype=numpy.uint8)).resize((40, 50))
            for _ in range(PICTURES)
        ]
        self.session = Session(
            EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=CaptionSettings(model=str(self.folder)))
        )
        self.said: dict[tuple[int, str, int], str] = {}
        self.captioner = self.loaded()
        self.prepared = [
            self.captioner.prepare(ReadPicture(image=image), with_thumbnail=False) for image in self.images
        ]

    def loaded(self, **options: Any) -> Captioner:
        configured = CaptionSettings(model=str(self.folder))
        devices = find_devices(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32))
        files = find_model(configured, CAPTIONS, half=False, reporter=Listener())
        assert isinstance(devices, Devices)
        assert isinstance(files, ModelFiles)
        return Captioner(files, devices.on(Rung.CPU), configured, **options)

    def describe(
        self, numbers: Sequence[int], requests: Sequence[CaptionRequest] | CaptionRequest, by: Captioner | None = None
    ) -> list[Produced]:
        requests = [requests] * len(numbers) if isinstance(requests, CaptionRequest) else requests
        captioner = by or self.captioner
        return captioner.describe(
            [self.prepared[number] for number in numbers], requests, PeakMemory(captioner.placement)
        )

    def png(self, number: int) -> bytes:
        content = BytesIO()
        self.images[number].save(content, "PNG")
        return content.getvalue()

    def plain(self, number: int, prompt: str, num_beams: int = 1) -> str:
        """What transformers alone says of one picture."""
        known = self.said.get((number, prompt, num_beams))
        if known is not None:
            return known
        inputs = self.processor(images=self.images[number], text=prompt or None, return_tensors="pt")
        with torch.no_grad():
            tokens = self.model.generate(**inputs, max_new_tokens=MOST_TOKENS, do_sample=False, num_beams=num_beams)
        said = str(self.processor.decode(tokens[0], skip_special_tokens=True)).strip()
        return self.said.setdefault((number, prompt, num_beams), said)


@pytest.fixture(scope="module")
def beside(captioner_folder: Path) -> Beside:
    return Beside(captioner_folder)


@settings(max_examples=30, deadline=None)
@given(
    asked=st.lists(st.tuples(st.integers(0, PICTURES - 1), st.sampled_from(PROMPTS)), min_size=1, max_size=6),
    beams=st.integers(1, 4),
)
@example(asked=[(number, "") for number in range(PICTURES)], beams=1)
@example(asked=[(number, "") for number in range(PICTURES)], beams=3)
@example(asked=[(number, prompt) for number in (0, 1) for prompt in PROMPTS], beams=1)
def test_alone_and_in_any_batch_the_caption_is_plain_transformers_token_for_token(
    beside: Beside, asked: list[tuple[int, str]], beams: int
) -> None:
    requests = [CaptionRequest(prompt=prompt, max_new_tokens=MOST_TOKENS, beams=beams) for _, prompt in asked]
    made = beside.describe([number for number, _ in asked], requests)
    assert [one.text for one in made] == [beside.plain(number, prompt, num_beams=beams) for number, prompt in asked]


def test_captions_with_other_beginnings_are_written_in_one_batch(beside: Beside) -> None:
    tasks = [
        Task(
            job_id=prompt,
            request=CaptionRequest(prompt=prompt, max_new_tokens=MOST_TOKENS),
            image=beside.png(0),
            image_name="a.png",
        )
        for prompt in PROMPTS
    ]
    listener = Listener()
    beside.session.run(tasks, listener)
    for prompt in PROMPTS:
        made = listener.results[prompt].outcome
        assert isinstance(made, Produced)
        assert (made.text, made.batch_size) == (beside.plain(0, prompt), len(PROMPTS))


def test_a_beginning_that_leaves_less_room_is_written_on_by_itself_and_said(beside: Beside) -> None:
    requests = [CaptionRequest(prompt=prompt, max_new_tokens=40) for prompt in ("", "circle " * 100)]
    together = beside.describe([0, 1], requests)
    for number, request, one in zip((0, 1), requests, together, strict=True):
        (alone,) = beside.describe([number], request)
        assert (one.text, one.warnings) == (alone.text, alone.warnings)
    assert [len(one.warnings) for one in together] == [0, 2]


@pytest.mark.parametrize(
    ("request_", "width"),
    [
        (CaptionRequest(max_new_tokens=2), 0),
        (CaptionRequest(max_new_tokens=2, beams=3), 3),
        (CaptionRequest(max_new_tokens=2, sampling=CHANCE, candidates=4), 4),
    ],
)
def test_memory_is_learned_apart_for_each_number_of_captions_that_are_written_at_once(
    beside: Beside, request_: CaptionRequest, width: int
) -> None:
    listener = Listener()
    task = Task(job_id="a", request=request_, image=beside.png(0), image_name="a.png")
    beside.session.run([task], listener)
    tried = listener.results["a"].tried
    assert tried is not None
    assert (tried.width, tried.height, tried.extent.captions) == (width, 0, max(1, width))


def test_the_pictures_of_these_tests_have_captions_of_several_lengths(beside: Beside) -> None:
    texts = {beside.plain(number, "") for number in range(PICTURES)}
    assert len(texts) > 2
    assert len({len(text.split()) for text in texts}) > 1


@settings(max_examples=15, deadline=None)
@given(
    numbers=st.lists(st.integers(0, PICTURES - 1), min_size=1, max_size=4),
    seeds=st.lists(st.integers(0, 2**63 - 1), min_size=4, max_size=4),
    candidates=st.integers(1, 3),
)
def test_a_caption_drawn_by_chance_is_the_same_alone_and_in_any_batch(
    beside: Beside, numbers: list[int], seeds: list[int], candidates: int
) -> None:
    requests = [
        CaptionRequest(max_new_tokens=6, sampling=replace(CHANCE, seed=seed), candidates=candidates)
        for seed in seeds[: len(numbers)]
    ]
    together = beside.describe(numbers, requests)
    for number, request, one in zip(numbers, requests, together, strict=True):
        (alone,) = beside.describe([number], request)
        assert (one.text, [told.text for told in one.candidates]) == (
            alone.text,
            [told.text for told in alone.candidates],
        )
        assert one.resolved == alone.resolved


def test_another_seed_draws_other_words_and_little_chance_draws_the_likeliest(beside: Beside) -> None:
    def drawn(**changes: Any) -> str:
        request = CaptionRequest(max_new_tokens=MOST_TOKENS, sampling=replace(CHANCE, **changes))
        return beside.describe([0], request)[0].text

    assert len({drawn(seed=seed) for seed in range(6)}) > 2
    assert drawn(top_p=0.01) == beside.plain(0, "")


def test_words_are_drawn_as_often_as_they_are_likely(beside: Beside) -> None:
    many = [
        CaptionRequest(max_new_tokens=1, sampling=CaptionSampling(temperature=2, top_p=1, seed=seed))
        for seed in range(400)
    ]
    told = [one.text for one in beside.describe([0] * len(many), many)]
    inputs = beside.processor(images=beside.images[0], return_tensors="pt")
    with torch.no_grad():
        start = torch.tensor([[beside.model.config.text_config.bos_token_id]])
        likely = (beside.model(**inputs, input_ids=start).logits[0, -1] / 2).softmax(-1)
    for chance, token in zip(*likely.topk(3), strict=True):
        word = beside.processor.decode([token], skip_special_tokens=True).strip()
        assert abs(told.count(word) / len(many) - float(chance)) < 0.1, word


def test_more_candidates_leave_the_first_ones_as_they_were(beside: Beside) -> None:
    def candidates(count: int) -> set[str]:
        (one,) = beside.describe([1], CaptionRequest(max_new_tokens=6, sampling=CHANCE, candidates=count))
        return {told.text for told in one.candidates} or {one.text}

    assert candidates(1) <= candidates(3) <= candidates(6)
    assert len(candidates(6)) > 3


@pytest.mark.parametrize(
    "how", [{}, {"beams": 4}, {"beams": 4, "candidates": 3}, {"sampling": CHANCE, "candidates": 3}]
)
def test_how_likely_a_caption_was_is_what_the_model_says_of_its_tokens(beside: Beside, how: dict[str, Any]) -> None:
    start = torch.tensor([[beside.model.config.text_config.bos_token_id, 7, 8]] * 2)
    pixels = torch.stack([beside.prepared[number].pixels for number in (2, 3)])
    end = beside.processor.tokenizer.sep_token_id
    with torch.no_grad():
        inputs = {
            "input_ids": start,
            "attention_mask": torch.ones_like(start),
            "encoder_hidden_states": beside.model.vision_model(pixels)[0],
            "eos_token_id": end,
            "pad_token_id": 0,
        }
        resolved = [ResolvedCaption(image=None, prompt="", max_new_tokens=6, **how)] * 2
        generate = beside.model.text_decoder.generate
        written = write(generate, inputs, resolved, begun=3, end=end, most_tokens=6)
        assert [len(ones) for ones in written] == [how.get("candidates", 1)] * 2
        for number, ones in zip((2, 3), written, strict=True):
            for one in ones:
                ids = torch.tensor([[*start[0].tolist(), *one.tokens]])
                logits = beside.model(beside.prepared[number].pixels[None], input_ids=ids).logits[0]
                likely = logits.log_softmax(-1)[2:-1].gather(-1, ids[0, 3:, None])
                assert one.log_probability == pytest.approx(float(likely.mean()), abs=1e-4)
                assert one.probability == pytest.approx(float(likely.exp().mean()), abs=1e-4)
                assert 0 < len(one.tokens) <= 6


@pytest.mark.parametrize("sampling", [None, CHANCE])
def test_candidates_are_ranked_by_how_likely_the_model_finds_their_words(
    beside: Beside, sampling: CaptionSampling | None
) -> None:
    for one in beside.describe([2, 3], CaptionRequest(max_new_tokens=5, sampling=sampling, candidates=4)):
        assert one.ranked_by == "mean log probability of the tokens, by the captioner itself"
        scores = [told.score for told in one.candidates]
        assert scores[0] < 0
        assert scores == sorted(scores, reverse=True)
        assert one.text == one.candidates[0].text
        assert 1 < len({told.text for told in one.candidates}) == len(one.candidates) <= 4


class ShortestFirst:
    """Another opinion."""

    by = "brevity"

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def score(self, pixels: torch.Tensor, captions: Sequence[WrittenCaption]) -> Sequence[float]:
        self.seen.append(tuple(pixels.shape))
        return [-float(len(caption.text)) for caption in captions]


def test_another_ranker_sees_the_picture_and_decides_only_where_there_is_a_choice(beside: Beside) -> None:
    ranker = ShortestFirst()
    captioner = beside.loaded(ranker=ranker)
    (one,) = beside.describe([2], CaptionRequest(max_new_tokens=6, sampling=CHANCE, candidates=5), captioner)
    assert one.text == min((told.text for told in one.candidates), key=len)
    assert one.ranked_by == "brevity"
    (single,) = beside.describe([2], CaptionRequest(max_new_tokens=6), captioner)
    assert (single.candidates, single.ranked_by) == ((), "")
    assert ranker.seen == [(3, 32, 32)]


def test_a_caption_has_no_more_words_than_are_wanted_whatever_its_neighbours_may_have(beside: Beside) -> None:
    requests = [CaptionRequest(max_new_tokens=MOST_TOKENS, max_words=most) for most in (0, 2, 1)]
    whole, two, one = (made.text for made in beside.describe([0, 0, 0], requests))
    assert len(whole.split()) > 2
    assert len(two.split()) <= 2
    assert whole.startswith(two)
    assert one == whole.split()[0].rstrip(",;:")
