"""A dlt pipeline keeps a DuckDB database equal to an archive, and loads only the hours in which something changed."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from archives import SOURCE, build_update

from convai_async import ConvAIClient
from convai_async.archive import Archive, ArchiveError
from convai_async.archive._schema._tables import CONVERSATIONS, DETAIL_NAMES, DETAIL_TABLES
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import ConfigurationError, InvalidArgumentError
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI

dlt = pytest.importorskip("dlt", reason="dlt is in the extra dlt")
pytest.importorskip("duckdb", reason="duckdb is in the group recipes")

from convai_async import dlt as convai_dlt  # noqa: E402 - it needs dlt
from convai_async.dlt import archive_source  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from dlt import Pipeline

pytest_plugins = ["archive_fixtures", "postgres_fixtures"]

TABLES = ["conversations", *DETAIL_NAMES]
ADDED = ["workspace", "start_hour", "is_removed"]
HOUR = 3600
MIDNIGHT = 1_700_006_400
"""The first second of an hour."""


@pytest.fixture
def store() -> str:
    return "sqlite"


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A pipeline into a DuckDB file of the test."""
    monkeypatch.chdir(tmp_path)  # where dlt looks for its settings
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    made: Pipeline = dlt.pipeline(
        "warehouse",
        destination=dlt.destinations.duckdb(str(tmp_path / "warehouse.duckdb")),
        dataset_name="calls",
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    return made


def load(pipeline: Pipeline, archive: Path | str, workspace: str | None = None) -> dict[str, int]:
    """Run the pipeline, and return how many rows of each table it loaded."""
    pipeline.run(archive_source(archive, workspace=workspace))
    trace = pipeline.last_trace
    assert trace is not None
    assert trace.last_normalize_info is not None
    counts = trace.last_normalize_info.row_counts
    return {name: count for name, count in counts.items() if count and not name.startswith("_dlt")}


def comparable(row: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value.timestamp() if isinstance(value, datetime) else value) for name, value in row.items()]


