"""An engine in a process of its own obeys, answers, and says why not."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest

from aura_daemon.bench.children.served import EngineFailed, EngineProcess

ENGINE = dedent("""
    from aura_daemon.bench.children.served import serve

    class Engine:
        facts = {"calls": 7}
        def step(self): print("chatter of a library")
        def picture(self, steps): return {"steps": steps}
        def decode(self): raise ValueError("too large\\nfor anything")

    serve(Engine)
""")


ABSENT = "serve(lambda: __import__('no_such_peer'))"


def test_it_times_each_call_and_says_facts() -> None:
    with EngineProcess([sys.executable, "-c", ENGINE]) as engine:
        assert engine.loaded.facts == {"calls": 7}
        assert engine.ask("step").seconds >= 0
        assert engine.ask("picture 4").facts == {"steps": 4}
        with pytest.raises(EngineFailed, match="too large"):
            engine.ask("decode")


def test_one_that_cannot_load_says_why() -> None:
    with pytest.raises(EngineFailed, match="No module named 'no_such_peer'"):
        EngineProcess(
            [sys.executable, "-c", ENGINE.replace("serve(Engine)", "serve(lambda: __import__('no_such_peer'))")]
        )


def test_one_that_dies_is_told_by_its_last_words() -> None:
    with pytest.raises(EngineFailed, match="ended with 3: no room"):
        EngineProcess([sys.executable, "-c", "import sys; sys.stderr.write('no room'); sys.exit(3)"])
