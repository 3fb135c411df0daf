"""The module, the commands and the query of the page on steps work."""

from __future__ import annotations

import inspect
import re
import shlex
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from documentation import DOCS, blocks

from convai_async.cli._app import run
from convai_async.steps import step

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PAGE = DOCS / "steps.md"


def test_documented_module_runs_and_its_results_are_found(
    archive_here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(archive_here))
    (archive_here / "my_steps.py").write_text(next(blocks(PAGE, "python")).code)
    typed, printed = next(blocks(PAGE, "console")).code.splitlines()
    try:
        assert run(shlex.split(typed.removeprefix("$ convai-async "))) == 0
    finally:
        del sys.modules["my_steps"]
    pattern = re.escape(printed).replace("12,480", r"([\d,]+)")
    found = re.fullmatch(pattern, capsys.readouterr().out.strip())
    assert found is not None
    assert int(found[1].replace(",", "")) > 90
    with closing(sqlite3.connect(archive_here / "calls.db")) as connection:
        (_, calls, mean), *_ = connection.execute(next(blocks(PAGE, "sql")).code).fetchall()
    assert calls > 0
    assert 1 < mean < 100


def test_settings_of_a_step_are_documented_with_their_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    parameters = list(inspect.signature(step).parameters.values())[1:]
    assert rows == [
        (each.name, "required" if each.default is each.empty else f"`{each.default}`") for each in parameters
    ]
