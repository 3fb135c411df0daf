"""Read a table or view of an archive as a data frame."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convai_async._support.validate import validate_choice
from convai_async.archive._batches import split_into_batches
from convai_async.archive._errors import translate_content_errors
from convai_async.archive._formats._export import import_parquet
from convai_async.archive._schema._table import Column
from convai_async.archive._schema._tables import CONVERSATIONS, JOINED_TABLES
from convai_async.archive._schema._views import DOCUMENTS, VIEWS
from convai_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from convai_async.archive._conditions import Condition
    from convai_async.archive._reader import ArchiveReader
    from convai_async.archive._schema._table import ArrowType

LIBRARIES = ("pandas", "polars", "pyarrow")
"""The libraries whose data frames `read_dataframe` returns."""

_TABLES = {table.name: table.exported for table in (CONVERSATIONS, *JOINED_TABLES)}
_VIEWS = {view.name: view for view in VIEWS}

_TIME_TEXTS = ("start_time", "first_start_time", "last_start_time")
"""The columns of views that are times as text."""

_COMPUTED: dict[ArrowType, tuple[str, ...]] = {
    "timestamp": _TIME_TEXTS,
    "date": ("day",),
    "int64": ("calls", "successful", "failed", "unknown", "results", "turns", "input_tokens", "output_tokens"),
    "float64": (
        "minutes",
        "mean_duration_secs",
        "mean_rating",
        "mean",
        "p50",
        "p95",
        "p99",
        "max",
        "pass_rate",
        "mean_score",
    ),
    "string": ("tags", "document"),
}
"""The columns that only views have, by type."""

_TYPES: dict[str, ArrowType] = {
    **{column.name: column.arrow for columns in _TABLES.values() for column in columns if column.arrow is not None},
    **{column.name: column.arrow for view in VIEWS for column in view.columns if column.arrow is not None},
    **{name: arrow for arrow, names in _COMPUTED.items() for name in names},
}


def read_dataframe(reader: ArchiveReader, table: str, condition: Condition, library: str) -> Any:
    """Do the work of `Archive.dataframe`."""
    validate_choice("table", table, [*_TABLES, *_VIEWS])
    validate_choice("library", library, LIBRARIES)
    parquet = import_parquet()
    module = _import_library(library)
    source, parameters = _build_source(table, reader.schema, condition)
    with translate_content_errors(reader.path):
        names = [name for name, *_ in reader.connection.execute(f"{source} LIMIT 0", parameters).description]
        columns = [Column(name, "", "", _TYPES[name]) for name in names if name in _TYPES]
    rows = _read_rows(reader, source, parameters, columns)
    arrow = parquet.build_table(columns, split_into_batches(rows), reader.path)
    if library == "polars":
        return module.from_arrow(arrow)
    if library == "pandas":
        # Otherwise, in a column with nulls, integers would be floats and booleans objects.
        nullable = {"int64": module.Int64Dtype(), "bool": module.BooleanDtype()}
        return arrow.to_pandas(date_as_object=False, types_mapper=lambda kind: nullable.get(str(kind)))
    return arrow


def _build_source(table: str, schema: str, condition: Condition) -> tuple[str, list[Any]]:
    """Return a SELECT of a table or view that sees only the conversations that a condition selects."""
    tables = [f"conversations AS (SELECT * FROM {schema}.conversations WHERE {condition.sql})"]  # noqa: S608 - constants
    tables += [
        f"{each.name} AS (SELECT * FROM {schema}.{each.name} WHERE conversation_id IN"  # noqa: S608
        " (SELECT conversation_id FROM conversations))"
        for each in JOINED_TABLES
    ]
    # Their queries are written out, since a view of the file itself would see all conversations. Each is checked, even
    # if it is not used, and PostgreSQL cannot run that of the documents.
    views = [view for view in VIEWS if view is not DOCUMENTS or table == DOCUMENTS.name]
    tables += [f"{view.name} AS ({view.query})" for view in views]
    order = " ORDER BY start_time_unix_secs NULLS FIRST, conversation_id" if table == "conversations" else ""
    order = " ORDER BY start_time NULLS FIRST, conversation_id" if table == "calls" else order
    return f"WITH RECURSIVE {', '.join(tables)} SELECT * FROM {table}{order}", condition.parameters  # noqa: S608


def _read_rows(
    reader: ArchiveReader, source: str, parameters: list[Any], columns: list[Column]
) -> Iterator[dict[str, Any]]:
    names = ", ".join(
        f"CAST(strftime('%s', {each.name}) AS BIGINT)" if each.name in (*_TIME_TEXTS, "day") else each.name
        for each in columns
    )
    with translate_content_errors(reader.path):
        for row in reader.iterate(f"SELECT {names} FROM ({source}) AS source", parameters):  # noqa: S608
            yield dict(zip((each.name for each in columns), row, strict=True))


def _import_library(library: str) -> ModuleType:
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{library} is not installed: pip install {library}") from error
