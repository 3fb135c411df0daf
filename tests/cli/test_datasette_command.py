"""``convai-async datasette``, with the real Datasette."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from convai_async.archive import Archive
from convai_async.archive._queries._questions import QUESTIONS
from convai_async.archive._schema._tables import TABLES
from convai_async.archive._schema._views import VIEWS
from convai_async.cli._app import run

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["cli_fixtures"]


@pytest.fixture
def printed(harvested: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The output of the command."""
    assert run(["datasette", str(harvested)]) == 0
    return capsys.readouterr().out


def test_output_describes_every_table_view_and_column(printed: str) -> None:
    (described,) = json.loads(printed)["databases"].values()
    tables = described["tables"]
    assert tables.keys() == {each.name for each in (*TABLES, *VIEWS)}
    for table in TABLES:
        assert tables[table.name]["description"] == table.description
        assert tables[table.name]["columns"] == {column.name: column.description for column in table.columns}
    assert tables["calls"]["columns"]["cost"] == "The cost in credits."
    assert "raw" not in tables["calls"]["columns"]
    assert tables["turn_metrics"]["units"] == {"elapsed_secs": "s"}
    assert "units" not in tables["calls"]


def test_output_names_the_database_as_datasette_does(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = harvested.rename(harvested.with_name("my.calls.db"))
    assert run(["datasette", str(path)]) == 0
    (name,) = json.loads(capsys.readouterr().out)["databases"]
    assert name == "my.calls"


def test_file_that_is_not_an_archive_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["datasette", str(tmp_path / "calls.db")]) == 2
    assert "there is no archive" in capsys.readouterr().err


async def test_datasette_shows_every_table_and_answers_every_question(printed: str, harvested: Path) -> None:
    app = pytest.importorskip("datasette.app")
    metadata = pytest.importorskip("datasette.utils").parse_metadata(printed)
    datasette = app.Datasette([str(harvested)], metadata=metadata)
    await datasette.invoke_startup()

    async def get(path: str) -> Any:
        response = await datasette.client.get(f"/calls{path}")
        assert response.status_code == 200, (path, response.text)
        return response.json() if ".json" in path else response.text

    listed = await get(".json")
    shown = {table["name"] for table in listed["tables"] if not table["hidden"]}
    assert shown & {"archive", "runs", "windows", "turns_search"} == set()
    assert [query["title"] for query in listed["queries"]] == [question.title for question in QUESTIONS]
    for question in QUESTIONS:
        assert len(await get(f"/{question.name}.json?_shape=array")) > 1
    for name in shown | {view.name for view in VIEWS}:  # the pages have labels, units and facets, JSON has not
        assert f"<title>calls: {name}" in await get(f"/{name}")
    assert "&nbsp;ms" in await get("/turn_metrics")
    with Archive.open(harvested) as archive:
        count = archive.count_hits("refund")
    assert 0 < count == (await get("/turns.json?_search=refund"))["filtered_table_rows_count"]
