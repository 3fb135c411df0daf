"""Faults to inject into a fake service: errors, dropped connections, slow or incomplete bodies, invalid documents.

A fault is a function that answers a request, with or without the service's own response. Add it to `FakeConvAI.faults`,
which decides which requests it hits, by default the next one::

    fake.faults.add(faults.status(503), operation="get_conversation", times=2)
    fake.faults.add(faults.drop(), times=None, rate=0.1)

In the examples below, ``client`` is a `ConvAIClient` of the service, and ``once`` is one that does not retry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.testing.connections import ConnectionEnd
from convai_async.testing.faults._connections import (
    close_delimited,
    drop,
    endless,
    latency,
    slow_body,
    truncate,
)
from convai_async.testing.faults._documents import (
    bad_item,
    change,
    empty_page,
    expiring_cursors,
    more_without_cursor,
    repeat_cursor,
    unknown_values,
)
from convai_async.testing.faults._kinds import Fault, Proceed
from convai_async.testing.faults._responses import body, html, mislabelled, rate_limited, redirect, status

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "TRANSIENT",
    "ConnectionEnd",
    "Fault",
    "Proceed",
    "bad_item",
    "body",
    "change",
    "close_delimited",
    "drop",
    "empty_page",
    "endless",
    "expiring_cursors",
    "html",
    "latency",
    "mislabelled",
    "more_without_cursor",
    "rate_limited",
    "redirect",
    "repeat_cursor",
    "slow_body",
    "status",
    "truncate",
    "unknown_values",
]

TRANSIENT: Sequence[Fault] = (
    rate_limited(),
    rate_limited("system_busy", retry_after=0.01),
    rate_limited("concurrent_limit_exceeded", retry_after=0.01, form="milliseconds"),
    rate_limited("too_many_concurrent_requests"),
    *(status(code) for code in (408, 409, 425, 500, 503)),
    status(500, shape=5),
    html(502),
    body(b"", code=504),
    drop(),
)
"""Faults after which a retry can succeed."""
