"""What each `speed` costs: the table of `python -m aura_daemon.training.evaluate --speeds`.

The daemon's own engine draws every picture, alone, on the CPU; nothing here knows how a speed is reached. Beside the
round trip stands how far a picture is from that of the same seed in float32 without any lever.
"""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.reporter import KeptOutcomes
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.jobs.tasks import Task
from aura_daemon.mini.grammar import Sentence
from aura_daemon.mini.knowledge import shows
from aura_daemon.training.models import came_back

PEAK: Final = 255  # of a pixel


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeedRow:
    """One line of the table."""

    what: str
    variant: str  # what computed, as sidecars name it; with the count of pictures where several did
    levers: tuple[str, ...]
    count: int
    right: int  # shape, colour and background
    shown: int  # the picture has the prompt's colours and shape by geometry, whatever the captioner says
    psnr_db: float  # median, as the next; infinite where most pictures are the reference's
    ssim: float
    farthest: int  # the largest difference of a pixel's channel, of 255
    seconds: float  # median of a picture, from the prompt to the file


def measure_speeds(
    asked: Sequence[Sentence],
    speeds: Iterable[Speed],
    *,
    dtype: Dtype = Dtype.AUTO,
    engine: EngineChoice = EngineChoice.AUTO,
    model: str | None = None,
) -> list[SpeedRow]:
    """The reference's line first; `model`: a folder in place of the embedded model."""
    generate = GenerateSettings() if model is None else GenerateSettings(model=model)
    plain = replace(generate, speed=Speed.EXACT, engine=EngineChoice.EAGER)
    reference = _drawn(asked, EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=plain))
    pictures = [_picture(one) for one in reference]
    rows = [_row("reference", asked, reference, pictures)]
    for speed in speeds:
        chosen = replace(generate, speed=speed, engine=engine)
        made = _drawn(asked, EngineSettings(device=Device.CPU, dtype=dtype, generate=chosen))
        rows.append(_row(speed, asked, made, pictures))
    return rows


def speeds_table(rows: Sequence[SpeedRow]) -> str:
    """A markdown table; the first line is the reference's."""
    lines = [
        "| speed | computed by | levers | right | by geometry | PSNR, dB | SSIM | farthest pixel | s each | faster |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        psnr = "same" if math.isinf(row.psnr_db) else f"{row.psnr_db:.1f}"
        lines.append(
            f"| {row.what} | {row.variant} | {', '.join(row.levers) or 'none'} | {row.right / row.count:.1%}"
            f" | {row.shown / row.count:.1%} | {psnr} | {row.ssim:.4f} | {row.farthest} | {row.seconds:.3f}"
            f" | {rows[0].seconds / row.seconds:.1f}x |"
        )
    return "\n".join(lines)


def _drawn(asked: Sequence[Sentence], settings: EngineSettings) -> list[Produced]:
    """One picture for each sentence, the number of the sentence being its seed."""
    session = Session(settings)
    made: list[Produced] = []
    for seed, sentence in enumerate(asked):
        outcomes = KeptOutcomes()
        session.run([Task(job_id=str(seed), request=GenerateRequest(prompt=str(sentence), seed=seed))], outcomes)
        (outcome,) = outcomes.all.values()
        if not isinstance(outcome, Produced):
            raise RuntimeError(f"'{sentence}' with seed {seed} was not drawn: {outcome}")
        made.append(outcome)
    return made


def _row(what: str, asked: Sequence[Sentence], made: Sequence[Produced], reference: Sequence[Image.Image]) -> SpeedRow:
    pictures = [_picture(one) for one in made]
    pairs = list(zip(pictures, reference, strict=True))
    differences = [np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)) for a, b in pairs]
    similar = [
        # As Wang et al. 2004 have it.
        structural_similarity(
            np.asarray(a),
            np.asarray(b),
            channel_axis=2,
            data_range=PEAK,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in pairs
    ]
    computed = Counter(f"{one.variant} {one.dtype}" for one in made)
    return SpeedRow(
        what=what,
        variant=", ".join(key if len(computed) == 1 else f"{key} ({count})" for key, count in computed.items()),
        levers=tuple(dict.fromkeys(lever for one in made for lever in one.levers)),
        count=len(made),
        right=came_back(asked, pictures),
        shown=sum(shows(picture, meant) for picture, meant in zip(pictures, asked, strict=True)),
        psnr_db=statistics.median(_psnr_db(one) for one in differences),
        ssim=statistics.median(similar),
        farthest=max(int(one.max()) for one in differences),
        seconds=statistics.median(one.timing.encoded_s + one.timing.denoised_s + one.timing.decoded_s for one in made),
    )


def _psnr_db(difference: np.ndarray) -> float:
    error = float(np.square(difference, dtype=np.float64).mean())
    return 10 * math.log10(PEAK**2 / error) if error else math.inf


def _picture(made: Produced) -> Image.Image:
    return Image.open(BytesIO(made.payloads[0].content)).convert("RGB")
