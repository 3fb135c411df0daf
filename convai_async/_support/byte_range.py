"""Parse Range and Content-Range headers with a single range of bytes (RFC 9110, 14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{1,18})?\s*-\s*(\d{1,18})?\s*", re.ASCII | re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"\s*bytes (\d{1,18})-(\d{1,18})/(?:(\d{1,18})|\*)\s*", re.ASCII | re.IGNORECASE)


def normalize_range(header: str) -> str | None:
    """Return a Range header in its canonical form, or None if it is malformed or has several ranges."""
    match = _RANGE.fullmatch(header)
    if match is None or match.groups() == (None, None):
        return None
    first, last = match.groups()
    if first is not None and last is not None and int(first) > int(last):
        return None
    return f"bytes={first or ''}-{last or ''}"


def matches_range(content_range: str, byte_range: str, content_length: str | None) -> bool:
    """Return whether a Content-Range is that of the range which was requested.

    Args:
        content_range: The response's Content-Range header.
        byte_range: The requested range, as `normalize_range` returns it.
        content_length: The response's Content-Length header, or None.
    """
    match = _CONTENT_RANGE.fullmatch(content_range)
    if match is None:
        return False
    first, last = int(match[1]), int(match[2])
    total = None if match[3] is None else int(match[3])
    if last < first or (total is not None and last >= total):
        return False
    if content_length is not None and content_length != str(last - first + 1):
        return False
    wanted_first, wanted_last = byte_range.removeprefix("bytes=").split("-")
    if not wanted_first:
        return total is not None and last == total - 1 and last - first + 1 <= int(wanted_last)
    return first == int(wanted_first) and (not wanted_last or last <= int(wanted_last))
