"""The schema, the inserts and the exports follow the description of the columns."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from archives import build_update, rows

from convai_async.archive._schema._tables import NESTED_TABLES, ROW_TABLES, TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async.archive import Archive
    from convai_async.archive._schema._table import Table
    from convai_async.archive._writer import ArchiveWriter

pytest_plugins = ["archive_fixtures"]


@pytest.fixture
def store() -> str:
    return "sqlite"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_new_archive_has_the_columns_with_their_descriptions(writer: ArchiveWriter, path: Path, table: Table) -> None:
    assert [column.name for column in table.columns] == [
        name for (name,) in rows(path, f"SELECT name FROM pragma_table_info('{table.name}')")
    ]
    ((sql,),) = rows(path, f"SELECT sql FROM sqlite_schema WHERE name = '{table.name}'")
    for column in table.columns:
        assert column.description.endswith(".")
        if not table.module:
            assert f"{column.name} {column.sql_type}" in sql
            assert column.description in sql


def test_exports_have_the_exported_columns(writer: ArchiveWriter, reader: Archive, tmp_path: Path) -> None:
    call = {
        "request_id": "r",
        "tool_name": "t",
        "type": "webhook",
        "params_as_json": "{}",
        "tool_has_been_called": True,
    }
    turn = {"role": "agent", "message": "hi", "tool_calls": [call]}
    writer.store([build_update("conv_1", transcript=[turn])])
    name: Any
    for name, table in ROW_TABLES.items():
        reader.export(tmp_path / f"{name}.csv", table=name)
        with (tmp_path / f"{name}.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
        assert list(row) == [column.exported_name for column in table.exported]
    reader.export(tmp_path / "calls.parquet")
    schema = pq.read_schema(tmp_path / "calls.parquet")
    assert schema.names == [
        *(column.exported_name for column in ROW_TABLES["conversations"].exported),
        *(table.name for table in NESTED_TABLES),
    ]
    for name in ("start_time", "accepted_time", "fetched_time", "deleted_time", "no_audio_time"):
        assert str(schema.field(name).type).startswith("timestamp")
    assert str(schema.field("from_webhook").type) == "bool"
