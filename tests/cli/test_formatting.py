"""Format times, durations and sizes."""

from __future__ import annotations

from convai_async._support.text import format_call_time
from convai_async.cli._formatting import format_size
from convai_async.cli._times import TimeFormatter

pytest_plugins = ["cli_fixtures"]

UTC_TIMES = TimeFormatter(utc=True)


def test_times_and_sizes_are_formatted_for_people() -> None:
    assert format_call_time(187) == "3:07"
    assert format_call_time(None) == ""
    assert UTC_TIMES.format(0) == "1970-01-01 00:00:00"
    assert UTC_TIMES.format(0, seconds=False) == "1970-01-01 00:00"
    assert UTC_TIMES.format_iso(0) == "1970-01-01T00:00:00+00:00"
    impossible = (None, 1_700_000_000_000, 10**30, -(10**15), 253402300799, -62135596800)
    assert [TimeFormatter(utc=False).format_iso(each) for each in impossible[:4]] == [""] * 4
    for each in impossible:
        TimeFormatter(utc=False).format(each)  # the first and the last day of all years may have no local time
    assert [format_size(size) for size in (0, 1023, 1024, 1536, 5 * 1024**2, 3 * 1024**4)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 TiB",
    ]
