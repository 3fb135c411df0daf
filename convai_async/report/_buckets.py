"""The buckets of time that a report counts conversations in: days, weeks, months or years, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

DAY_SECS = 86_400
_WEEK_SECS = 7 * DAY_SECS
_THURSDAY = 3
"""The weekday of 1 January 1970, where Monday is 0."""
_MAX_DAYS = 62
_MAX_WEEKS = 54
_MAX_MONTHS = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class Buckets(msgspec.Struct, frozen=True):
    """Consecutive buckets of time.

    Attributes:
        unit: ``"day"``, ``"week"``, ``"month"`` or ``"year"``.
        starts: The first second of each bucket, in Unix seconds.
        end: The second after the last bucket.
        sql: An SQL expression for the index of the bucket that contains ``start_time_unix_secs``.
    """

    unit: str
    starts: list[int]
    end: int
    sql: str

    @property
    def labels(self) -> list[str]:
        """The dates of the buckets' first days."""
        return [str((_EPOCH + timedelta(seconds=start)).date()) for start in self.starts]


def build_buckets(first: int, last: int) -> Buckets:
    """Return the buckets from one Unix second to another: days if there are at most 62, else longer ones."""
    start = first // DAY_SECS * DAY_SECS
    if last - start < _MAX_DAYS * DAY_SECS:
        return _build_even("day", start, last, DAY_SECS)
    monday = start - (start // DAY_SECS + _THURSDAY) % 7 * DAY_SECS
    if last - monday < _MAX_WEEKS * _WEEK_SECS:
        return _build_even("week", monday, last, _WEEK_SECS)
    oldest, newest = (_EPOCH + timedelta(seconds=moment) for moment in (first, last))
    months = range(oldest.year * 12 + oldest.month - 1, newest.year * 12 + newest.month)
    if len(months) <= _MAX_MONTHS:
        number = "CAST(strftime('%Y', start_time_unix_secs, 'unixepoch') AS INTEGER) * 12"
        number += " + CAST(strftime('%m', start_time_unix_secs, 'unixepoch') AS INTEGER) - 1"
        return _build_uneven("month", [*months, months.stop], 12, f"({number} - {months.start})")
    number = "CAST(strftime('%Y', start_time_unix_secs, 'unixepoch') AS INTEGER)"
    return _build_uneven("year", [*range(oldest.year, newest.year + 2)], 1, f"({number} - {oldest.year})")


def _build_even(unit: str, start: int, last: int, length: int) -> Buckets:
    starts = list(range(start, last + 1, length))
    return Buckets(unit, starts, starts[-1] + length, f"((start_time_unix_secs - {start}) / {length})")


def _build_uneven(unit: str, numbers: list[int], per_year: int, sql: str) -> Buckets:
    moments = [datetime(each // per_year, each % per_year + 1, 1, tzinfo=UTC) for each in numbers]
    *starts, end = [int(moment.timestamp()) for moment in moments]
    return Buckets(unit, starts, end, sql)
