"""The keys of a job that draws, from the job file to the sidecar: they are copied by their names."""

from dataclasses import fields

from aura_daemon.formats.sidecars.requests import GenerateRecord
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.resolved import ResolvedGenerate

REQUESTED = {field.name for field in fields(GenerateRequest)}
RESOLVED = {field.name for field in fields(ResolvedGenerate)}


def test_every_key_is_requested_but_for_those_that_are_not_about_the_picture() -> None:
    of_the_check = {"verify", "tries", "best_of"}
    assert GenerateJob.model_fields.keys() - REQUESTED == {
        *("task", "count", "matrix", "grid", "priority", "pick"),
        *of_the_check,
    }
    assert REQUESTED - GenerateJob.model_fields.keys() == {"embedded", "variant", "described", "follows", "check"}


def test_all_that_is_requested_is_resolved_and_recorded_but_for_names() -> None:
    assert {"aspect_ratio", "output", "embedded", "variant", "described", "follows", "check"} == REQUESTED - RESOLVED
    assert GenerateRecord.model_fields.keys() == RESOLVED | {"task"}
