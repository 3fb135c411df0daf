"""Convert Unix seconds to datetimes, and check when a conversation started."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_CLOCK_SKEW_SECS = 86_400
"""A clock that is ahead by more is wrong."""


def to_utc_datetime(unix_secs: int | None) -> datetime | None:
    """Return Unix seconds as an aware datetime; None for None and for values out of the range of datetimes."""
    if unix_secs is None:
        return None
    try:
        return _EPOCH + timedelta(seconds=unix_secs)
    except OverflowError:
        return None


def compute_latest_start(now: float) -> int:
    """Return the latest possible start of a conversation. Both are Unix seconds."""
    return int(now) + _MAX_CLOCK_SKEW_SECS


def credible_start_or_none(start: int | None, latest: int) -> int | None:
    """Return a conversation's start in Unix seconds, or None if it is missing or impossible.

    A start in milliseconds would be newer than all others, so that conversations before it would seem to be read.
    """
    return start if start is not None and 0 <= start <= latest else None
