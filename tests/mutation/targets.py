"""Which tests to run when a module changes."""

from __future__ import annotations

_HARVEST = [
    "tests/harvest/test_harvest.py",
    "tests/harvest/test_listing.py",
    "tests/harvest/test_outages.py",
    "tests/harvest/test_schedules.py",
]
_ARCHIVE = [
    "tests/harvest/test_archive.py",
    "tests/harvest/test_landing.py",
    "tests/harvest/test_workspace.py",
    "tests/harvest/test_harvest.py",
    "tests/abuse/test_erasure.py",
]

TESTS_OF: dict[str, list[str]] = {
    "_atomic_file": ["tests/test_atomic_file.py", "tests/test_audio.py", "tests/abuse/test_killed_files.py"],
    "_clock": ["tests/test_clock.py"],
    "_engine": ["tests/test_clock.py", "tests/test_observability.py", "tests/test_transport.py"],
    "_session": ["tests/test_session.py", "tests/test_memory.py", "tests/test_transport.py"],
    "calls/_filters": ["tests/test_calls.py"],
    "calls/_page": ["tests/test_pages.py"],
    "calls/_query": ["tests/test_calls.py"],
    "calls/_validate": ["tests/test_calls.py", "tests/test_wait_and_watch.py"],
    "harvest/_fetching": _HARVEST,
    "harvest/_intake": _HARVEST,
    "harvest/_listing": _HARVEST,
    "harvest/_outages": ["tests/harvest/test_outages.py"],
    "harvest/_precedence": ["tests/harvest/test_landing.py"],
    "harvest/_pruning": _HARVEST,
    "harvest/_queries": _ARCHIVE,
    "harvest/_recordings": ["tests/abuse/test_erasure.py", "tests/harvest/test_harvest.py"],
    "harvest/_run": _HARVEST,
    "harvest/_workspace": ["tests/harvest/test_workspace.py"],
    "harvest/_writer": _ARCHIVE,
    "harvest/windows": ["tests/harvest/test_windows.py", *_HARVEST],
    "limits": ["tests/test_limits.py", "tests/test_transport.py"],
    "models/_oddities": ["tests/models/test_models_tolerance.py", "tests/models/test_models_contract.py"],
    "models/_open_union": ["tests/models/test_models_contract.py", "tests/models/test_models_tolerance.py"],
    "pagination": ["tests/test_pagination.py", "tests/test_pages.py"],
    "retry": ["tests/test_retry.py", "tests/test_transport.py"],
    "webhooks": ["tests/test_webhooks.py"],
}
