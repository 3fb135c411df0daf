"""A pytest plugin that notes which tests run each line of one module, and how long each test takes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import coverage
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_measured = coverage.Coverage(data_file=None, include=[os.environ["COVERED_MODULE"]], config_file=False)
_seconds: dict[str, float] = {}
_measured.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Give the lines that run during a test to that test."""
    _measured.switch_context(item.nodeid)
    started = time.perf_counter()
    result = yield
    _seconds[item.nodeid] = time.perf_counter() - started
    _measured.switch_context("")
    return result


def pytest_sessionfinish() -> None:
    """Write what was noted."""
    _measured.stop()
    data = _measured.get_data()
    lines: dict[int, list[str]] = {}
    for file in data.measured_files():
        for line, tests in data.contexts_by_lineno(file).items():
            # What runs only when the module is imported matters to every test.
            lines[line] = sorted(test for test in tests if test) or list(_seconds)
    Path(os.environ["COVERED_RESULTS"]).write_text(json.dumps({"lines": lines, "seconds": _seconds}))
