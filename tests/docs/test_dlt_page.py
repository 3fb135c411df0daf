"""The functions of the page on dlt load an archive, archives of several workspaces, and everything again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_documented_functions_load_archives(
    load: Callable[[str], dict[str, Any]], archive_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is in the group recipes")
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("DLT_DATA_DIR", str(archive_here / "dlt"))
    example = load("dlt")

    def count() -> list[tuple[str, int]]:
        with duckdb.connect(archive_here / "warehouse.duckdb") as connection:
            query = "SELECT workspace, count(*) FROM elevenlabs.conversations GROUP BY ALL ORDER BY ALL"
            rows: list[tuple[str, int]] = connection.execute(query).fetchall()
            return rows

    example["load"]("calls.db")
    assert count() == [("default", 102)]
    example["load_all"]({"acme": "calls.db"})
    assert count() == [("acme", 102), ("default", 102)]
    example["load_again"]("calls.db")
    assert count() == [("default", 102)]
