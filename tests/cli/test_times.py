"""Parse points in time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convai_async.cli._app import app, run
from convai_async.cli._times import TIME_FORMATS, parse_time

pytest_plugins = ["cli_fixtures"]

NOW = datetime(2026, 3, 29, 10, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")  # its clocks went forward that night, at 2:00

ZONES = st.sampled_from(
    [
        *map(ZoneInfo, ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
        ZoneInfo("America/Havana"),  # clocks change at midnight
        ZoneInfo("Pacific/Apia"),  # 2011-12-30 did not take place
    ]
)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - its zone follows


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("7d", "2026-03-22T10:30:00"),
        ("12h", "2026-03-28T22:30:00"),
        ("90m", "2026-03-29T09:00:00"),
        ("2w", "2026-03-15T10:30:00"),
        ("30S", "2026-03-29T10:29:30"),
        ("now", "2026-03-29T10:30:00"),
        ("today", "2026-03-28T23:00:00"),
        ("Yesterday", "2026-03-27T23:00:00"),
        ("2026-01-31", "2026-01-30T23:00:00"),
        ("2026-07-31", "2026-07-30T22:00:00"),
        ("20260131", "2026-01-30T23:00:00"),
        ("2026-01-01 14:00", "2026-01-01T13:00:00"),
        ("2026-07-01T14:00:30", "2026-07-01T12:00:30"),
        ("2026-01-31T09:00:00+01:00", "2026-01-31T08:00:00"),
        ("2026-01-31T09:00Z", "2026-01-31T09:00:00"),
        (" 1767225600 ", "2026-01-01T00:00:00"),
        ("2026-03-29 02:30", "2026-03-29T01:30:00"),  # skipped: 03:30 on the new clock
        ("2026-10-25 02:30", "2026-10-25T00:30:00"),  # comes twice: the first
    ],
)
def test_parse_time_accepts_each_format(text: str, utc: str) -> None:
    assert parse_time(text, NOW, BERLIN).astimezone(UTC).isoformat() == f"{utc}+00:00"


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "7", "2026", "-7d", "7 d", "1.5d", "\u0667d", "2026-02-30", "25:00", "2026-01-01 14:00 CET"),
        *("12345678", "1767225600000", "99999999999d", "0001-01-01", "9999-12-31T23:59:59-10:00"),
    ],
)
def test_parse_time_rejects_other_formats(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid time: use 7d, 12h") as caught:
        parse_time(text, NOW, BERLIN)
    assert TIME_FORMATS in str(caught.value)


@given(st.text() | st.from_regex(r"[0-9TZ:+. -]{1,30}[smhdw]?", fullmatch=True), MOMENTS, ZONES)
def test_parse_time_returns_a_time_or_raises_valueerror_for_any_text(text: str, now: datetime, zone: tzinfo) -> None:
    try:
        moment = parse_time(text, now, zone)
    except ValueError:
        return
    assert moment.astimezone(UTC).tzinfo is UTC


@given(MOMENTS, ZONES, st.integers(-14 * 60, 14 * 60))
def test_parse_time_keeps_the_zone_of_a_time(moment: datetime, zone: tzinfo, minutes: int) -> None:
    written = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()
    assert parse_time(written, NOW, zone) == moment
    assert parse_time(written.replace("T", " "), NOW, zone) == moment


@given(MOMENTS, ZONES)
def test_parse_time_uses_the_first_of_two_equal_local_times(moment: datetime, zone: tzinfo) -> None:
    local = moment.astimezone(zone)
    read = parse_time(local.replace(tzinfo=None).isoformat(sep=" "), NOW, zone)
    assert read.replace(tzinfo=None) == local.replace(tzinfo=None)
    assert read.astimezone(UTC) == (moment if not local.fold else local.replace(fold=0).astimezone(UTC))


@given(MOMENTS, ZONES)
def test_parse_time_returns_the_first_second_of_a_day(now: datetime, zone: tzinfo) -> None:
    today, yesterday = (parse_time(word, now, zone).astimezone(UTC) for word in ("today", "yesterday"))
    assert yesterday < today <= now
    day = now.astimezone(zone).date()
    assert today.astimezone(zone).date() == day
    assert (today - timedelta(microseconds=1)).astimezone(zone).date() < day
    assert parse_time(day.isoformat(), now, zone).astimezone(UTC) == today


@given(MOMENTS, ZONES, st.integers(0, 500), st.sampled_from("smhdw"))
def test_parse_time_ages_are_independent_of_clock_changes(now: datetime, zone: tzinfo, count: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit]
    ago = now.timestamp() - parse_time(f"{count}{unit}", now, zone).timestamp()
    assert ago == pytest.approx(count * seconds, abs=1e-4)


def test_since_is_local_time_unless_utc_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    command = app.get_command(click.Context(app), "list")
    assert command is not None
    try:
        for arguments, expected in (([], "2026-01-31T00:00:00+09:00"), (["--utc"], "2026-01-31T00:00:00+00:00")):
            context = command.make_context("list", ["--since", "2026-01-31", *arguments])
            assert context.params["since"].isoformat() == expected
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "options", [["--since", "2026-02-01", "--until", "2026-01-01"], ["--until", "7d", "--since", "1d"]]
)
@pytest.mark.parametrize(
    "command", [["list"], ["search", "none.db", "text"], ["export", "none.db", "-"], ["harvest", "none.db"]]
)
def test_since_later_than_until_is_a_usage_error(
    command: list[str], options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, *options]) == 2
    assert re.match(r"convai-async: --since \(.+\) must be earlier than --until \(.+\)\n", capsys.readouterr().err)
