"""Sums by bucket of time, agent and category. Their size does not depend on the number of conversations."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Key: TypeAlias = tuple[int | str, ...]
"""A cell, the categories, and a bin if there are bins."""

BIN_RATIO = 1.1
"""Each edge of a bin is this many times the one before: the middle of a bin is at most 5 % from any value in it."""
_SMALLEST_SECS = 0.001
BIN_EDGES = [_SMALLEST_SECS * BIN_RATIO**power for power in range(190)]
"""From a millisecond to 18 hours."""


def find_bin(seconds: float) -> int:
    """Return the number of a duration's bin."""
    return bisect_right(BIN_EDGES, seconds)


def compute_percentile(counts: dict[int, float], share: float, width: int) -> float | None:
    """Return a percentile of durations in seconds, or None if there are none.

    Args:
        counts: The number of durations in each merged bin, by the index of its first bin.
        share: The percentile, from 0 to 1.
        width: How many bins are merged.
    """
    below, wanted = 0.0, share * sum(counts.values())
    for number, count in sorted(counts.items()):
        if below + count >= wanted > 0:
            low, high = (_get_lower_edge(each) for each in (number, number + width))
            return low + (high - low) * (wanted - below) / count
        below += count
    return None


def _get_lower_edge(number: int) -> float:
    return 0.0 if number == 0 else BIN_EDGES[min(number, len(BIN_EDGES)) - 1]


_MAX_ROWS = 40_000
"""A page has all rows of a cube."""
OTHER_LABEL = "(other)"
"""The label that less frequent labels are merged into."""


class Cube(msgspec.Struct, frozen=True):
    """Sums of measures by cell and category. A cell is a bucket of time together with an agent.

    Attributes:
        labels: The labels of each category.
        measures: The names of the measures, such as ``calls``.
        rows: Each row has the cell, the index of the label in each category, and the sum of each measure.
        width: How many bins of durations are merged into one; 0 if the cube has no bins. With bins, the last value
            before the sums is the index of the first of the merged bins plus 1, or 0 for an unknown duration.
    """

    labels: list[list[str]]
    measures: list[str]
    rows: list[list[float]]
    width: int = 0


class CubeBuilder:
    """Builds a `Cube`.

    Args:
        measures: The names of the measures.
        labels: The labels of each category, if they are known in advance; then keys have their indexes.
        limits: Otherwise, how many labels of each category to keep; the others are merged into one.
        bins: Whether keys end with the number of a bin.
    """

    def __init__(
        self,
        measures: Sequence[str],
        *,
        labels: Sequence[Sequence[str]] = (),
        limits: Sequence[int] = (),
        bins: bool = False,
    ) -> None:
        self._measures = list(measures)
        self._labels = [list(each) for each in labels]
        self._limits = limits
        self._bins = bins
        self._rows: dict[Key, list[float]] = {}

    def add(self, key: Key, *numbers: float | None) -> None:
        """Add numbers to the sums of a cell and its categories."""
        row = self._rows.get(key)
        if row is None:
            self._rows[key] = [number or 0 for number in numbers]
            return
        for position, number in enumerate(numbers):
            if number:
                row[position] += number

    def build(self) -> Cube:
        """Return the cube, with the most frequent labels, and bins as narrow as the number of rows allows."""
        labels, rows = self._labels, self._rows
        if self._limits:
            labels, rows = self._merge_labels()
        width = int(self._bins)
        while width and len(rows) > _MAX_ROWS:
            width *= 2
            rows = _add_up((_widen(key, width), row) for key, row in rows.items())
        return Cube(labels, self._measures, [[*key, *row] for key, row in sorted(rows.items())], width)  # type: ignore[list-item]

    def _merge_labels(self) -> tuple[list[list[str]], dict[Key, list[float]]]:
        kept = [self._choose_labels(1 + place, limit) for place, limit in enumerate(self._limits)]
        numbers = [{label: number for number, label in enumerate(labels)} for labels in kept]

        def number_labels(key: Key) -> Key:
            found = [known.get(part, len(known)) for known, part in zip(numbers, key[1:], strict=False)]
            return (key[0], *found, *key[1 + len(found) :])

        rows = _add_up((number_labels(key), row) for key, row in self._rows.items())
        return [[*map(str, labels), OTHER_LABEL] for labels in kept], rows

    def _choose_labels(self, place: int, limit: int) -> list[int | str]:
        totals: dict[int | str, float] = {}
        for key, row in self._rows.items():
            totals[key[place]] = totals.get(key[place], 0) + row[0]
        return sorted(totals, key=lambda label: (-totals[label], str(label)))[:limit]


def _widen(key: Key, width: int) -> Key:
    number = int(key[-1])
    return (*key[:-1], number and 1 + (number - 1) // width * width)


def _add_up(rows: Iterable[tuple[Key, list[float]]]) -> dict[Key, list[float]]:
    totals: dict[Key, list[float]] = {}
    for key, row in rows:
        total = totals.setdefault(key, [0] * len(row))
        for position, number in enumerate(row):
            total[position] += number
    return totals
