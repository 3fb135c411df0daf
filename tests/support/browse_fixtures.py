"""Archives with recordings."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import pytest

from convai_async.cli._app import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def harvested_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of an archive with 60 conversations and their recordings. Tests do not change it."""
    path = tmp_path_factory.mktemp("browse") / "calls.db"
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        assert run(["harvest", str(path), "--sandbox", "60", "--audio"]) == 0
    return path


@pytest.fixture
def archive_copy(harvested_once: Path, tmp_path: Path) -> Path:
    """The path of a copy of that archive, which a test can change."""
    shutil.copytree(harvested_once.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / harvested_once.name
