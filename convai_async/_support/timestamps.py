"""Unix seconds: as datetimes, and whether a conversation can have started then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRONG_CLOCK_SECS = 86_400
"""By how much a clock may be fast."""


def utc_datetime(unix_secs: int | None) -> datetime | None:
    """Return unix seconds as an aware datetime; None for None, and for what no datetime can hold."""
    if unix_secs is None:
        return None
    try:
        return _EPOCH + timedelta(seconds=unix_secs)
    except OverflowError:
        return None


def latest_start(now: float) -> int:
    """Return the latest moment at which a conversation can have started, both in unix seconds."""
    return int(now) + _WRONG_CLOCK_SECS


def credible_start(start: int | None, latest: int) -> int | None:
    """Return when a conversation started, in unix seconds; None when that is not known, or cannot be.

    One start that is in milliseconds would be the newest for ever, and whatever starts before it would pass for
    read.
    """
    return start if start is not None and 0 <= start <= latest else None
