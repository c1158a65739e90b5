"""What keeping the best of several pictures gains, measured."""

from __future__ import annotations

from aura_daemon.jobs.speed import Speed
from aura_daemon.mini.grammar import held_out_sentences
from aura_daemon.training.quality.best_of import kept, measured, table


def test_the_pictures_that_the_daemon_would_keep_are_judged() -> None:
    sentences = held_out_sentences()[:2]
    alone, best = (kept(sentences, number, Speed.TURBO) for number in (1, 2))
    assert [one.size for one in (*alone, *best)] == [(64, 64)] * 4
    row = measured(sentences, 2, Speed.TURBO)
    assert (row["best_of"], row["prompts"]) == (2, 2)
    assert table([row]).splitlines()[0].startswith("| best_of | prompts | shape, colour and background |")
