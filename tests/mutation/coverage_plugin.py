"""A pytest plugin that records which tests run each line of a package, and the CPU time of each test."""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import coverage
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_coverage = coverage.Coverage(data_file=None, include=json.loads(os.environ["COVERED_FILES"]), config_file=False)
_seconds: dict[str, float] = {}
_coverage.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Assign the lines that run during a test to that test."""
    _clear_caches()
    _coverage.switch_context(item.nodeid)
    started = _cpu_seconds()
    result = yield
    _seconds[item.nodeid] = _cpu_seconds() - started
    _coverage.switch_context("")
    return result


def _clear_caches() -> None:
    """Clear the caches of the package's functions. Else what they call counts only for the first test."""
    for name, module in list(sys.modules.items()):
        if name.startswith("convai_async"):
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def pytest_sessionfinish() -> None:
    """Write the results."""
    _coverage.stop()
    data = _coverage.get_data()
    lines: dict[str, dict[int, list[str]]] = {}
    for file in data.measured_files():
        # A line that runs when the module is imported matters to every test.
        lines[file] = {
            line: sorted(filter(None, tests)) or list(_seconds) for line, tests in data.contexts_by_lineno(file).items()
        }
    Path(os.environ["COVERED_RESULTS"]).write_text(json.dumps({"lines": lines, "seconds": _seconds}))
