"""When a file that is not claimed yet is to be judged."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.watch.file_stamp import FileStamp
from aura_daemon.watch.settling import Settling
from tests.support.examples import examples

ALL = 1_000


def stamp(size_bytes: int = 1, modified_ns: int = 0) -> FileStamp:
    return FileStamp(device=1, inode=2, size_bytes=size_bytes, modified_ns=modified_ns, changed_ns=0)


def test_a_new_file_is_due_at_once_and_stays_due_until_somebody_decides() -> None:
    files = Settling()
    files.sight("a", stamp(), 10.0)
    assert files.due(9.9, ALL) == []
    assert files.due(10.0, ALL) == files.due(10.0, ALL) == ["a"]
    assert files.next_s() == 10.0


def test_a_file_that_is_held_is_due_when_it_has_been_unchanged_for_so_long() -> None:
    files = Settling()
    files.sight("a", stamp(), 10.0)
    files.hold("a", 2.0)
    files.sight("a", stamp(), 11.9)
    assert files.due(11.9, ALL) == []
    assert files.next_s() == 12.0
    assert files.due(12.0, ALL) == ["a"]


def test_a_change_makes_it_due_and_starts_the_wait_anew_but_not_the_age() -> None:
    files = Settling()
    files.sight("a", stamp(1), 0.0)
    files.hold("a", 60.0)
    files.sight("a", stamp(2), 1.5)
    assert files.due(1.5, ALL) == ["a"]
    files.hold("a", 2.0)
    assert files.due(3.4, ALL) == []
    assert files.due(3.5, ALL) == ["a"]
    assert files["a"].known_s(3.5) == 3.5
    assert files["a"].unchanged_s(3.5) == 2.0
    assert files["a"].stamp == stamp(2)


def test_a_file_that_something_happened_to_is_due_though_it_looks_as_before() -> None:
    files = Settling()
    files.sight("a", stamp(), 0.0)
    files.hold("a", 60.0)
    files.recall("a", 5.0)
    assert files.due(5.0, ALL) == ["a"]
    assert files["a"].unchanged_s(5.0) == 5.0


def test_a_file_came_whole_until_it_changes() -> None:
    files = Settling()
    files.sight("a", stamp(1), 0.0, came_whole=True)
    files.sight("a", stamp(1), 1.0)
    assert files["a"].came_whole
    files.sight("a", stamp(2), 2.0)
    assert not files["a"].came_whole


def test_what_is_forgotten_is_not_due() -> None:
    files = Settling()
    files.sight("a", stamp(), 0.0)
    files.forget("a")
    files.forget("a")
    assert "a" not in files
    assert len(files) == 0
    assert files.due(1.0, ALL) == []
    assert files.next_s() is None
    assert files.oldest() is None


def test_a_file_that_comes_back_at_the_same_moment_is_due_once() -> None:
    files = Settling()
    for _ in range(2):
        files.sight("a", stamp(), 0.0)
        files.hold("a", 0.0)
    files.forget("a")
    files.sight("a", stamp(), 0.0)
    assert files.due(0.0, ALL) == ["a"]


def test_what_is_out_of_date_in_the_queue_does_not_tell_the_next_moment() -> None:
    files = Settling()
    files.sight("a", stamp(), 0.0)
    files.hold("a", 5.0)
    assert files.next_s() == 5.0


def test_those_come_first_that_were_due_first_and_no_more_than_are_asked_for() -> None:
    files = Settling()
    for now, path in enumerate(["c", "a", "b"]):
        files.sight(path, stamp(), float(now))
    assert files.due(10.0, ALL) == ["c", "a", "b"]
    assert files.due(10.0, 2) == ["c", "a"]
    files.hold("c", 20.0)
    assert files.due(10.0, ALL) == ["a", "b"]
    assert files.oldest() == "c"
    assert list(files) == ["c", "a", "b"]
    assert [file.first_s for file in files.files()] == [0.0, 1.0, 2.0]


EXACT_SECONDS = st.integers(1, 640).map(lambda count: count / 64)
"""Sums and differences of these have no rounding, in which two ways to reckon a deadline would differ."""


@given(st.lists(st.tuples(EXACT_SECONDS, st.integers(0, 3)), min_size=1, max_size=20))
@settings(max_examples=30)
def test_a_file_that_is_held_after_every_change_is_never_due_before_its_time(
    sightings: list[tuple[float, int]],
) -> None:
    files, now, last_change, last_size = Settling(), 0.0, 0.0, None
    for wait_s, size_bytes in sightings:
        now += wait_s
        files.sight("a", stamp(size_bytes), now)
        if size_bytes != last_size:
            last_change, last_size = now, size_bytes
            files.hold("a", 2.0)
        assert (files.due(now, ALL) == ["a"]) == (now - last_change >= 2.0)


@settings(max_examples=examples(50))
@given(
    st.lists(
        st.tuples(st.sampled_from(["sight", "hold", "recall", "forget"]), st.sampled_from("abc"), st.floats(0, 5)),
        max_size=40,
    )
)
def test_due_says_what_a_plain_list_would(steps: list[tuple[str, str, float]]) -> None:
    files, plain, now = Settling(), dict[str, float](), 0.0
    for what, path, amount in steps:
        now += 1.0
        if what == "sight":
            is_new = path not in files
            files.sight(path, stamp(), now)
            if is_new:
                plain[path] = now
        elif what == "forget":
            files.forget(path)
            plain.pop(path, None)
        elif path in files and what == "hold":
            files.hold(path, amount)
            plain[path] = now - files[path].unchanged_s(now) + amount
        elif path in files:
            files.recall(path, now)
            plain[path] = now
        assert sorted(files.due(now, ALL)) == sorted(known for known, due_s in plain.items() if due_s <= now)
        assert files.next_s() == min(plain.values(), default=None)


def test_images_come_last_as_other_files_may_name_them() -> None:
    files = Settling()
    for path in ("a.png", "b.JPG", "c.yaml"):
        files.sight(path, stamp(), 0.0)
    files.hold("c.yaml", 0.25)
    assert files.due(0.25, 2) == ["c.yaml", "a.png"]
    assert files.due(0.25, 9) == ["c.yaml", "a.png", "b.JPG"]
    assert files.next_s() == 0.0
