from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from convai_async.report._buckets import Buckets, build_buckets

DAY = 86_400


def at(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


def find_bucket(buckets: Buckets, moment: int) -> int:
    """Return the number of the bucket that SQLite computes."""
    with closing(sqlite3.connect(":memory:")) as connection:
        query = f"SELECT {buckets.sql} FROM (SELECT ? AS start_time_unix_secs)"
        return int(connection.execute(query, (moment,)).fetchone()[0])


@pytest.mark.parametrize(
    ("first", "last", "unit", "labels"),
    [
        (at(2026, 9, 1, 23), at(2026, 9, 3, 1), "day", ["2026-09-01", "2026-09-02", "2026-09-03"]),
        (at(2026, 9, 1), at(2026, 9, 1) + 62 * DAY - 1, "day", ["2026-09-01", "2026-11-01"]),
        (at(2026, 9, 2), at(2026, 9, 2) + 62 * DAY, "week", ["2026-08-31", "2026-11-02"]),
        (at(2025, 12, 31), at(2027, 2, 1), "month", ["2025-12-01", "2027-02-01"]),
        (at(1999, 12, 31), at(2026, 1, 1), "year", ["1999-01-01", "2026-01-01"]),
    ],
)
def test_buckets_are_days_weeks_months_or_years(first: int, last: int, unit: str, labels: list[str]) -> None:
    buckets = build_buckets(first, last)
    assert buckets.unit == unit
    assert [buckets.labels[0], *buckets.labels[1:-1][: len(labels) - 2], buckets.labels[-1]] == labels
    assert buckets.starts[0] <= first <= last < buckets.end


@pytest.mark.parametrize("days", [1, 62, 63, 400, 2000])
def test_sql_finds_the_bucket_of_its_first_and_last_second(days: int) -> None:
    buckets = build_buckets(at(2024, 2, 29, 5), at(2024, 2, 29, 5) + days * DAY)
    assert len(buckets.starts) <= 62
    for number, (start, end) in enumerate(zip(buckets.starts, [*buckets.starts[1:], buckets.end], strict=True)):
        assert [find_bucket(buckets, start), find_bucket(buckets, end - 1)] == [number, number]
