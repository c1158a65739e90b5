"""The rounds of a reflection, each going on from the picture of the one before, and the sheet of all. Out: jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil, sqrt
from typing import Final

from aura_daemon.file_names import escaped, portable
from aura_daemon.jobs.requests import GenerateRequest, GridRequest, ImageFormat, JobKind
from aura_daemon.journal.records import Job

MOST_IN_A_ROW: Final = 4
"""Pictures in a row of the sheet, where there are few; more are laid out as a square."""


def round_requests(first: GenerateRequest, rounds: int, *, seed: int) -> tuple[GenerateRequest, ...]:
    """The request of each round, each with the next seed; `seed` is that of a reflection without one."""
    begin = first.seed if first.seed is not None else seed
    return tuple(replace(first, seed=begin + number) for number in range(rounds))


def linked(jobs: Sequence[Job], rounds: Sequence[int], image_format: ImageFormat) -> tuple[Job, ...]:
    """The jobs, with each round waiting for the one before.

    `rounds`: which round each job is, counted from 1; 0 for any other job. `image_format`: of pictures whose jobs name
    none.
    """
    found: list[Job] = []
    for job, number in zip(jobs, rounds, strict=True):
        if number > 1 and isinstance(job.request, GenerateRequest):
            before = found[-1]
            name = f"{before.stem}.{job.request.format or image_format}"
            image = name if job.request.image is not None else None
            request = replace(job.request, follows=before.id, described=name, image=image)
            job = replace(job, request=request, waits_for=(before.id,))
        found.append(job)
    return tuple(found)


def sheets(jobs: Sequence[Job], rounds: Sequence[int], *, number: int) -> Iterator[Job]:
    """The sheet of each reflection: its image, and each picture with the caption it was drawn from.

    `number`: of the first sheet among the jobs of its file.
    """
    ends = [index + 1 for index, one in enumerate(rounds) if one and one + 1 not in rounds[index + 1 : index + 2]]
    for sheet_number, end in enumerate(ends, start=number):
        cells = jobs[end - rounds[end - 1] : end]
        first = cells[0]
        assert isinstance(first.request, GenerateRequest)
        image = first.request.described or ""
        count = len(cells) + 1
        request = GridRequest(
            cells=tuple(cell.id for cell in cells),
            columns=count if count <= MOST_IN_A_ROW else ceil(sqrt(count)),
            image=image,
            cell_labels=(escaped(image),),
            captions=True,
        )
        yield replace(
            first,
            id=f"{first.source_id}-{sheet_number:03d}",
            number=sheet_number,
            kind=JobKind.GRID,
            request=request,
            warnings=(),
            stem=portable(f"{first.stem.removesuffix('-1')}-grid"),
            waits_for=request.cells,
        )
