"""The distribution that users install contains the package, all of it, and nothing else.

An editable installation has no copy of the files: the tests of its files are skipped.
"""

from __future__ import annotations

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import convai_async

TREE = Path(__file__).parents[2]
DISTRIBUTION = distribution("convai-async")
ORIGIN: dict[str, Any] = json.loads(DISTRIBUTION.read_text("direct_url.json") or "{}")
EDITABLE = bool(ORIGIN.get("dir_info", {}).get("editable", False))
PLUGIN = "pytest_convai_async.py"
CODE = {"convai_async", PLUGIN}
REQUIREMENTS = [Requirement(line) for line in DISTRIBUTION.requires or ()]
CORE = [each for each in REQUIREMENTS if each.marker is None]
OF_EXTRAS = [each for each in REQUIREMENTS if each.marker is not None and each.name != "convai-async"]

built = pytest.mark.skipif(EDITABLE, reason="an editable installation is the working tree")


def installed_files() -> list[Path]:
    """Return the installed files, without those that Python and pip add."""
    return [Path(path) for path in DISTRIBUTION.files or () if path.suffix != ".pyc"]


def test_tests_import_the_installed_package() -> None:
    installed_in = TREE if EDITABLE else Path(str(DISTRIBUTION.locate_file("")))
    assert Path(convai_async.__file__).parent.parent.samefile(installed_in)
    assert DISTRIBUTION.version == convai_async.__version__


@built
def test_installed_files_equal_the_checkout() -> None:
    there = {path.as_posix() for path in installed_files() if path.parts[0] in CODE}
    tree = [*(TREE / "convai_async").rglob("*"), TREE / PLUGIN]
    paths = [path for path in tree if path.is_file() and path.suffix != ".pyc"]
    assert there == {path.relative_to(TREE).as_posix() for path in paths}
    for path in paths:
        installed = Path(str(DISTRIBUTION.locate_file(path.relative_to(TREE))))
        assert installed.read_bytes() == path.read_bytes(), "the tree has changed: install it again, or with -e"


@built
def test_distribution_contains_only_the_package() -> None:
    info = f"convai_async-{DISTRIBUTION.version}.dist-info"
    beside = [path for path in installed_files() if path.parts[0] not in CODE | {info}]
    assert [path.stem for path in beside] == ["convai-async"]
    assert {path.suffix for path in installed_files() if path.parts[0] in CODE} == {
        ".css",
        ".html",
        ".js",
        ".py",
        ".svg",
        ".typed",
    }
    assert Path("convai_async/py.typed") in installed_files()
    assert "Tag: py3-none-any" in (DISTRIBUTION.read_text("WHEEL") or "").splitlines()


def test_distribution_has_one_command_and_one_plugin() -> None:
    assert {(each.group, each.name, each.value) for each in DISTRIBUTION.entry_points} == {
        ("console_scripts", "convai-async", "convai_async.cli:main"),
        ("pytest11", "convai_async", "pytest_convai_async"),
    }


def test_core_requires_four_packages_with_lower_bounds_only() -> None:
    assert {each.name for each in CORE} == {"aiohttp", "anyio", "msgspec", "tenacity"}
    for each in CORE:
        assert [bound.operator for bound in each.specifier] == [">="], each


def test_distribution_has_only_the_extras_for_users() -> None:
    assert set(DISTRIBUTION.metadata.get_all("Provides-Extra") or ()) == {
        "all",
        "browse",
        "cli",
        "cloud",
        "dlt",
        "mcp",
        "metrics",
        "parquet",
        "postgres",
        "report",
        "uvloop",
        "zstd",
    }


@pytest.mark.parametrize("requirement", OF_EXTRAS, ids=str)
def test_requirement_of_an_extra_has_a_lower_bound(requirement: Requirement) -> None:
    assert {bound.operator for bound in requirement.specifier} & {">=", "=="}
