from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from convai_async.archive import Window
from convai_async.archive._windows import merge_windows, subtract_windows

moments = st.integers(0, 30)
windows = st.builds(Window, moments, st.none() | moments)
some = st.lists(windows, max_size=6)
ALL = range(40)


def moments_of(*many: Window) -> set[int]:
    return {moment for moment in ALL if any(moment in window for window in many)}


@given(some)
@example([Window(0, 10), Window(2, 5)])
def test_merged_windows_cover_the_same_moments_with_gaps_between(many: list[Window]) -> None:
    result = merge_windows(many)
    assert moments_of(*result) == moments_of(*many)
    for earlier, later in pairwise(result):
        assert earlier.end is not None
        assert earlier.end < later.start
    assert not any(window.is_empty for window in result)


@given(windows, some)
def test_subtracting_windows_leaves_the_rest_oldest_first(window: Window, many: list[Window]) -> None:
    result = subtract_windows(window, many)
    assert moments_of(*result) == moments_of(window) - moments_of(*many)
    assert not any(each.is_empty for each in result)
    assert [each.start for each in result] == sorted(each.start for each in result)


def test_window_is_half_open() -> None:
    assert 1 in Window(1, 2)
    assert 2 not in Window(1, 2)
    assert 10**12 in Window(1, None)
    assert Window(2, 2).is_empty
    assert not Window(2, None).is_empty
