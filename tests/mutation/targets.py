"""Which tests to run when a module changes."""

from __future__ import annotations

TESTS_OF: dict[str, list[str]] = {
    "calls/_filters": ["tests/test_calls.py"],
    "calls/_query": ["tests/test_calls.py"],
    "calls/_validate": ["tests/test_calls.py", "tests/test_wait_and_watch.py"],
    "_clock": ["tests/test_clock.py"],
    "_engine": ["tests/test_clock.py", "tests/test_observability.py", "tests/test_transport.py"],
    "limits": ["tests/test_limits.py", "tests/test_transport.py"],
    "retry": ["tests/test_retry.py", "tests/test_transport.py"],
}
