"""Format the numbers of a report. `page.js` formats them in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async._support.timestamps import to_utc_datetime

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.report._definitions import Format, Value

MISSING = "-"
_MINUTE_SECS = 60
_HOUR_SECS = 3600
_SMALL_SECS = 10
_SMALL_DOLLARS = 0.1


def format_value(value: Value, form: Format) -> str:
    """Return a value of a table as text."""
    if value is None:
        return MISSING
    return value if isinstance(value, str) else _FORMATS.get(form, _format_count)(value)


def format_seconds(seconds: float) -> str:
    """Return a duration: ``0.83 s``, ``42 s``, ``4:07 min``, ``1:04 h``."""
    whole = round(seconds)
    if whole >= _HOUR_SECS:
        return f"{whole // _HOUR_SECS}:{whole % _HOUR_SECS // _MINUTE_SECS:02} h"
    if whole >= _MINUTE_SECS:
        return f"{whole // _MINUTE_SECS}:{whole % _MINUTE_SECS:02} min"
    return f"{seconds:.2f} s" if seconds < _SMALL_SECS else f"{whole} s"


def format_utc_time(unix_secs: int) -> str:
    """Return a time in UTC: ``2026-01-31 14:00``."""
    moment = to_utc_datetime(unix_secs)
    return MISSING if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def format_change(now: Value, before: Value, form: Format) -> str | None:
    """Return the change of a number as text: in percentage points for shares, in percent for others except ratings."""
    if not isinstance(now, float) or not isinstance(before, float):
        return None
    if form == "percent":
        return f"{100 * (now - before):+.1f} points"
    if form == "score":
        return f"{now - before:+.2f}"
    return f"{100 * (now / before - 1):+.0f} %" if before else None


def _format_count(value: float) -> str:
    return f"{value:,.0f}"


def _format_dollars(value: float) -> str:
    return f"${value:,.4f}" if 0 < value < _SMALL_DOLLARS else f"${value:,.2f}"


_FORMATS: dict[Format, Callable[[float], str]] = {
    "percent": lambda value: f"{100 * value:.1f} %",
    "seconds": format_seconds,
    "minutes": lambda value: _format_count(value / _MINUTE_SECS),
    "dollars": _format_dollars,
    "score": lambda value: f"{value:.2f}",
}
