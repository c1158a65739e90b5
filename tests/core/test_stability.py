"""Which files have stopped changing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.core.stability import Stability, Stamp


def stamp(size_bytes: int = 1, modified_ns: int = 0) -> Stamp:
    return Stamp(device=1, inode=2, size_bytes=size_bytes, modified_ns=modified_ns, changed_ns=0)


def test_a_file_settles_when_it_has_been_unchanged_for_the_settle_time() -> None:
    files = Stability(2.0)
    files.sight("a", stamp(), 10.0)
    files.sight("a", stamp(), 11.9)
    assert files.settled(11.9) == []
    assert files.next_s() == 12.0
    assert files.settled(12.0) == ["a"]


def test_a_change_starts_the_wait_anew_but_not_the_age() -> None:
    files = Stability(2.0)
    files.sight("a", stamp(1), 0.0)
    files.sight("a", stamp(2), 1.5)
    assert files.settled(3.4) == []
    assert files.settled(3.5) == ["a"]
    assert files.waited_s("a", 3.5) == 3.5
    assert files.unchanged_s("a", 3.5) == 2.0
    assert files.stamp("a") == stamp(2)


def test_a_file_that_is_held_waits_longer_until_it_changes() -> None:
    files = Stability(2.0)
    files.sight("a", stamp(1), 0.0)
    files.hold("a", 60.0)
    assert files.settled(59.0) == []
    files.sight("a", stamp(2), 59.0)
    assert files.settled(61.0) == ["a"]


def test_what_is_forgotten_does_not_settle() -> None:
    files = Stability(0.0)
    files.sight("a", stamp(), 0.0)
    files.forget("a")
    files.forget("a")
    assert "a" not in files
    assert len(files) == 0
    assert files.next_s() is None


def test_the_oldest_comes_first() -> None:
    files = Stability(1.0)
    for now, path in enumerate(["c", "a", "b"]):
        files.sight(path, stamp(), float(now))
    assert files.settled(10.0) == ["c", "a", "b"]
    assert list(files) == ["c", "a", "b"]


@given(st.lists(st.tuples(st.floats(0.01, 10), st.integers(0, 3)), min_size=1, max_size=20))
@settings(max_examples=30)
def test_a_file_never_settles_before_its_time(sightings: list[tuple[float, int]]) -> None:
    files, now, last_change, last_size = Stability(2.0), 0.0, 0.0, None
    for wait_s, size_bytes in sightings:
        now += wait_s
        if size_bytes != last_size:
            last_change, last_size = now, size_bytes
        files.sight("a", stamp(size_bytes), now)
        assert (files.settled(now) == ["a"]) == (now - last_change >= 2.0)
