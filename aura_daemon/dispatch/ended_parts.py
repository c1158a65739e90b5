"""What follows when a part of a job is done: another part, or the delivery. In: a result. Out: what is delivered."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loguru import logger

from aura_daemon.chains.next_part import chain_of, completed, next_part
from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import GenerateRequest, task_name
from aura_daemon.jobs.results import part_of
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job
from aura_daemon.outbox.kept_parts import KeptParts
from aura_daemon.outbox.result_document import Unpublished


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedParts:
    """Takes jobs of several parts from one part to the next."""

    journal: Journal
    kept_parts: KeptParts

    def deliverable(self, result: Unpublished) -> Unpublished | None:
        """What is delivered of a job now that a part of it is done; None where another part comes first.

        Raises OSError where the part cannot be kept or journaled.
        """
        job, made, chain = result.job, result.produced, result.job.chain
        if chain is None:
            return result
        done = (*chain.done, part_of(chain.runs, made, seconds=result.times.attempt_s))
        following = next_part(job.request, done)
        if isinstance(following, Chain):
            last = replace(done[-1], kept_sha256=self.kept_parts.keep(job, made))
            self._go_on(job, replace(following, done=(*chain.done, last)))
            return None
        return self._chosen(result, following, done)

    def _chosen(self, result: Unpublished, chosen: ChosenPart, done: tuple[JobPart, ...]) -> Unpublished | None:
        job = result.job
        is_last = chosen.part == len(done) - 1
        produced = result.produced if is_last else self.kept_parts.result(job, chosen.part)
        if produced is not None:
            # Only sheets and rounds read what is kept, and only of pictures that were drawn.
            if isinstance(job.request, GenerateRequest) and self.journal.is_awaited(job):
                self.kept_parts.keep(job, produced)
            waited_s = max(0.0, result.times.since_claim_s - sum(part.seconds for part in done))
            times = replace(result.times, attempt_s=done[chosen.part].seconds, waited_s=waited_s)
            whole = completed(job.request, done, produced, last=result.produced)
            return replace(result, produced=replace(whole, parts=done), times=times)
        logger.warning("{}: what was kept of its parts has gone: it begins anew", job.id)
        first = chain_of(job.request)
        assert first is not None
        self._go_on(job, first)
        return None

    def _go_on(self, job: Job, chain: Chain) -> None:
        self.journal.go_on(job, chain)
        logger.info("{} goes on with part {}: {}", job.id, len(chain.done) + 1, task_name(chain.runs))
