"""CONTRIBUTING.md names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from module_tests import ROOT, TESTS, find_tests, make_table

import convai_async

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
PARTS = {
    path.stem
    for path in Path(convai_async.__file__).parent.iterdir()
    if path.suffix == ".py" or path.joinpath("__init__.py").exists()
}
WITHOUT_TESTS = {"__init__", "__main__", "_version"}
WHOLE_PROJECT = {
    "tests/test_benchmarks.py",
    "tests/test_completeness.py",
    "tests/test_contributing.py",
    "tests/test_layers.py",
    "tests/test_postgres_server.py",
    "tests/robustness/test_distribution.py",
}
"""Tests that belong to no part of the package."""


def test_every_part_of_the_package_has_tests() -> None:
    assert TESTS.keys() == PARTS - WITHOUT_TESTS


def test_every_test_belongs_to_a_part_of_the_package() -> None:
    named = [ROOT / each for tests in TESTS.values() for each in " ".join(tests).split()]
    assert [path for path in named if not path.exists()] == []
    covered = {file for path in named for file in [path, *path.rglob("test_*.py")]}
    existing = {*(ROOT / "tests").glob("**/test_*.py")} - {*(ROOT / "tests/docs").glob("**/*.py")}
    assert {path.relative_to(ROOT).as_posix() for path in existing - covered} <= WHOLE_PROJECT


def test_tests_are_found_by_changed_file() -> None:
    changed = ["convai_async/retry.py", "README.md", "convai_async/models/enums.py", "tests/cli/test_cli.py"]
    assert find_tests(changed) == [
        "tests/test_retry.py",
        "tests/transport/test_retries.py",
        "tests/transport/test_throttling.py",
        "tests/models",
        "tests/cli/test_cli.py",
    ]


def test_contributing_has_the_table_of_tests() -> None:
    assert make_table() in TEXT, "python tests/support/module_tests.py --table prints the new one"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:convai_async|docs|tests)/[\w./]*)`", TEXT))))
def test_paths_in_contributing_exist(path: str) -> None:
    assert (ROOT / path).exists()
