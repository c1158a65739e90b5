"""What a worker is given of a job."""

from __future__ import annotations

from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.tasks import Task


def test_all_images_count_that_are_handed_over() -> None:
    plain = Task(job_id="j", request=GenerateRequest(prompt="a cat"))
    assert plain.image_bytes == 0
    guided = Task(
        job_id="j",
        request=GenerateRequest(prompt="a cat"),
        image=b"12",
        mask=b"345",
        further_images={"pose.png": b"6789", "style.png": b"0"},
    )
    assert guided.image_bytes == 10
