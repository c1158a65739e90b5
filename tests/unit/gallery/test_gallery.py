"""The gallery of a real daemon with a scripted worker, and of a journal with 50,000 results."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from aura_daemon.gallery.gallery import INDEX_INTERVAL_S, Gallery
from aura_daemon.gallery.paging import Paging
from aura_daemon.health.document import CurrentJob, Health, Status, WorkerState
from aura_daemon.health.listener import Event, HealthWritten, JobDelivered
from aura_daemon.jobs.results import Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.system.mount_guard import MountGuard
from tests.support.health_documents import worker
from tests.support.house import PNG, House
from tests.support.pictured import pictured
from tests.torture import beside

SMALL = {"outbox": True, "page_size": 10}
SHORT_INDEX = 300_000


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@contextmanager
def opened(house: House, clock: Hand, size: int = 10) -> Iterator[Gallery]:
    """The gallery of a house whose daemon does not run."""
    journal = Journal(house.state / FILE_NAME)
    delivery = Delivery(MountGuard(house.outbox, house.state), journal, inbox=house.inbox, overwrites=False)
    gallery = Gallery(journal, delivery, page_size=size, monotonic=clock, now=lambda: "2026-01-01T00:00:00+00:00")
    try:
        yield gallery
    finally:
        journal.close()


def drop_many(house: House, count: int, prefix: str = "a") -> None:
    for number in range(count):
        house.drop(f"{prefix}{number:03d}.yaml", f"prompt: a red circle {number}\n".encode())


def index_of(house: House) -> str:
    return (house.outbox / "index.html").read_text(encoding="utf-8")


def pages_of(house: House) -> dict[str, bytes]:
    """Pages that are full."""
    found = {page.name: page.read_bytes() for page in (house.outbox / "aura-gallery" / "pages").glob("*.html")}
    return {name: content for name, content in found.items() if len(content) > 4096}


def work_off(gallery: Gallery, clock: Hand) -> None:
    while (due_s := gallery.due_in_s()) is not None:
        clock.now_s += due_s
        gallery.work()


def drain_with_events(house: House) -> list[Event]:
    """What happens while a daemon without a gallery does what is to be done."""
    seen: list[Event] = []

    class Catcher:
        def on_event(self, event: Event) -> None:
            seen.append(event)

    with house.daemon(pictured, listeners=[Catcher()], gallery={"outbox": False}) as daemon:
        daemon.run()
    return seen


def health_of(seen: list[Event]) -> Health:
    """The last health document."""
    return next(event.document for event in reversed(seen) if isinstance(event, HealthWritten))


def addresses(text: str) -> set[str]:
    return set(re.findall(r'(?:src|href|data-full)="([^"]*)"', text))


def test_once_leaves_an_index_of_results_and_failures_with_their_thumbnails(house: House) -> None:
    house.drop("pets/cat & dog.yaml", b"prompt: a red circle\n")
    house.drop("bad.yaml", b"prompt: x\nstepps: 3\n")
    house.drop("beach.png", PNG)
    house.drain(pictured, gallery=SMALL)
    text = index_of(house)
    assert {"pets/cat%20%26%20dog.png", "pets/cat%20%26%20dog.json", "beach.txt"} <= addresses(text)
    assert "did you mean `steps`" in text
    thumbnails = [one for one in addresses(text) if one.endswith(".webp")]
    assert len(thumbnails) == 2
    assert all((house.outbox / one).read_bytes().startswith(b"RIFF") for one in thumbnails)


def test_without_a_gallery_nothing_of_it_is_written_and_no_thumbnail_is_asked_for(house: House) -> None:
    house.drop("cat.yaml")
    house.drain(pictured, gallery={"outbox": False})
    assert not (house.outbox / "index.html").exists()
    assert not (house.outbox / "aura-gallery").exists()
    assert not house.settings(gallery={"outbox": False}).engine().thumbnails
    assert house.settings().engine().thumbnails


def test_full_pages_hold_what_the_index_no_longer_does_and_every_link_leads_somewhere(house: House) -> None:
    drop_many(house, 34)
    house.drain(pictured, gallery=SMALL)
    assert sorted(pages_of(house)) == [
        "results-0000001-0000010.html",
        "results-0000011-0000020.html",
        "results-0000021-0000030.html",
    ]
    index = index_of(house)
    assert index.count('<li class="tile') == 14
    assert "aura-gallery/pages/results-0000011-0000020.html" in addresses(index)
    documents = {house.outbox / "index.html": index}
    documents |= {page: page.read_text() for page in (house.outbox / "aura-gallery" / "pages").glob("*.html")}
    for place, text in documents.items():
        for one in (one for one in addresses(text) if not one.startswith(("#", "data:"))):
            assert (place.parent / one).resolve().exists(), (place, one)
    stand_in = (house.outbox / "aura-gallery" / "pages" / "results-0000031-0000040.html").read_text()
    assert "url=../../index.html" in stand_in


def test_a_full_page_is_never_written_again(house: House) -> None:
    drop_many(house, 25)
    house.drain(pictured, gallery=SMALL)
    before = {place.name: place.stat().st_mtime_ns for place in (house.outbox / "aura-gallery" / "pages").iterdir()}
    full = pages_of(house)
    drop_many(house, 7, "b")
    house.drain(pictured, gallery=SMALL)
    after = {place.name: place.stat().st_mtime_ns for place in (house.outbox / "aura-gallery" / "pages").iterdir()}
    assert {name: before[name] for name in full} == {name: after[name] for name in full}
    assert len(pages_of(house)) == 3


@pytest.mark.parametrize("lost", ["index.html", "aura-gallery"])
def test_what_was_deleted_is_made_again_from_journal_and_sidecars(house: House, lost: str) -> None:
    drop_many(house, 25)
    house.drain(pictured, gallery=SMALL)
    pages, index = pages_of(house), index_of(house)
    place = house.outbox / lost
    place.unlink() if place.is_file() else shutil.rmtree(place)
    clock = Hand()
    with opened(house, clock) as gallery:
        work_off(gallery, clock)
    assert sorted(pages_of(house)) == sorted(pages)
    assert index_of(house).count('<li class="tile') == index.count('<li class="tile')


def test_what_is_known_of_sheets_and_sets_outlives_the_daemon(house: House) -> None:
    house.drop("plot.yaml", b"prompt: x\ncount: 2\ngrid: true\n")
    house.drain(pictured, gallery=SMALL)
    house.drop("set/a.png", PNG)
    house.drop("set/all.yaml", b'images: "**"\n')
    house.drain(pictured, gallery=SMALL)
    index = index_of(house)
    assert "A set of" in index
    assert "plot-grid.json" in index
    (house.outbox / "index.html").unlink()
    clock = Hand()
    with opened(house, clock) as gallery:
        work_off(gallery, clock)
    tiles = re.compile(r'<li class="tile.*?</li>', re.DOTALL)
    assert tiles.findall(index_of(house)) == tiles.findall(index)


def test_killed_before_anything_was_written_the_next_daemon_catches_up(house: House) -> None:
    drop_many(house, 25)
    house.drain(pictured, gallery={"outbox": False})  # as if every write of the gallery had been lost
    house.drain(pictured, gallery=SMALL)
    assert len(pages_of(house)) == 2
    assert index_of(house).count('<li class="tile') == 15


def test_while_pages_are_made_again_no_link_leads_nowhere(house: House) -> None:
    drop_many(house, 65)
    house.drain(pictured, gallery={"outbox": False})
    clock = Hand()
    with opened(house, clock) as gallery:
        for _ in range(8):
            gallery.work()
            clock.now_s += 1.0
            assert [told for told in beside.complaints(house, hooks_are_over=False) if "leads to" in told] == []


def test_a_stand_in_that_a_crash_left_is_not_taken_for_the_page(house: House) -> None:
    drop_many(house, 25)
    house.drain(pictured, gallery=SMALL)
    page = house.outbox / "aura-gallery" / "pages" / "results-0000011-0000020.html"
    page.write_text("<p>not full yet")
    house.drain(pictured, gallery=SMALL)
    assert page.stat().st_size > 4096


def test_another_page_size_makes_all_pages_anew(house: House) -> None:
    drop_many(house, 25)
    house.drain(pictured, gallery=SMALL)
    house.drain(pictured, gallery={"outbox": True, "page_size": 12})
    assert sorted(pages_of(house)) == ["results-0000001-0000012.html", "results-0000013-0000024.html"]


def test_the_index_is_written_at_most_every_five_seconds_and_not_without_news(house: House) -> None:
    drain_with_events(house)
    clock = Hand()
    with opened(house, clock) as gallery:
        work_off(gallery, clock)
        written = (house.outbox / "index.html").stat().st_mtime_ns
        house.drop("cat.yaml")
        (delivered,) = (event for event in drain_with_events(house) if isinstance(event, JobDelivered))
        gallery.on_event(delivered)
        gallery.work()
        assert (house.outbox / "index.html").stat().st_mtime_ns == written
        assert gallery.due_in_s() == pytest.approx(INDEX_INTERVAL_S)
        clock.now_s += INDEX_INTERVAL_S
        gallery.work()
        assert (house.outbox / "index.html").stat().st_mtime_ns > written
        assert gallery.due_in_s() is None
    assert index_of(house).count('<li class="tile') == 1


def test_steps_of_a_job_are_no_news_but_a_hold_up_is(house: House) -> None:
    last = health_of(drain_with_events(house))
    clock = Hand()
    with opened(house, clock) as gallery:
        gallery.on_event(HealthWritten(document=last))
        work_off(gallery, clock)
        gallery.on_event(HealthWritten(document=last.model_copy(update={"heartbeat": "later", "archive_bytes": 7})))
        assert gallery.due_in_s() is None
        holdup = {"what": "outbox", "reason": "it is full", "mend": "make room", "since": "", "retry_in_s": 3.0}
        held = Health.model_validate({**last.model_dump(by_alias=True), "holdups": [holdup]})
        gallery.on_event(HealthWritten(document=held))
        work_off(gallery, clock)
    assert "it is full" in index_of(house)


def test_each_of_several_workers_is_told_but_not_its_steps(house: House) -> None:
    last = health_of(drain_with_events(house)).model_copy(update={"status": Status.OK})
    job = CurrentJob(id="1", kind="generate", source="a&b.yaml", step=1, steps=8, eta_s=None, loading=None)
    workers = [worker("1", job), worker("2", state=WorkerState.WAITING, node="", device_name=None, models=[])]
    clock = Hand()
    with opened(house, clock) as gallery:
        gallery.on_event(HealthWritten(document=last.model_copy(update={"workers": workers})))
        work_off(gallery, clock)
        then = [worker("1", job.model_copy(update={"step": 2})), workers[1]]
        gallery.on_event(HealthWritten(document=last.model_copy(update={"workers": then})))
        assert gallery.due_in_s() is None
        text = index_of(house)
        moved = [worker("1", job, node="box-9"), workers[1]]
        gallery.on_event(HealthWritten(document=last.model_copy(update={"workers": moved})))
        work_off(gallery, clock)
    assert "1 of 2 at work" in text
    assert '<span class="what">a&amp;b.yaml</span><span class="from">box-1 · H200 · resident · sd-1.4</span>' in text
    assert '<span class="what">waits for a place</span>' in text
    assert "box-9 · H200" in index_of(house)
    assert "step" not in text[text.index('id="workers"') : text.index('id="results"')]


def test_an_index_that_someone_deleted_comes_back_with_the_next_heartbeat(house: House) -> None:
    last = HealthWritten(document=health_of(drain_with_events(house)))
    clock = Hand()
    with opened(house, clock) as gallery:
        gallery.on_event(last)
        work_off(gallery, clock)
        (house.outbox / "index.html").unlink()
        gallery.on_event(last)
        work_off(gallery, clock)
    assert "Nothing here yet" in index_of(house)


def test_an_index_of_the_users_own_is_left_alone_and_told_once(house: House, log: list[str]) -> None:
    (house.outbox / "index.html").write_text("<h1>my own page</h1>")
    drop_many(house, 12)
    house.drain(pictured, gallery=SMALL)
    assert index_of(house) == "<h1>my own page</h1>"
    assert len([line for line in log if "is not ours" in line]) == 1


@pytest.mark.parametrize("kind", ["a folder", "a link", "a link to nowhere"])
def test_whatever_stands_in_the_place_of_the_index_stays(house: House, kind: str) -> None:
    elsewhere, index = house.root / "elsewhere", house.outbox / "index.html"
    if kind == "a folder":
        index.mkdir()
    else:
        index.symlink_to(elsewhere)
    if kind == "a link":
        elsewhere.write_text("mine", "utf-8")
    drop_many(house, 3)
    assert house.drain(pictured, gallery=SMALL).done == 3
    assert index.is_dir() if kind == "a folder" else index.is_symlink()
    assert elsewhere.exists() == (kind == "a link")
    assert not elsewhere.exists() or elsewhere.read_text("utf-8") == "mine"


@pytest.mark.parametrize("linked", ["aura-gallery", "aura-gallery/pages", "aura-gallery/thumbnails"])
def test_a_link_out_of_the_outbox_lets_nothing_be_written_or_removed_there(
    house: House, log: list[str], linked: str
) -> None:
    elsewhere = house.root / "elsewhere"
    of_another_size = "results-0000001-0000005.html"
    for place in (elsewhere / "pages" / of_another_size, elsewhere / of_another_size):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"mine" * 3000)
    before = sorted(elsewhere.rglob("*"))
    link = house.outbox / linked
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    drop_many(house, 12)
    assert house.drain(pictured, gallery=SMALL).done == 12
    assert sorted(elsewhere.rglob("*")) == before
    assert sum("a link leads out of the outbox" in line for line in log) == 1


def test_an_outbox_that_refuses_disturbs_no_job_and_is_tried_again_quietly(house: House, log: list[str]) -> None:
    (house.outbox / "aura-gallery").write_text("a file where the folder should be")
    drop_many(house, 3)
    summary = house.drain(pictured, gallery=SMALL)
    assert (summary.done, summary.failed, summary.stuck) == (3, 0, False)
    assert len([line for line in log if "the gallery cannot be written" in line]) == 1
    (house.outbox / "aura-gallery").unlink()
    house.drain(pictured, gallery=SMALL)
    assert index_of(house).count('<li class="tile') == 3


def test_an_outbox_that_is_away_is_not_made_anew_and_the_gallery_waits(house: House) -> None:
    drop_many(house, 2)
    house.drain(pictured, gallery={"outbox": False})
    house.outbox.rename(house.root / "elsewhere")
    clock = Hand()
    with opened(house, clock) as gallery:
        gallery.work()
        assert not house.outbox.exists()
        assert gallery.due_in_s() == pytest.approx(5.0)
        (house.root / "elsewhere").rename(house.outbox)
        clock.now_s += 5.0
        gallery.work()
    assert index_of(house).count('<li class="tile') == 2


def test_thumbnails_that_cannot_be_written_take_bounded_memory(house: House) -> None:
    house.drop("cat.yaml")
    (delivered,) = (event for event in drain_with_events(house) if isinstance(event, JobDelivered))
    clock = Hand()
    with opened(house, clock) as gallery:
        for number in range(40):
            job = replace(delivered.delivered.job, id=f"{number:08d}-job")
            large = replace(delivered.produced, thumbnail=bytes(1 << 20))
            gallery.on_event(replace(delivered, delivered=replace(delivered.delivered, job=job), produced=large))
        work_off(gallery, clock)
    kept = sorted(place.parent.name for place in (house.outbox / "aura-gallery").rglob("*.webp"))
    assert kept == [f"{number:08d}" for number in range(8, 40)]


def test_a_result_that_was_deleted_or_moved_is_still_told_and_has_no_link_to_its_sidecar(house: House) -> None:
    drop_many(house, 2)
    house.drain(pictured, gallery=SMALL)
    for place in house.outbox.glob("a000.*"):
        place.unlink()
    house.drain(pictured, gallery=SMALL)
    text = index_of(house)
    assert text.count('<li class="tile') == 2
    assert "a000.json" not in addresses(text)
    assert "a red circle 0" in text


def test_a_job_that_was_retried_stands_once(house: House) -> None:
    outcomes = iter([False, True])

    def play(task: Task) -> Outcome:
        outcome = pictured(replace(task, request=replace(task.request, prompt="refuse")))  # type: ignore[call-overload]
        return pictured(task) if next(outcomes) else outcome

    house.drop("cat.yaml")
    house.drain(play, gallery=SMALL)
    assert 'class="tile failure' in index_of(house)
    (house.outbox / "failed" / "cat.yaml").rename(house.inbox / "cat.yaml")
    house.drain(play, gallery=SMALL)
    assert index_of(house).count('class="tile picture') == 1


def test_markup_in_prompts_names_and_reasons_is_text(house: House) -> None:
    hostile = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>{{7*7}}'
    house.drop("<b onclick=alert(3)>.yaml", f"prompt: '{hostile}'\n".encode())
    house.drop("worse.yaml", f"prompt: 'refuse {hostile}'\n".encode())
    house.drop("<i>.yaml", b"<u>: <s>\n")
    house.drain(pictured, gallery=SMALL)
    text = index_of(house)
    for tag in ("<img src=x", "<b onclick", "<i>", "<u>", "<s>", "<b>say", "<script>alert", ">49<"):
        assert tag not in text, tag
    assert text.count("<script>") == 1
    assert text.count("</script>") == 1


def test_a_thumbnail_that_a_crash_lost_is_replaced_by_its_picture(house: House) -> None:
    drop_many(house, 1)
    house.drain(pictured, gallery=SMALL)
    for thumbnail in (house.outbox / "aura-gallery").rglob("*.webp"):
        thumbnail.unlink()
    house.drain(pictured, gallery=SMALL)
    assert 'src="a000.png"' in index_of(house)


def test_the_outbox_of_a_gallery_can_be_the_inbox_of_another_daemon(house: House, tmp_path: Path) -> None:
    drop_many(house, 12)
    house.drain(pictured, gallery=SMALL)
    second = House(tmp_path / "second")
    second.inbox.rmdir()
    second.inbox = house.outbox
    taken: list[str] = []

    def play(task: Task) -> Outcome:
        taken.append(task.image_name)
        return pictured(task)

    summary = second.drain(play, sources="keep", gallery=SMALL)
    assert (summary.done, summary.failed) == (12, 0)
    assert sorted(taken) == [f"a{number:03d}.png" for number in range(12)]
    assert len(list((house.outbox / "aura-gallery").rglob("*.webp"))) == 12
    assert len(list((second.outbox / "aura-gallery").rglob("*.webp"))) == 12


def test_fifty_thousand_results_stay_fast_and_one_more_changes_the_index_alone(house: House) -> None:
    house.drop("cat.yaml", b"prompt: " + b"a long prompt, " * 40 + b"\n")
    house.drain(pictured, gallery={"outbox": False})
    connection = sqlite3.connect(house.state / FILE_NAME)
    with connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
        chosen = ", ".join({"id": "'copy' || n", "state": "'queued'"}.get(name, name) for name in names)
        count = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 49999)"
        connection.execute(f"{count} INSERT INTO jobs SELECT {chosen} FROM jobs, c")
        connection.execute("UPDATE jobs SET state = 'done' WHERE state = 'queued'")
    connection.close()
    paging = Paging(size=48, ended=50_000)
    pages = house.outbox / "aura-gallery" / "pages"
    pages.mkdir(parents=True)
    for number in range(paging.full):
        (pages / paging.page(number).name).write_bytes(bytes(5000))
    before = {place.name: place.stat().st_mtime_ns for place in pages.iterdir()}
    clock = Hand()
    for name in ("dog.yaml", "fox.yaml"):
        with opened(house, clock, size=48) as gallery:
            work_off(gallery, clock)
        assert (house.outbox / "index.html").stat().st_size < SHORT_INDEX
        house.drop(name)
        house.drain(pictured, gallery={"outbox": False})
    assert index_of(house).count('<li class="tile') == 49 + 50_000 % 48
    assert {place.name: place.stat().st_mtime_ns for place in pages.iterdir()} == before


@pytest.mark.parametrize("size", [10, 48, 100])
def test_the_index_stays_small_whatever_is_written_into_it(house: House, size: int) -> None:
    """The longest texts that a job file may hold, of signs that take the most room on a page."""
    worst = "'" * 1200 + "\U0001f600" * 300
    for number in range(min(size, 60)):
        text = json.dumps({"prompt": worst, "negative_prompt": worst, "notes": worst, "tags": [worst[:60]] * 5})
        house.drop(f"{number:03d}{'&' * 100}.yaml", text.encode())
    house.drain(pictured, gallery={"outbox": True, "page_size": size})
    index = (house.outbox / "index.html").read_bytes()
    assert len(index) < SHORT_INDEX
    assert index.count(b'<li class="tile') >= min(size, 60) % size
