"""Which tests to run when a module changes."""

from __future__ import annotations

TESTS_OF: dict[str, list[str]] = {
    "limits": ["tests/test_limits.py", "tests/test_transport.py"],
    "retry": ["tests/test_retry.py", "tests/test_transport.py"],
}
