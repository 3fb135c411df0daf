"""Parse and format points in time.

Times without a time zone are local, or UTC with ``--utc``. If a clock change repeats a local time, the first of the two
is meant; a local time that a clock change skips is moved forward by the length of the change.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import click

from convai_async._support.durations import parse_duration
from convai_async._support.timestamps import to_utc_datetime

TIME_FORMATS = "7d, 12h, yesterday, 2026-01-31, '2026-01-31 14:00', 2026-01-31T14:00Z, or Unix seconds"
"""The formats that `parse_time` accepts, for help texts and errors."""

_UNIX_SECONDS = re.compile(r"\d{9,10}", re.ASCII)
_DAYS_AGO = {"today": 0, "yesterday": 1}


def parse_time(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Parse a point in time.

    Args:
        text: ``7d`` (also ``w``, ``h``, ``m``, ``s``) before now, where a day is 24 hours; ``now``; ``today`` or
            ``yesterday`` (midnight); a date (midnight); a date and time in ISO 8601, with or without a time zone; or
            Unix seconds of 9 or 10 digits.
        now: The current time, with a time zone.
        zone: The time zone of times without one; None means the local time zone.

    Returns:
        A datetime with a time zone.

    Raises:
        ValueError: The text has another format, or the time is outside the years 1 to 9999.
    """
    text = text.strip()
    word = text.lower()
    try:
        if word == "now":
            return now
        if word in _DAYS_AGO:
            return _get_midnight(now.astimezone(zone).date() - timedelta(days=_DAYS_AGO[word]), zone)
        if (age := parse_duration(word)) is not None:
            return now.astimezone(UTC) - age
        if _UNIX_SECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        return _parse_iso(text, zone)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is not a valid time: use {TIME_FORMATS}") from None


def _parse_iso(text: str, zone: tzinfo | None) -> datetime:
    try:
        return _get_midnight(date.fromisoformat(text), zone)
    except ValueError:
        parsed = datetime.fromisoformat(text)
    return _check_range(parsed if parsed.tzinfo is not None else _add_zone(parsed, zone))


def _get_midnight(day: date, zone: tzinfo | None) -> datetime:
    return _check_range(_add_zone(datetime.combine(day, time()), zone))


def _add_zone(naive: datetime, zone: tzinfo | None) -> datetime:
    return naive.astimezone() if zone is None else naive.replace(tzinfo=zone)


def _check_range(moment: datetime) -> datetime:
    """Raise OverflowError if a time on the first or the last day of the calendar does not exist in UTC."""
    moment.astimezone(UTC)
    return moment


def parse_time_option(text: str) -> datetime:
    """Parse the value of an option; in UTC if the command has ``--utc``."""
    context = click.get_current_context(silent=True)
    zone = UTC if context is not None and context.params.get("utc") else None
    try:
        return parse_time(text, datetime.now(UTC), zone)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def parse_duration_option(text: str) -> timedelta:
    """Parse the value of an option that is a length of time."""
    try:
        duration = parse_duration(text.strip().lower())
    except OverflowError:
        duration = None
    if not duration:
        raise click.BadParameter(
            f"{text!r} is not a length of time: use a number and s, m, h, d or w, such as 30m or 1h"
        )
    return duration


def check_time_order(context: click.Context, parameter: click.Parameter, value: datetime | None) -> datetime | None:
    """Check that ``--since`` is earlier than ``--until``: a callback for both options."""
    times = {**context.params, parameter.name: value}
    since, until = times.get("since"), times.get("until")
    if since is not None and until is not None and since >= until:
        raise click.UsageError(f"--since ({since.isoformat()}) must be earlier than --until ({until.isoformat()})")
    return value


class TimeFormatter:
    """Formats points in time.

    Args:
        utc: Whether to use UTC instead of local time.

    Attributes:
        zone_name: ``"UTC"`` or ``"local time"``.
    """

    def __init__(self, *, utc: bool) -> None:
        self._utc = utc
        self.zone_name = "UTC" if utc else "local time"

    def format(self, unix_secs: int | None, *, seconds: bool = True) -> str:
        """Return a time like ``2026-01-31 14:00:00``; empty for None and for times outside the calendar."""
        moment = self._convert(unix_secs)
        return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"[: None if seconds else -3]

    def format_iso(self, unix_secs: int | None) -> str:
        """Return a time like ``2026-01-31T14:00:00+01:00``; empty for None and for times outside the calendar."""
        moment = self._convert(unix_secs)
        return "" if moment is None else moment.isoformat(timespec="seconds")

    def _convert(self, unix_secs: int | None) -> datetime | None:
        moment = to_utc_datetime(unix_secs)
        if moment is None or self._utc:
            return moment
        try:
            return moment.astimezone()
        except (OverflowError, ValueError, OSError):
            return None
