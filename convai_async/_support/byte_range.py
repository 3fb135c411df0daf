"""The Range and Content-Range headers of a single range of bytes (RFC 9110, 14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{1,18})?\s*-\s*(\d{1,18})?\s*", re.ASCII | re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"\s*bytes (\d{1,18})-(\d{1,18})/(?:(\d{1,18})|\*)\s*", re.ASCII | re.IGNORECASE)


def normalize_range(header: str) -> str | None:
    """Return a Range header in its plainest form, or None when it is malformed or asks for several ranges."""
    match = _RANGE.fullmatch(header)
    if match is None or match.groups() == (None, None):
        return None
    first, last = match.groups()
    if first is not None and last is not None and int(first) > int(last):
        return None
    return f"bytes={first or ''}-{last or ''}"


def is_answer_to(content_range: str, byte_range: str, content_length: str | None) -> bool:
    """Return whether a Content-Range describes what a normalized Range header asked for.

    Args:
        content_range: The reply's header.
        byte_range: What `normalize_range` returned.
        content_length: The reply's Content-Length, or None when it has none.
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
