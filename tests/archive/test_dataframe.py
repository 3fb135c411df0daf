"""Data frames of an archive's tables and views."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from archives import build_update

from convai_async.archive import Archive, describe_tables
from convai_async.archive._schema._tables import JOINED_TABLES
from convai_async.archive._schema._views import VIEWS
from convai_async.errors import ConfigurationError, InvalidArgumentError

if TYPE_CHECKING:
    from convai_async.archive._writer import ArchiveWriter

pd = pytest.importorskip("pandas", reason="pandas is in the group recipes")
pl = pytest.importorskip("polars", reason="polars is in the group recipes")

pytest_plugins = ["archive_fixtures"]

START = 1_700_000_000
TABLES = ["conversations", *(table.name for table in JOINED_TABLES), *(view.name for view in VIEWS)]


def fill(writer: ArchiveWriter) -> None:
    for number, agent in enumerate(["agent_1", "agent_1", "agent_2"]):
        call = {"request_id": "r", "tool_name": f"tool_{agent}", "type": "webhook"}
        turn = {
            "role": "agent",
            "message": "hello",
            "tool_calls": [call],
            "tool_results": [{**call, "tool_latency_secs": 1.5, "is_error": False, "result_value": ""}],
            "conversation_turn_metrics": {"metrics": {"ttfb": {"elapsed_time": number}}},
        }
        metadata = {"start_time_unix_secs": START + number * 86_400, "call_duration_secs": 60, "cost": 3}
        writer.store([build_update(f"conv_{number}", transcript=[turn], metadata=metadata, agent_id=agent)])
    writer.store([build_update("conv_3", metadata={"start_time_unix_secs": START + 10**12}, agent_id="agent_3")])


@pytest.mark.parametrize(
    ("store", "table"),
    [*(("sqlite", table) for table in TABLES), *(("postgres", table) for table in TABLES if table != "documents")],
)
def test_dataframe_has_the_columns_of_its_table_and_the_same_types_without_rows(
    writer: ArchiveWriter, reader: Archive, table: str
) -> None:
    empty = reader.dataframe(table)
    assert len(empty) == 0
    fill(writer)
    filled = reader.dataframe(table)
    assert (filled.dtypes == empty.dtypes).all()
    with reader.snapshot() as connection:
        present = [name for name, *_ in connection.execute(f"SELECT * FROM {table} LIMIT 0").description]
    hidden = {"raw", "raw_sha256", "summary_json", "turn_id", "workspace"}
    expected = {re.sub("(_time)?_unix_secs$", "_time", name) for name in present} - hidden
    assert set(filled.columns) == expected
    polars, arrow = reader.dataframe(table, library="polars"), reader.dataframe(table, library="pyarrow")
    assert list(filled.columns) == polars.columns == arrow.column_names
    assert len(filled) == len(polars) == len(arrow)


def test_dataframe_has_timestamps_nullable_integers_and_booleans(writer: ArchiveWriter, reader: Archive) -> None:
    fill(writer)
    calls = reader.dataframe("calls")
    starts = dict(zip(calls["conversation_id"], calls["start_time"], strict=True))
    assert starts["conv_0"] == datetime.fromtimestamp(START, UTC)
    assert starts["conv_3"] is pd.NaT, "SQLite has no text for the year 33,658"
    assert calls["cost"].dtype == pd.Int64Dtype()
    assert reader.dataframe("tool_calls")["is_error"].dtype == pd.BooleanDtype()
    daily = reader.dataframe("daily", library="polars")
    assert daily.schema["day"] == pl.Date
    assert reader.dataframe("calls", library="pyarrow").schema.field("start_time").type == pa.timestamp("s", "UTC")


def test_filters_select_the_conversations_that_views_compute_with(writer: ArchiveWriter, reader: Archive) -> None:
    fill(writer)
    assert set(reader.dataframe("turns", agent_id="agent_1")["conversation_id"]) == {"conv_0", "conv_1"}
    assert reader.dataframe("tools", agent_id="agent_2")["tool_name"].tolist() == ["tool_agent_2"]
    late = reader.dataframe("latency", since=START + 86_400)
    assert late["max"].tolist() == [2.0]
    assert reader.dataframe("latency", until=START + 86_400)["turns"].tolist() == [1]
    assert reader.dataframe("agents", agent_id="agent_1")["calls"].tolist() == [2]


def test_unknown_table_or_library_is_refused(reader: Archive) -> None:
    assert {"archive", "failures"} <= {each.name for each in describe_tables()}
    with pytest.raises(InvalidArgumentError, match="table"):
        reader.dataframe("archive")
    with pytest.raises(InvalidArgumentError, match="library"):
        reader.dataframe("calls", library="dask")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        ("convai_async.archive._formats._parquet", r"pip install 'convai-async\[parquet\]'"),
        ("polars", "pip install polars"),
    ],
)
def test_missing_package_is_named(reader: Archive, monkeypatch: pytest.MonkeyPatch, missing: str, advice: str) -> None:
    monkeypatch.delattr("convai_async.archive._formats._parquet", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigurationError, match=advice):
        reader.dataframe("calls", library="polars")
