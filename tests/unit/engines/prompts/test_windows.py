"""How a long prompt is cut into windows."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.engines.prompts.windows import ROOM, Token, Unit, Vector, Window, windows

COMMA = 7


def units(*numbers: int) -> list[Unit]:
    return [(Token(number=number),) for number in numbers]


def inversion(rows: int) -> Unit:
    return tuple(Token(number=0, vector=Vector(name="x", version=(1, 1), row=row)) for row in range(rows))


def lengths(*sections: list[Unit]) -> list[int]:
    return [len(window) for window in windows(sections, comma=COMMA)]


def test_what_fits_is_one_window() -> None:
    assert lengths([]) == [0]
    assert lengths(units(*[1] * ROOM)) == [ROOM]
    assert lengths(units(*[1] * (ROOM + 1))) == [ROOM, 1]


def test_a_long_prompt_is_cut_behind_a_comma_near_the_end_of_a_window() -> None:
    assert lengths(units(*[1] * 60, COMMA, *[1] * 20)) == [61, 20]
    assert lengths(units(*[1] * 55, COMMA, *[1] * 25)) == [56, 25]  # 20 tokens from the end
    assert lengths(units(*[1] * 54, COMMA, *[1] * 25)) == [75, 5]  # 21
    assert lengths(units(*[1] * 75, COMMA, 1)) == [75, 2]
    assert lengths(units(COMMA, *[1] * 60, COMMA, *[1] * 80)) == [62, 75, 5]
    assert [len(window) for window in windows([units(*[1] * 60, COMMA, *[1] * 20)], comma=None)] == [75, 6]


def test_a_break_starts_a_window() -> None:
    assert lengths(units(1, 2), units(3)) == [2, 1]
    assert lengths(units(1), []) == [1]
    assert lengths([], units(1)) == [0, 1]
    assert lengths([], [], []) == [0, 0]
    assert lengths(units(*[1] * 60, COMMA), units(*[1] * 75)) == [61, 75]


def test_a_textual_inversion_stays_in_one_window() -> None:
    assert lengths([*units(*[1] * 70), inversion(6)]) == [70, 6]
    assert lengths([*units(*[1] * 70), inversion(5)]) == [75]
    assert lengths([*units(*[1] * 70), inversion(5), *units(1)]) == [75, 1]


SECTIONS = st.lists(
    st.lists(
        st.sampled_from([*units(1, 2, COMMA), inversion(3), inversion(ROOM)])
        | st.integers(0, 1000).map(lambda number: (Token(number=number),)),
        max_size=200,
    ),
    min_size=1,
    max_size=3,
)


@given(SECTIONS)
def test_every_token_is_read_in_its_order_and_no_window_is_too_long(sections: list[list[Unit]]) -> None:
    found: tuple[Window, ...] = windows(sections, comma=COMMA)
    assert list(chain(*found)) == [token for section in sections for unit in section for token in unit]
    assert all(len(window) <= ROOM for window in found)
    assert len(found) >= max(1, len(sections) - 1)
