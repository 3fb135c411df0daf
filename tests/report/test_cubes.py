from __future__ import annotations

import random

from convai_async.report._cubes import OTHER_LABEL, CubeBuilder, compute_percentile, find_bin


def test_percentile_is_within_five_percent_of_the_exact_one() -> None:
    rng = random.Random(1)
    durations = sorted(rng.lognormvariate(0, 1.2) for _ in range(20_000))
    counts: dict[int, float] = {}
    for each in durations:
        counts[find_bin(each)] = counts.get(find_bin(each), 0) + 1
    for share in (0.5, 0.95, 0.99):
        exact = durations[int(share * len(durations)) - 1]
        estimate = compute_percentile(counts, share, 1)
        assert estimate is not None
        assert abs(estimate / exact - 1) < 0.05


def test_percentile_of_nothing_is_none_and_of_zeros_is_small() -> None:
    assert compute_percentile({}, 0.5, 1) is None
    assert compute_percentile({find_bin(0.0): 3}, 0.5, 1) == 0.0005


def test_percentile_of_more_than_a_day_is_the_last_edge() -> None:
    assert round(compute_percentile({find_bin(10.0**9): 1}, 0.5, 1) or 0) == 66_561


def test_less_frequent_labels_become_one() -> None:
    builder = CubeBuilder(("calls",), limits=(2,))
    for label, count in {"a": 1, "b": 3, "c": 2, "d": 1}.items():
        builder.add((0, label), count)
    builder.add((1, "d"), 1)
    cube = builder.build()
    assert cube.labels == [["b", "c", OTHER_LABEL]]
    assert cube.rows == [[0, 0, 3], [0, 1, 2], [0, 2, 2], [1, 2, 1]]


def test_bins_are_merged_when_there_are_too_many_rows() -> None:
    builder = CubeBuilder(("turns",), limits=(1,), bins=True)
    for cell in range(600):
        for number in range(101):
            builder.add((cell, "stage", number), 1)
    cube = builder.build()
    assert cube.width == 2
    assert len(cube.rows) == 600 * 51
    assert cube.rows[:3] == [[0, 0, 0, 1], [0, 0, 1, 2], [0, 0, 3, 2]]
    assert sum(row[-1] for row in cube.rows) == 600 * 101
