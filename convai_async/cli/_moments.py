"""Points in time, as people type and read them.

Times without a zone are local, or UTC where ``utc`` says so. A local time that a clock change repeats is the first
of the two; one that a clock change skips is as long after the change as it claims to be.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import click

from convai_async._support.timestamps import utc_datetime

MOMENT_HELP = "7d, 12h, yesterday, 2026-01-31, '2026-01-31 14:00', 2026-01-31T14:00Z, or unix seconds"
"""The forms of a point in time, for help texts."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(rf"(\d+)([{''.join(_UNITS)}])", re.ASCII)
_UNIX_SECONDS = re.compile(r"\d{9,10}", re.ASCII)
_DAYS_AGO = {"today": 0, "yesterday": 1}


def parse_moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Read a point in time.

    Args:
        text: ``7d`` (also ``w``, ``h``, ``m``, ``s``) before now, where a day is 24 hours; ``now``, ``today`` or
            ``yesterday`` (midnight); a date (midnight); a date and time, with or without a zone, in ISO 8601; or
            unix seconds of 9 or 10 digits.
        now: The present, with a time zone.
        zone: The zone of times that name none; None is the zone of this machine.

    Returns:
        A datetime with a time zone.

    Raises:
        ValueError: It is none of these, or lies outside the years 1 to 9999.
    """
    text = text.strip()
    word = text.lower()
    try:
        if word == "now":
            return now
        if word in _DAYS_AGO:
            return _midnight(now.astimezone(zone).date() - timedelta(days=_DAYS_AGO[word]), zone)
        if age := _AGE.fullmatch(word):
            return now.astimezone(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        if _UNIX_SECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        return _from_iso(text, zone)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is not a time: write {MOMENT_HELP}") from None


def _from_iso(text: str, zone: tzinfo | None) -> datetime:
    try:
        return _midnight(date.fromisoformat(text), zone)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return _checked(moment if moment.tzinfo is not None else _in_zone(moment, zone))


def _midnight(day: date, zone: tzinfo | None) -> datetime:
    return _checked(_in_zone(datetime.combine(day, time()), zone))


def _in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)


def _checked(moment: datetime) -> datetime:
    """Return what has a form in UTC too; the first and the last day of all years may not."""
    moment.astimezone(UTC)
    return moment


def moment(text: str) -> datetime:
    """Read a point in time from an option; in UTC where the command's ``--utc`` is given."""
    context = click.get_current_context(silent=True)
    zone = UTC if context is not None and context.params.get("utc") else None
    try:
        return parse_moment(text, datetime.now(UTC), zone)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


class Clock:
    """How a command shows points in time.

    Args:
        utc: Whether in UTC; otherwise in local time.
    """

    def __init__(self, *, utc: bool) -> None:
        self._utc = utc
        self.zone = "UTC" if utc else "local time"

    def show(self, unix_secs: int | None, *, seconds: bool = True) -> str:
        """Return ``2026-01-31 14:00:00`` for people; empty for None and for what a calendar does not have."""
        moment = self._moment(unix_secs)
        return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"[: None if seconds else -3]

    def write(self, unix_secs: int | None) -> str:
        """Return ``2026-01-31T14:00:00+01:00`` for programs; empty for None and for what a calendar does not have."""
        moment = self._moment(unix_secs)
        return "" if moment is None else moment.isoformat(timespec="seconds")

    def _moment(self, unix_secs: int | None) -> datetime | None:
        moment = utc_datetime(unix_secs)
        if moment is None or self._utc:
            return moment
        try:
            return moment.astimezone()
        except (OverflowError, ValueError, OSError):
            return None
