"""Which tests to run when a module changes."""

from __future__ import annotations

_HARVEST = [
    "tests/harvest/test_harvest.py",
    "tests/harvest/test_failures.py",
    "tests/harvest/test_lookback.py",
    "tests/harvest/test_prune.py",
    "tests/harvest/test_saved_recordings.py",
    "tests/harvest/test_stop.py",
    "tests/harvest/test_listing.py",
    "tests/harvest/test_outages.py",
    "tests/harvest/test_schedules.py",
]
_ENGINE = [
    "tests/transport/test_key_redaction.py",
    "tests/transport/test_redirects.py",
    "tests/transport/test_reply_limits.py",
    "tests/transport/test_retries.py",
    "tests/transport/test_slots.py",
    "tests/transport/test_throttling.py",
]
_ARCHIVE = [
    "tests/archive/test_archive.py",
    "tests/archive/test_precedence.py",
    "tests/harvest/test_workspace.py",
    "tests/harvest/test_harvest.py",
    "tests/harvest/test_prune.py",
    "tests/robustness/test_erasure.py",
]

TESTS_OF: dict[str, list[str]] = {
    "_support/atomic_files": [
        "tests/test_atomic_files.py",
        "tests/test_streaming.py",
        "tests/robustness/test_killed_files.py",
    ],
    "_support/clock": ["tests/test_clock.py"],
    "_transport/engine": [
        "tests/test_clock.py",
        "tests/transport/test_observability.py",
        *_ENGINE,
    ],
    "_transport/body": [
        "tests/transport/test_memory.py",
        "tests/transport/test_session.py",
        *_ENGINE,
    ],
    "_transport/session": [
        "tests/transport/test_session.py",
        "tests/transport/test_memory.py",
        *_ENGINE,
    ],
    "endpoints/_filters": ["tests/endpoints/test_requests.py"],
    "endpoints/_page": ["tests/endpoints/test_page.py"],
    "endpoints/_query": ["tests/endpoints/test_requests.py"],
    "_support/validate": ["tests/endpoints/test_requests.py", "tests/polling/test_wait_and_watch.py"],
    "harvest/_fetching": _HARVEST,
    "harvest/_intake": _HARVEST,
    "harvest/_ledger": _HARVEST,
    "harvest/_listing": _HARVEST,
    "harvest/_outages": ["tests/harvest/test_outages.py"],
    "archive/_precedence": ["tests/archive/test_precedence.py"],
    "harvest/_pipeline": _HARVEST,
    "harvest/_pruning": ["tests/harvest/test_prune.py"],
    "harvest/_ranges": ["tests/harvest/test_listing.py"],
    "archive/_lookups": _ARCHIVE,
    "archive/_recordings": ["tests/robustness/test_erasure.py", "tests/harvest/test_saved_recordings.py"],
    "harvest/_harvester": _HARVEST,
    "harvest/_workspace": ["tests/harvest/test_workspace.py"],
    "archive/_writer": _ARCHIVE,
    "archive/_windows": ["tests/archive/test_windows.py", *_HARVEST],
    "_transport/limiter": ["tests/transport/test_limiter.py", "tests/transport/test_limiter_waiting.py", *_ENGINE],
    "models/_normalize": ["tests/models/test_models_tolerance.py", "tests/models/test_models_contract.py"],
    "models/_open_union": ["tests/models/test_models_contract.py", "tests/models/test_models_tolerance.py"],
    "pagination": ["tests/test_pagination.py", "tests/endpoints/test_page.py"],
    "retry": ["tests/test_retry.py", *_ENGINE],
    "webhooks": ["tests/test_webhooks.py"],
}
