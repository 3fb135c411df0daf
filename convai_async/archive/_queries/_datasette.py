"""Metadata of an archive for Datasette."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from convai_async.archive._errors import translate_content_errors
from convai_async.archive._location import require_file
from convai_async.archive._queries._questions import QUESTIONS
from convai_async.archive._reader import ArchiveReader
from convai_async.archive._schema._tables import TABLES
from convai_async.archive._schema._views import VIEWS
from convai_async.archive._sqlite._database import open_for_reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convai_async.archive._location import ArchivePath, PostgresUrl
    from convai_async.archive._schema._table import Column

_OPTIONS: dict[str, dict[str, Any]] = {
    "archive": {"hidden": True},
    "windows": {"hidden": True},
    "runs": {"hidden": True},
    "steps": {"hidden": True},
    "step_jobs": {"hidden": True},
    "conversations": {
        "sort_desc": "start_time_unix_secs",
        "facets": ["agent_name", "call_successful", "main_language"],
    },
    "turns": {"facets": ["role"]},
    "tool_calls": {"facets": ["tool_name", "is_error"]},
    "evaluation_results": {"facets": ["criteria_id", "result"]},
    "data_collection_results": {"facets": ["data_collection_id"]},
    "step_results": {"facets": ["step", "version"]},
    "calls": {"sort_desc": "start_time", "facets": ["agent_name", "call_successful", "main_language"]},
    "agents": {"sort_desc": "calls"},
    "daily": {"sort_desc": "day", "facets": ["agent_name"]},
    "tools": {"sort_desc": "calls"},
    "criteria": {"sort": "pass_rate"},
    "costs": {"sort_desc": "price", "facets": ["agent_name", "model"]},
}
"""How Datasette shows tables and views."""


def build_datasette_metadata(path: ArchivePath | PostgresUrl) -> dict[str, Any]:
    """Return the metadata of an archive for Datasette, which reads it as JSON.

    It has descriptions of the tables, views and columns, units, facets, sort orders, and the questions of the
    documentation as queries.

    Args:
        path: The file. The name of the database is the file's name without its extension, as in Datasette.

    Raises:
        InvalidArgumentError: The archive is a database.
        ArchiveError: The file does not exist, is not a convai archive, or has another version.
    """
    file, connection = open_for_reading(require_file(path, "Datasette reads SQLite files only"))
    with closing(connection), translate_content_errors(file):
        source = ArchiveReader(file, connection).source()
        tables = {table.name: _describe(table.name, table.description, table.columns) for table in TABLES}
        for view in VIEWS:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({view.name})")]
            columns = view.columns or [_COLUMNS[name] for name in names if name in _COLUMNS]
            tables[view.name] = _describe(view.name, view.description, columns)
    queries = {question.name: {"title": question.title, "sql": question.sql} for question in QUESTIONS}
    description = f"Conversations of ElevenLabs agents, from {source}. Times are in UTC."
    return {"databases": {file.stem: {"description": description, "tables": tables, "queries": queries}}}


def _describe(name: str, description: str, columns: Iterable[Column]) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "description": description,
        "columns": {column.name: column.description for column in columns},
    }
    # Only fractions: Datasette writes a duration of 1,500 s as 1.5 ks.
    units = {each.name: "s" for each in columns if each.name.endswith("_secs") and each.arrow == "float64"}
    if units:
        metadata["units"] = units
    return metadata | _OPTIONS.get(name, {})


_COLUMNS = {column.name: column for table in reversed(TABLES) for column in table.columns}
"""The columns of the tables; if two tables have the same, the one of the first."""
