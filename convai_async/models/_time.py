"""Unix seconds as datetimes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_datetime(unix_secs: int | None) -> datetime | None:
    """Return unix seconds as an aware datetime; None for None, and for what no datetime can hold."""
    if unix_secs is None:
        return None
    try:
        return _EPOCH + timedelta(seconds=unix_secs)
    except OverflowError:
        return None
