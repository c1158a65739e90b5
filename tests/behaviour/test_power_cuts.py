"""What must lie on the disk before a step, and what a machine does whose disk has forgotten more than it may.

Whole machines are cut by `make powercut`; its own parts are tested here too.
"""

from __future__ import annotations

import os
import shutil
import signal
import traceback
from collections import Counter
from pathlib import Path

import pytest

from aura_daemon.gallery.files import LEAST_PAGE_BYTES
from aura_daemon.journal.journal import FILE_NAME
from tests.powercut import filesystems, machine, sender
from tests.powercut.judging import Account, batch, told_in, torn_in
from tests.powercut.plan import Plan, Way, read_plan
from tests.powercut.series import Instant, instants
from tests.support import dying
from tests.support.house import House, sha256

RELYING = ("durable.sync:before", "journal.close_source:before")
"""Steps of a result or a report, and of a source that has left: each relies on all that was journaled before."""


def test_no_result_is_written_and_no_source_has_left_before_the_journal_lies_on_the_disk(
    house: House, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    met, early = Counter[str](), Counter[str]()

    def work() -> int:
        dying.fill(house)
        with house.daemon(pair_wait=dying.PAIR_WAIT_S) as daemon:

            def hear(moment: str) -> None:
                met[moment] += 1
                is_page = any(frame.name == "write_page" for frame in traceback.extract_stack())
                if moment in RELYING and daemon.journal.is_behind and not is_page:
                    early[moment] += 1

            dying.attend(hear)
            daemon.run()
        told.write_text(f"{early} {[moment for moment in RELYING if not met[moment]]}")
        return 0

    assert dying.in_a_process(work) == 0
    assert told.read_text() == "Counter() []"


def test_a_journal_older_than_the_outbox_has_jobs_run_again_and_loses_nothing(house: House, tmp_path: Path) -> None:
    dying.fill(house)
    assert dying.drained(house, lambda: dying.die_at("journal.deliver:before:1")) == -signal.SIGKILL
    shutil.copytree(house.state, tmp_path / "older", ignore=shutil.ignore_patterns("*.sock"))
    dying.drained(house)
    once = house.results()
    shutil.rmtree(house.state)
    (tmp_path / "older").rename(house.state)
    dying.drained(house)
    again = [name for name in house.results() if ".r2." in name]
    assert sorted({*house.results()} - {*again}) == once
    assert {name.replace(".r2.", ".") for name in again} <= {*once}
    assert (house.failed(), house.temporary()) == (["bad.yaml", "bad.yaml.json"], [])


def test_without_a_journal_nothing_is_lost_and_what_has_ended_does_not_run_again(house: House) -> None:
    dying.fill(house)
    assert dying.drained(house, lambda: dying.die_at("journal.finish:before:1")) == -signal.SIGKILL
    for file in house.state.glob(f"{FILE_NAME}*"):
        file.unlink()
    dying.drained(house)
    documents = [house.sidecar(name) for name in house.results() if name.endswith(".json")]
    assert {one["source"]["name"] for one in documents} == {"sub/cat.yaml", "cat.png", "say.yaml"}
    assert house.temporary() == []


def test_a_result_that_was_taken_away_before_the_journal_knew_is_made_again(house: House) -> None:
    house.drop("cat.yaml")
    assert dying.drained(house, lambda: dying.die_at("journal.finish:before:1")) == -signal.SIGKILL
    for name in ("cat.png", "cat.json"):
        (house.outbox / name).unlink()
    assert dying.drained(house) == 0
    assert house.results() == ["cat.json", "cat.png"]
    assert (house.archived(), house.temporary()) == (["cat.yaml"], [])


def test_a_result_that_the_journal_calls_done_is_made_again_when_its_source_is_delivered_again(house: House) -> None:
    house.drop("cat.yaml")
    house.drain()
    for name in ("cat.png", "cat.json"):
        (house.outbox / name).unlink()
    house.drain()
    assert house.results() == []
    shutil.move(house.inbox / ".aura" / "done" / "cat.yaml", house.inbox)
    house.drain(redelivery="run")
    assert len(house.results()) == 2


def test_pages_that_a_cut_left_empty_are_written_anew(house: House) -> None:
    pages = {"outbox": True, "page_size": 10}
    for number in range(21):
        house.drop(f"{number}.yaml", f"prompt: {number}\n".encode())
    house.drain(gallery=pages)
    written = [house.outbox / "health.json", house.state / "health.json", house.outbox / "index.html"]
    pages_of_results = (house.outbox / "aura-gallery").rglob("*.html")
    written += [page for page in pages_of_results if page.stat().st_size >= LEAST_PAGE_BYTES]
    assert len(written) == 5
    for place in written:
        place.write_bytes(b"")
    house.drop("one-more.yaml")
    house.drain(gallery=pages)
    assert [place.name for place in written if not place.read_bytes()] == []


# -- the check itself --------------------------------------------------------------------------------------------------


def sent(house: House, account: Account) -> None:
    """Has a batch delivered, as inside a machine."""
    sendings = batch(1)
    account.planned(sendings)
    for one in sendings:
        account.sending(sha256(one.content))
        if sender.deliver(str(house.inbox), one.name, one.content, one.way):
            account.durable(sha256(one.content))


def test_every_way_of_delivery_ends_as_one_fate_and_is_judged_so(house: House) -> None:
    account = Account()
    sent(house, account)
    assert not house.drain(pair_wait=0.3, reference_wait=3).stuck
    assert torn_in(house, is_at_rest=True) == []
    assert set(account.expected()) <= {digest for digest, *_ in told_in(house)}
    verdict = account.judge(told_in(house), [])
    assert (verdict.tried, verdict.survived, verdict.is_good) == (9, 9, True)
    assert len(account.judge(told_in(house), []).doubled) == 10


def test_what_is_missing_and_what_nobody_sent_is_told(house: House) -> None:
    account = Account()
    sent(house, account)
    verdict = account.judge([("0" * 64, None, "1-renamed.yaml"), ("0" * 64, None, "1-copied.yaml")], ["half"])
    assert len(verdict.lost) == verdict.tried == 9
    assert verdict.survived == 0
    assert verdict.torn == ["half", f"nobody sent 1-renamed.yaml with {'0' * 12}"]


@pytest.mark.parametrize("is_at_rest", [False, True])
def test_a_result_that_is_half_there_is_seen(house: House, is_at_rest: bool) -> None:
    for name in ("cat.yaml", "dog.yaml", "eel.yaml", "bad.yaml"):
        house.drop(name, b"steps: 0\n" if name == "bad.yaml" else b"prompt: x\n")
    house.drain()
    (house.outbox / "cat.png").write_bytes(b"half")
    (house.outbox / "dog.json").write_bytes(b"{")
    (house.outbox / "eel.png").unlink()
    (house.outbox / "empty.txt").write_bytes(b"")
    (house.outbox / "failed" / "bad.yaml").write_bytes(b"")
    torn = " ".join(torn_in(house, is_at_rest=is_at_rest))
    for what in ("cat.png does not hold", "dog.json is no whole", "eel.png is not", "empty.txt", "bad.yaml does not"):
        assert what in torn


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = Plan(filesystem="ext4", place="/mnt", modules="/m", sendings=tuple(batch(2)), expected=("a",), moment="x")
    plan.write(tmp_path / "plan")
    assert read_plan(tmp_path / "plan") == plan
    assert {one.way for one in plan.sendings} == set(Way)


@pytest.mark.parametrize("cuts", [0, 1, 2, 4, 10, 101])
def test_the_instants_come_to_as_many_cuts(cuts: int) -> None:
    chosen = list(instants(cuts))
    assert sum(2 if instant is Instant.RECOVERY else 1 for instant in chosen) == cuts
    assert cuts < 10 or set(chosen) == set(Instant)


def test_what_is_missing_for_a_machine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert "package user-mode-linux" in machine.obstacle()
    release = tmp_path / "6.1"
    release.mkdir()
    (release / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    (release / "xfs.ko").touch()
    assert [filesystems.is_known(name, release) for name in filesystems.FILESYSTEMS] == [True, True, False]