def read_destination(pipeline: Pipeline, table: str, workspace: str = "default") -> list[dict[str, Any]]:
    with pipeline.sql_client() as client, client.execute_query(f"SELECT * FROM {table}") as cursor:
        names = [name for name, *_ in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [row for row in rows if row["workspace"] == workspace]


def assert_equal(pipeline: Pipeline, path: Path | str, workspace: str = "default") -> None:
    """Check that the destination has the rows of the archive."""
    with Archive.open(path) as archive:
        for table in TABLES:
            expected = archive.dataframe(table, library="pyarrow").to_pylist()
            found = read_destination(pipeline, table, workspace)
            assert not any(row["is_removed"] for row in found)
            rows = [{name: value for name, value in row.items() if name not in ADDED} for row in found]
            assert sorted(map(repr, map(comparable, rows))) == sorted(map(repr, map(comparable, expected))), table


def ids(pipeline: Pipeline, table: str = "conversations", workspace: str = "default") -> list[str]:
    return sorted(row["conversation_id"] for row in read_destination(pipeline, table, workspace))


def test_every_table_is_loaded_with_a_key_that_its_rows_have() -> None:
    assert list(convai_dlt._KEYS) == TABLES
    for table in (CONVERSATIONS, *DETAIL_TABLES):
        names = [column.name for column in table.exported]
        assert {*convai_dlt._KEYS[table.name]} <= {*names}
        constraint = next((each for each in table.constraints if "conversation_id" in each), "")
        if constraint:
            assert constraint.endswith(f"({', '.join(convai_dlt._KEYS[table.name])})")


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_pipeline_follows_what_harvests_and_deletions_change(
    pipeline: Pipeline, database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    archive: Path | str = tmp_path / "calls.db"
    workspace = "default"
    if database == "postgres":
        workspace = "acme"
        archive = f"{request.getfixturevalue('postgres_url')}?workspace={workspace}"
    async with (
        FakeConvAI(conversations=60, seed=7, days=2) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        tagged = fake.add("conv_tagged", tag_ids=["tag_1", "tag_2"], start=MIDNIGHT)
        old, removed = fake.add("conv_old", start=MIDNIGHT + 2 * HOUR), fake.add("conv_away", start=MIDNIGHT + 4 * HOUR)
        await harvest(client, archive)
        assert load(pipeline, archive).keys() == {*TABLES}
        assert_equal(pipeline, archive, workspace)
        assert load(pipeline, archive) == {}

        fake.analyse_again(old)
        fake.conversations.remove(removed)
        fake.conversations.remove(tagged)
        new = fake.add("conv_new", start=MIDNIGHT + 6 * HOUR)
        await harvest(client, archive, prune="mark", lookback=timedelta(days=10_000))
        with Archive.open(archive, source=fake.url) as opened:
            opened.delete([removed])

    loaded = load(pipeline, archive)
    assert_equal(pipeline, archive, workspace)
    assert loaded["conversations"] == 4  # the tagged, the old, the new, and what removes the deleted
    assert {tagged, old, new} <= {*ids(pipeline, workspace=workspace)}
    assert removed not in ids(pipeline, workspace=workspace)
    [row] = [row for row in read_destination(pipeline, "conversations", workspace) if row["conversation_id"] == tagged]
    assert row["deleted_time"] is not None


@pytest.mark.slow
def test_rows_of_hours_that_changed_replace_those_before(
    writer: ArchiveWriter, path: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convai_dlt, "_CONVERSATIONS_AT_ONCE", 4)
    for number, hour in enumerate([0, 0, 0, 1, 1, 1, 2, 5, 5, 5, 5, 5, 5, 6]):
        messages, start = ["hello"] * (number % 3), MIDNIGHT + hour * HOUR + number
        writer.store([build_update(f"conv_{number}", *messages, start=start, tag_ids=[f"tag_{number}"])])
    starts = {"conv_negative": -5, "conv_future": 10**12, "conv_first_hour": 5}
    writer.store([build_update(name, "hello", start=start) for name, start in starts.items()])
    load(pipeline, path)
    assert_equal(pipeline, path)
    hours = {row["conversation_id"]: row["start_hour"].timestamp() for row in read_destination(pipeline, "turns")}
    assert {hours[name] for name in starts} == {0}
    assert hours["conv_4"] == MIDNIGHT + HOUR

    writer.store([build_update("conv_5", "hello", start=MIDNIGHT + HOUR + 5)])  # fewer turns, and no tag
    writer.store([build_update("conv_6", "hello", start=MIDNIGHT + 3 * HOUR)])
    writer.store([build_update("conv_future", "hello", start=MIDNIGHT + 6 * HOUR)])
    assert load(pipeline, path)["conversations"] == 3 + 2 + 2 + 2  # hours 1, 2 (removed) and 3, 6, and the unknown
    assert_equal(pipeline, path)


@pytest.mark.slow
def test_archives_with_other_workspaces_share_a_dataset(tmp_path: Path, pipeline: Pipeline) -> None:
    paths = {name: tmp_path / f"{name}.db" for name in ("acme", "globex")}
    for name, path in paths.items():
        with ArchiveWriter(path, SOURCE) as writer:
            writer.store([build_update(f"conv_{name}", "hello", start=MIDNIGHT)])
        load(pipeline, path, name)
    with Archive.open(paths["globex"], source=SOURCE) as archive:
        archive.delete(["conv_globex"])
    load(pipeline, paths["globex"], "globex")
    assert ids(pipeline, "turns", "acme") == ["conv_acme"]
    assert ids(pipeline, "turns", "globex") == []


@pytest.mark.slow
def test_everything_is_loaded_again_after_the_columns_have_changed(
    writer: ArchiveWriter, path: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.store([build_update("conv_1", "hello", start=MIDNIGHT)])
    load(pipeline, path)
    monkeypatch.delitem(convai_dlt._DESCRIPTIONS, "tags")
    assert load(pipeline, path)["conversations"] == 1

    # The types are those of exported files.
    columns = pipeline.default_schema.get_table("conversations")["columns"]
    found = {name: column["data_type"] for name, column in columns.items()}
    assert (found["start_time"], found["has_audio"], found["cost"]) == ("timestamp", "bool", "bigint")
    assert (found["cost_fiat"], found["agent_id"], found["start_hour"]) == ("double", "text", "timestamp")
    keys = [name for name, column in columns.items() if column.get("primary_key")]
    assert keys == ["workspace", "conversation_id"]
    [row] = read_destination(pipeline, "conversations")
    assert row["start_time"] == datetime.fromtimestamp(MIDNIGHT, UTC)


def test_missing_archive_and_empty_workspace_are_refused_before_the_run(path: Path, writer: ArchiveWriter) -> None:
    with pytest.raises(ArchiveError, match="there is no archive"):
        archive_source(path.with_name("none.db"))
    with pytest.raises(InvalidArgumentError, match="workspace"):
        archive_source(path, workspace="")


@pytest.mark.parametrize("missing", ["dlt", "pyarrow"])
def test_missing_package_is_an_error_that_names_the_extra(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "convai_async.dlt")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigurationError, match=re.escape("pip install 'convai-async[dlt]'")):
        import_module("convai_async.dlt")
